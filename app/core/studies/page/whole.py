"""The page of a study, or of both studies of the report: its Figures 1 to 14 in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.core.runs.info import versions
from app.core.studies.page.curves import curves_sections
from app.core.studies.page.material import StudyMaterial, heading
from app.core.studies.page.numbers import maps_section, outcomes_section
from app.core.studies.page.pictures import (
    filters_section,
    patches_section,
    reconstructions_section,
)
from app.core.studies.results import StudyResults, name_of, shown_value
from app.core.takeaway.page import Page, Section, Table
from app.core.takeaway.report import settings_tables
from app.core.waiting import Cancel

__all__ = ["study_page"]


def study_page(
    studies: Sequence[StudyResults], *, cancel: Cancel | None = None
) -> tuple[Page, list[str]]:
    """Return what one or several studies found as a page, and what a person should know of it.

    Parameters
    ----------
    studies : sequence of StudyResults
    cancel : callable, optional
        Asked between pictures whether to give up.

    Raises
    ------
    Cancelled
        It was given up.
    """
    parts = [StudyMaterial(results, cancel) for results in studies]
    sections: list[Section] = []
    for part in parts[:1]:
        sections += patches_section(part)
    for part in parts:
        sections += _sections(part, alone=len(parts) == 1)
    said: set[tuple[str, ...]] = set()
    for part in parts:
        sections.append(_settings(part, said, alone=len(parts) == 1))
    kind = "A sparse autoencoder" if studies[0].spec.kind == "autoencoder" else "A CNN"
    titles = [results.spec.title for results in studies]
    title = " and ".join(titles)
    footer = [line for part in parts for line in _footer(part)]
    now = ", ".join(f"{name} {value}" for name, value in versions().items())
    page = Page(
        heading(title),
        f"{kind}, trained {' and '.join(_lead(part) for part in parts)}.",
        [fact for part in parts for fact in _facts(part, alone=len(parts) == 1)],
        sections,
        [*footer, f"This page: {now}.", "Made by Filterscope."],
    )
    return page, list(dict.fromkeys(note for part in parts for note in part.notes))


def _sections(study: StudyMaterial, *, alone: bool) -> list[Section]:
    name = "" if alone else f"{heading(study.spec.title)}: "
    return [
        *filters_section(study, name),
        *reconstructions_section(study, name),
        *curves_sections(study, name),
        *outcomes_section(study, name),
        *maps_section(study, name),
    ]


def _lead(study: StudyMaterial) -> str:
    """Return what was varied, and how often it was trained."""
    names = [study.spec.parameters[one.name].hyper.label.lower() for one in study.spec.vary]
    runs = sum(len(trial.members) for trial in study.results.trials)
    what = " and ".join(names) or "the seed alone"
    seeds = len(study.spec.seeds)
    each = "" if seeds == 1 else f", {seeds} seeds each"
    return f"over {what} ({runs} runs{each})"


def _facts(study: StudyMaterial, *, alone: bool) -> list[tuple[str, str]]:
    best = study.results.best
    of = "" if alone else f" ({study.spec.title})"
    found = []
    if best is not None and best.mean is not None and len(study.results.trials) > 1:
        value = study.results.written(best.mean)
        found.append((f"Best {study.results.objective}{of}", f"{value} at {study.words(best)}"))
    states = study.results.states
    done = sum(states.get(state, 0) for state in ("done", "converged"))
    total = sum(states.values())
    found.append((f"Runs done{of}", f"{done} of {total}" if done != total else f"{done}"))
    return found


def _settings(study: StudyMaterial, said: set[tuple[str, ...]], *, alone: bool) -> Section:
    """Return what all runs have in common; of a later study, what was not `said` before."""
    parameters = study.spec.parameters
    names = [one.name for one in study.spec.vary]
    words = [
        f"{parameters[name].hyper.label} ({name_of(parameters[name])}): "
        f"{_tried(study.results, name)}."
        for name in names
    ]
    words.append(f"Seeds: {', '.join(map(str, study.spec.seeds))}.")
    if study.spec.search != "grid":
        how = "at random" if study.spec.search == "random" else "by a Parzen estimator (Optuna)"
        words.append(f"{study.spec.trials} trials, chosen {how}.")
    tables = []
    own = _labels(study, names)
    for table in settings_tables(study.spec.spec, study.spec.preprocess):
        rows = [row for row in table.rows if row[1] not in own]
        new = [row for row in rows if tuple(row) not in said]
        if new:
            tables.append(Table(table.headings, new, table.caption, table.numbers))
        said.update(map(tuple, rows))
    title = "Settings" if alone else f"Settings of the {study.spec.title}"
    if tables and not alone and len(said) > sum(len(table.rows) for table in tables):
        words.append("All else is as above.")
    return Section(title, words, tables=tables)


def _labels(study: StudyMaterial, names: Sequence[str]) -> set[str]:
    """Return what settings are called that each run has of its own."""
    return {study.spec.parameters[name].hyper.label for name in (*names, "seed")}


def _tried(results: StudyResults, name: str) -> str:
    seen = list(dict.fromkeys(trial.values[name] for trial in results.trials))
    varied = next(one for one in results.spec.vary if one.name == name)
    parameter = results.spec.parameters[name]
    if not varied.values and (results.spec.search != "grid" or len(seen) > 12):
        scale = ", logarithmic" if varied.scale == "log" else ""
        low, high = (shown_value(parameter, end or 0.0) for end in (varied.low, varied.high))
        return f"{low} … {high}{scale}"
    return ", ".join(shown_value(parameter, value) for value in seen)


def _footer(study: StudyMaterial) -> list[str]:
    info = study.results.study.info
    made = ", ".join(f"{name} {value}" for name, value in info.versions.items())
    lines = [
        f"Study {info.study_id}, begun {info.created}; {made}"
        f"{'; source ' + info.git if info.git else ''}."
    ]
    if info.data_sha256:
        data = Path(study.spec.data).name or "what comes with the program"
        lines.append(f"Data: {data}, SHA-256 {info.data_sha256}.")
    return lines
