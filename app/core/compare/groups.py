"""Which of several runs differ in their seed alone, and what tells the others apart in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.params import describe, format_number
from app.core.runs import RunInfo

__all__ = ["Group", "describe_runs", "group_runs", "own_settings", "seed_groups"]

# What says nothing about a difference in what was learned.
SEED = "seed"
# What is named after all else where settings are told in a line.
LAST = (SEED, "epochs")
MOST_WORDS = 3


@dataclass(frozen=True)
class Group:
    """Runs that are drawn as one: what they are called, and their places."""

    name: str
    members: tuple[int, ...]


def group_runs(infos: Sequence[RunInfo], names: Sequence[str], *, seeds: bool) -> list[Group]:
    """Return the runs one by one or, with `seeds`, those that differ in their seed alone as one."""
    places = seed_groups(infos) if seeds else [[place] for place in range(len(infos))]
    several = [group for group in places if len(group) > 1]
    seed = infos[several[0][0]].spec.seed if several else 0
    shown = []
    for group in places:
        info = infos[group[0]]
        # A seed that is one of many says nothing.
        alone = len(group) == 1
        shown.append(info if alone else info.changed(spec=info.spec.changed(seed=seed)))
    texts = describe_runs(shown, [names[group[0]] for group in places])
    return [
        Group(text + _how_many([infos[place] for place in group]), tuple(group))
        for text, group in zip(texts, places, strict=True)
    ]


def _how_many(infos: Sequence[RunInfo]) -> str:
    """Return of several runs how many seeds they are, or how often one was trained."""
    if len(infos) == 1:
        return ""
    seeds = {info.spec.seed for info in infos}
    what = f"{len(seeds)} seeds" if len(seeds) == len(infos) else f"{len(infos)} runs"
    return f" · {what}"


def own_settings(info: RunInfo) -> str:
    """Return in few words what a run was told that is not the default."""
    words = _words([info])
    parts = []
    for spec in (info.spec, info.preprocess):
        for parameter in describe(type(spec)):
            value = getattr(spec, parameter.name)
            if value != parameter.default and parameter.name not in LAST:
                # What has a symbol is what a lesson is about.
                rank = not parameter.hyper.symbol
                parts.append((rank, f"{words[parameter.name]} {_shown(value)}".strip()))
    found = [text for _, text in sorted(parts, key=lambda part: part[0])]
    if info.spec.seed:
        found.append(f"seed {info.spec.seed}")
    if info.spec.epochs != type(info.spec).model_fields["epochs"].default:
        found.append(f"{info.spec.epochs} epoch{'s' * (info.spec.epochs > 1)}")
    return ", ".join(found)


def _settings(info: RunInfo) -> dict[str, Any]:
    """Return all that a run was told, by name, without its seed."""
    source = info.source
    values: dict[str, Any] = {
        "kind": info.kind,
        "data": (source.sha256, source.dataset, source.count, source.shape),
    }
    for spec in (info.spec, info.preprocess):
        values.update(spec.model_dump())
    values.pop(SEED)
    return values


def seed_groups(infos: Sequence[RunInfo]) -> list[list[int]]:
    """Return the places of the runs that have all but the seed in common, in their order.

    Runs that were repeated with the same seed are in one group too: nothing differs in them.
    """
    groups: dict[str, list[int]] = {}
    for place, info in enumerate(infos):
        groups.setdefault(repr(_settings(info)), []).append(place)
    return list(groups.values())


def describe_runs(infos: Sequence[RunInfo], names: Sequence[str]) -> list[str]:
    """Return a few words for each run: the settings in which it differs from the others.

    Parameters
    ----------
    infos : sequence of RunInfo
    names : sequence of str
        What a run is called where no setting tells it from another one.

    Returns
    -------
    list of str
        All different, such as ``ρ 0.2, seed 1``.
    """
    values = [{**_settings(info), SEED: info.spec.seed} for info in infos]
    words = _words(infos)
    differing = [
        name
        for name in dict.fromkeys(name for one in values for name in one)
        if len({repr(one.get(name)) for one in values}) > 1
    ]
    texts = []
    for info, one in zip(infos, values, strict=True):
        if "kind" in differing:
            # Of two kinds of network everything differs.
            parts = ["CNN" if info.kind == "cnn" else "autoencoder"]
        else:
            parts = [f"{words[n]} {_shown(one[n])}".strip() for n in differing if n in words]
            if "data" in differing:
                parts.insert(0, Path(info.source.path).name)
        texts.append(", ".join(parts[:MOST_WORDS]))
    # What a few words do not tell apart, the name does.
    return [
        text if text and texts.count(text) == 1 else f"{text} · {name}".removeprefix(" · ")
        for text, name in zip(texts, names, strict=True)
    ]


def _words(infos: Sequence[RunInfo]) -> dict[str, str]:
    """Return what each setting is called where there is little room: its symbol, or its label."""
    words: dict[str, str] = {}
    for info in infos:
        for spec in (info.spec, info.preprocess):
            for parameter in describe(type(spec)):
                hyper = parameter.hyper
                # Of a choice the choice itself says enough.
                own = "" if parameter.kind == "choice" else hyper.label.lower()
                words[parameter.name] = hyper.symbol or own
    return words


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, int | float) else str(value)
