"""What is read of a study for its page: its runs, its patches, and what they are called there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from app.core.data.patches import Patches, RawPatches
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.errors import Cancelled, FilterscopeError
from app.core.runs import RunFolder
from app.core.studies.presets import STUDY_PRESETS
from app.core.studies.results import StudyResults, TrialResult, words_of
from app.core.takeaway.contents import Contents, contents_of
from app.core.waiting import Cancel

__all__ = ["INPUTS", "StudyMaterial", "heading"]

# More trials than these are in the table and the charts only.
MOST_PICTURES = 12
# Which figures of the report show what: filters, reconstructions and cost of each value.
FIGURES: dict[str, dict[Any, tuple[str, str, str]]] = {
    "rho": {0.2: ("3", "6", ""), 0.5: ("3", "", ""), 0.8: ("4", "", "")},
    "hidden_units": {25: ("7", "", "13"), 64: ("8", "", ""), 100: ("9", "12", "14")},
}
INPUTS = {"rho": "5", "hidden_units": "10"}


class StudyMaterial:
    """One study, read as far as its page asks for it.

    Parameters
    ----------
    results : StudyResults
    cancel : callable, optional
        Asked between pictures whether to give up.

    Attributes
    ----------
    varied : str
        Which setting it varies, if it is one of the report's; else nothing.
    notes : list of str
        What a person should know of the page.
    """

    def __init__(self, results: StudyResults, cancel: Cancel | None = None) -> None:
        self.results, self.spec = results, results.spec
        self.notes: list[str] = []
        self.varied = _of_the_report(results)
        self._cancel = cancel
        self._contents: dict[Path, Contents] = {}

    def contents(self, run: RunFolder) -> Contents:
        """Return what there is to be seen of a run; Cancelled is raised when it was given up."""
        if self._cancel is not None and self._cancel():
            raise Cancelled("The page was given up.")
        if run.path not in self._contents:
            self._contents[run.path] = contents_of(run)
        return self._contents[run.path]

    @cached_property
    def pictured(self) -> list[tuple[TrialResult, RunFolder]]:
        """The trials that pictures are made of: the first ones, or the best of many."""
        known = _with_runs(self.results.trials)
        if len(known) <= MOST_PICTURES:
            return known
        self.notes.append(f"Pictures are of the best {MOST_PICTURES} of {len(known)}.")
        return _with_runs(self.results.ranked)[:MOST_PICTURES]

    @cached_property
    def raw(self) -> RawPatches | None:
        """The patches as the file has them; None when they are not what they were."""
        if not self.pictured or self.spec.kind != "autoencoder":
            return None
        source = self.pictured[0][1].info.source
        if source.dataset.startswith("cut "):
            return None
        try:
            raw = open_patches(
                source.path,
                dataset=source.dataset,
                layout=source.layout,
                value_range=source.value_range,
            )
        except FilterscopeError as error:
            self.notes.append(f"Patches are not shown: {error.message}")
            return None
        if raw.source.sha256 != source.sha256:
            self.notes.append(f"Patches are not shown: {Path(source.path).name} is another now.")
            return None
        return raw

    @cached_property
    def patches(self) -> Patches | None:
        """The prepared patches, where all runs share them."""
        prepared = {run.info.preprocess for _, run in self.pictured}
        if self.raw is None or len(prepared) != 1:
            return None
        return preprocess(self.raw, self.pictured[0][1].info.autoencoder[1])

    def words(self, trial: TrialResult) -> str:
        """Return what a trial has of its own."""
        # A symbol and its value stay on one line.
        parts = words_of(self.spec, trial.values).split(", ")
        return ", ".join(part.replace(" ", "\u00a0", 1) for part in parts)

    @property
    def accuracy(self) -> bool:
        """Whether it is about accuracies."""
        return self.spec.objective == "accuracy"

    def figure_number(self, trial: TrialResult, which: int) -> str:
        """Return which figure of the report a picture answers, in brackets, or nothing.

        `which` is 0 for filters, 1 for reconstructions and 2 for the cost.
        """
        numbers = FIGURES.get(self.varied, {}).get(trial.values.get(self.varied, None))
        number = numbers[which] if numbers else ""
        return f" (the report’s Figure {number})" if number else ""


def heading(words: str) -> str:
    """Begin with a capital letter; a symbol such as ρ stays what it is."""
    return words[:1].upper() + words[1:] if words[:1].isascii() else words


def _with_runs(trials: Sequence[TrialResult]) -> list[tuple[TrialResult, RunFolder]]:
    found = [(trial, trial.shown_run) for trial in trials]
    return [(trial, run) for trial, run in found if run is not None]


def _of_the_report(results: StudyResults) -> str:
    """Return which setting a study of the report varies, or nothing for another study."""
    for values in STUDY_PRESETS.values():
        name = str(values["vary"][0]["name"])
        if [one.name for one in results.spec.vary] == [name] and results.spec.kind == "autoencoder":
            return name
    return ""
