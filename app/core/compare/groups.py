"""Which of several runs differ in their seed alone, and what tells the others apart in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.history import History
from app.core.params import Parameter, describe, setting_in_words
from app.core.runs import RunInfo
from app.core.runs.names import NETWORKS

__all__ = [
    "Group",
    "changed_settings",
    "describe_runs",
    "group_runs",
    "own_settings",
    "seed_groups",
]

# What says nothing about a difference in what was learned.
SEED = "seed"
# What is named after all else where settings are told in a line.
LAST = (SEED, "epochs")
MOST_WORDS = 3
# Of a value that was moved more often, its first and its last are told.
MOST_MOVES = 2


@dataclass(frozen=True)
class Group:
    """Runs that are drawn as one: what they are called, and their places."""

    name: str
    members: tuple[int, ...]


def group_runs(
    infos: Sequence[RunInfo],
    names: Sequence[str],
    *,
    seeds: bool,
    histories: Sequence[History] = (),
) -> list[Group]:
    """Return the runs one by one or, with `seeds`, those that differ in their seed alone as one.

    `histories` say what was moved while each trained; without them nothing was.
    """
    places = seed_groups(infos, histories) if seeds else [[place] for place in range(len(infos))]
    first = [group[0] for group in places]
    texts = describe_runs(
        [infos[place] for place in first],
        [names[place] for place in first],
        [histories[place] for place in first] if histories else (),
        # A seed that is one of many says nothing.
        seedless=[len(group) > 1 for group in places],
    )
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
    parts = []
    for parameter, value in _told(info):
        if value != parameter.default and parameter.name not in LAST:
            # What has a symbol is what a lesson is about.
            parts.append((not parameter.hyper.symbol, setting_in_words(parameter, value)))
    found = [text for _, text in sorted(parts, key=lambda part: part[0])]
    if info.spec.seed:
        found.append(f"seed {info.spec.seed}")
    if info.spec.epochs != type(info.spec).model_fields["epochs"].default:
        found.append(_epochs(info))
    return ", ".join(found)


def changed_settings(info: RunInfo) -> str:
    """Return in few words what a branch was told that its parent was not."""
    if info.parent is None:
        return ""
    new = {name: value for name, _, value in info.parent.changes}
    return ", ".join(
        setting_in_words(parameter, new[parameter.name])
        for parameter, _ in _told(info)
        if parameter.name in new
    )


def _told(info: RunInfo) -> list[tuple[Parameter, Any]]:
    """Return every setting of a run with its value, in the order of the form."""
    return [
        (parameter, getattr(spec, parameter.name))
        for spec in (info.spec, info.preprocess)
        for parameter in describe(type(spec))
    ]


def _settings(info: RunInfo) -> dict[str, Any]:
    """Return all that a run was told, and what it began with, by name; without its seed."""
    source, parent = info.source, info.parent
    values: dict[str, Any] = {
        "kind": info.kind,
        "data": (source.sha256, source.dataset, source.count, source.shape),
        "model": None if info.model is None else (info.model.sha256, info.model.name),
        # A branch may have the settings of a run that had them from its start.
        "parent": None if parent is None else (parent.run_id, parent.step),
        "weights": None if info.weights is None else info.weights.sha256,
        "began": info.began,
    }
    for spec in (info.spec, info.preprocess):
        values.update(spec.model_dump())
    values.pop(SEED)
    return values


def _moves(history: History) -> list[tuple[int, str, Any, Any]]:
    """Return every change of a live value: after which step, which, from what, to what."""
    return [(step, c.name, c.old, c.new) for step, c in history.changes if c.old != c.new]


def seed_groups(infos: Sequence[RunInfo], histories: Sequence[History] = ()) -> list[list[int]]:
    """Return the places of the runs that have all but the seed in common, in their order.

    Runs that were repeated with the same seed are in one group too: nothing differs in them.
    A run of which a live value was moved is only with those where the same was moved at the
    same step, for it was trained with other values than its settings say.
    """
    groups: dict[str, list[int]] = {}
    for place, info in enumerate(infos):
        moved = _moves(histories[place]) if histories else []
        groups.setdefault(repr((_settings(info), moved)), []).append(place)
    return list(groups.values())


def describe_runs(
    infos: Sequence[RunInfo],
    names: Sequence[str],
    histories: Sequence[History] = (),
    *,
    seedless: Sequence[bool] = (),
) -> list[str]:
    """Return a few words for each run: the settings in which it differs from the others.

    Parameters
    ----------
    infos : sequence of RunInfo
    names : sequence of str
        What a run is called where no setting tells it from another one.
    histories : sequence of History, optional
        What was moved while each trained.
    seedless : sequence of bool, optional
        Of which runs the seed is not told.

    Returns
    -------
    list of str
        All different, such as ``ρ 0.2, seed 1``, or ``ρ 0.05 → 0.2`` where it was moved.
    """
    moved = [_moved(history) for history in histories] or [{} for _ in infos]
    hidden = seedless or [False] * len(infos)
    kinds = {info.kind for info in infos}
    texts = [""] * len(infos)
    # Of two kinds of network everything differs: each is told apart from its own.
    for kind in kinds:
        places = [place for place, info in enumerate(infos) if info.kind == kind]
        told = _differing(
            [infos[place] for place in places],
            [moved[place] for place in places],
            [hidden[place] for place in places],
        )
        for place, text in zip(places, told, strict=True):
            first = [NETWORKS[kind]] if len(kinds) > 1 and (text or len(places) == 1) else []
            texts[place] = ", ".join([*first, *([text] if text else [])])
    # What a few words do not tell apart, the name does.
    return [
        text if text and texts.count(text) == 1 else f"{text} · {name}".removeprefix(" · ")
        for text, name in zip(texts, names, strict=True)
    ]


def _differing(
    infos: Sequence[RunInfo],
    moved: Sequence[dict[str, tuple[Any, ...]]],
    seedless: Sequence[bool],
) -> list[str]:
    """Return for each of several runs of one kind the settings in which it differs from others."""
    values = [_settings(info) for info in infos]
    seeds = {info.spec.seed for info, hide in zip(infos, seedless, strict=True) if not hide}
    differing = {
        name
        for name in dict.fromkeys(name for one in values for name in one)
        if len({repr((one[name], by.get(name))) for one, by in zip(values, moved, strict=True)}) > 1
    }
    texts = []
    for info, by, hide in zip(infos, moved, seedless, strict=True):
        parts = _beginnings(info, differing)
        parts += [
            setting_in_words(parameter, *by.get(parameter.name, (value,)))
            for parameter, value in _told(info)
            if parameter.name in differing and parameter.name not in LAST
        ]
        if len(seeds) > 1 and not hide:
            parts.append(f"{SEED} {info.spec.seed}")
        if "epochs" in differing:
            parts.append(_epochs(info))
        texts.append(", ".join(parts[:MOST_WORDS]))
    return texts


def _epochs(info: RunInfo) -> str:
    return f"{info.spec.epochs} epoch{'s' * (info.spec.epochs > 1)}"


def _beginnings(info: RunInfo, differing: set[str]) -> list[str]:
    """Return what a run began with, where others began with something else."""
    parts = []
    if "data" in differing:
        parts.append(Path(info.source.path).name)
    if "model" in differing and info.model is not None:
        parts.append(info.model.name)
    if "parent" in differing and info.parent is not None:
        parts.append(f"from epoch {info.parent.epoch:.3g}")
    if "weights" in differing and info.weights is not None:
        parts.append(Path(info.weights.path).name)
    return parts


def _moved(history: History) -> dict[str, tuple[Any, ...]]:
    """Return the values that each live setting had, one after the other, if it was moved."""
    found: dict[str, list[Any]] = {}
    for _, change in history.moves():
        found.setdefault(change.name, [change.old]).append(change.new)
    return {
        name: tuple(values) if len(values) <= MOST_MOVES + 1 else (values[0], "…", values[-1])
        for name, values in found.items()
    }
