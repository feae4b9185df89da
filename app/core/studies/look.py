"""What is drawn of the trials of a study: curves and filters, also of runs that are at work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from app.core.compare.curves import RunCurve, curve_of, together
from app.core.curves import bin_curve
from app.core.errors import Cancelled, FilterscopeError
from app.core.export import mosaic_png
from app.core.runs import RunFolder
from app.core.studies.folder import FINISHED
from app.core.studies.results import StudyResults, TrialResult, words_of
from app.core.takeaway.contents import contents_of
from app.core.waiting import Cancel

__all__ = ["Look", "Looker", "Picture", "Points", "shown_trials"]

MOST_TRIALS = 8
SPARK_POINTS = 120

# Epochs with what was measured there.
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Picture:
    """The filters of a trial: `words` say which, `note` when, `png` is the picture."""

    trial: int
    words: str
    note: str
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Look:
    """What there is to be seen.

    Attributes
    ----------
    curves : list of RunCurve
        One for each trial that is shown, with a column for each seed.
    pictures : list of Picture
    costs : mapping of int to list of (float, float)
        Epochs and costs of each run, a few, by its number.
    """

    curves: list[RunCurve]
    pictures: list[Picture]
    costs: Mapping[int, list[tuple[float, float]]]


@dataclass(frozen=True)
class _Run:
    """What was read of one run."""

    curve: RunCurve | None
    costs: list[tuple[float, float]]


def shown_trials(results: StudyResults, chosen: int | None = None) -> list[TrialResult]:
    """Return the trials that are drawn: all, or of many the best, and the chosen one."""
    if len(results.trials) <= MOST_TRIALS:
        return list(results.trials)
    # Those that are not judged yet come last, in their order.
    others = [trial for trial in results.trials if trial.mean is None]
    found = [*results.ranked, *others][:MOST_TRIALS]
    wanted = [trial for trial in results.trials if trial.number == chosen and trial not in found]
    if wanted:
        found[-1:] = wanted
    return sorted(found, key=lambda trial: trial.number)


class Looker:
    """Reads what is drawn of studies; of a run that has ended, once.

    Parameters
    ----------
    palette : sequence of str
        Colours of the curves.
    """

    def __init__(self, palette: Sequence[str]) -> None:
        self._palette = palette
        self._runs: dict[tuple[Path, int, str], _Run] = {}
        self._pictures: dict[tuple[Path, int], bytes] = {}

    def look(
        self,
        results: StudyResults,
        *,
        live: Mapping[int, tuple[Points, Points]] | None = None,
        chosen: int | None = None,
        cancel: Cancel = lambda: False,
    ) -> Look:
        """Read curves and filters of a study's trials.

        Parameters
        ----------
        results : StudyResults
        live : mapping, optional
            Costs and accuracies that were heard of runs, by their numbers: what is drawn of
            those whose folder is on another computer while they train.
        chosen : int, optional
            A trial that is among those drawn in any case.

        Raises
        ------
        Cancelled
            `cancel` said so.
        """
        curves: list[RunCurve] = []
        pictures: list[Picture] = []
        costs: dict[int, list[tuple[float, float]]] = {}
        accuracy = results.spec.objective == "accuracy"
        for place, trial in enumerate(shown_trials(results, chosen)):
            name = words_of(results.spec, trial.values)
            colour = self._palette[place % len(self._palette)]
            runs: list[RunFolder | None] = []
            ended: list[RunCurve] = []
            growing: list[RunCurve] = []
            for member, known in zip(trial.members, trial.runs, strict=True):
                if cancel():
                    raise Cancelled("Another study is read.")
                # Those that have no end yet may have begun, or ended, since.
                over = known is not None and known.info.state in FINISHED
                run = known if over else results.study.run_of(member)
                runs.append(run)
                heard = (live or {}).get(member.number, ((), ()))
                seen = self._run(run, heard, accuracy)
                if seen.costs:
                    costs[member.number] = seen.costs
                if seen.curve is not None and len(seen.curve.x):
                    curve = replace(seen.curve, name=name, colour=colour)
                    (growing if curve.growing else ended).append(curve)
            # A seed that has just begun does not cut the others short.
            seeds = ended or growing
            if seeds:
                curves.append(together(seeds, name, colour) if len(seeds) > 1 else seeds[0])
            picture = self._picture(trial.number, name, runs)
            if picture is not None:
                pictures.append(picture)
        return Look(curves, pictures, costs)

    def _run(self, run: RunFolder | None, heard: tuple[Points, Points], accuracy: bool) -> _Run:
        what = "validation" if accuracy else "cost"
        if run is not None:
            # One that was stopped may have gone on since.
            key = None if run.info.outcome is None else (run.path, run.info.outcome.step, what)
            if key in self._runs:
                return self._runs[key]
            try:
                history = run.read_history()[0]
            except FilterscopeError:
                # Its first line is not written yet, or it is elsewhere.
                history = None
            if history is not None and len(history):
                small = curve_of(run.info, history, "cost", "epoch")
                binned = bin_curve(small.x, small.y, SPARK_POINTS)
                points = list(zip(binned.x.tolist(), binned.mean[:, 0].tolist(), strict=True))
                found = _Run(curve_of(run.info, history, what, "epoch"), points)
                if key is not None:
                    self._runs[key] = found
                return found
        costs, accuracies = heard
        drawn = [(at, 100 * value) for at, value in accuracies] if accuracy else list(costs)
        curve = None
        if drawn:
            measured = np.array(drawn, np.float64)
            curve = RunCurve("", "", measured[:, 0], measured[:, 1:], growing=True)
        return _Run(curve, list(costs))

    def _picture(self, trial: int, words: str, runs: Sequence[RunFolder | None]) -> Picture | None:
        """Return the filters of a trial's first run that has some, one that has ended before."""
        there = [run for run in runs if run is not None]
        for run in sorted(there, key=lambda run: run.info.state not in FINISHED):
            outcome = run.info.outcome
            key = None if outcome is None else (run.path, outcome.step)
            if key in self._pictures:
                return Picture(trial, words, "", self._pictures[key])
            try:
                contents = contents_of(run)
                tiles = contents.filters()
                steps = run.keyframes()
            except FilterscopeError:
                # It has no weights yet.
                continue
            png = mosaic_png(tiles, 2 if tiles.tile_shape[0] >= 12 else 6)
            if key is not None:
                self._pictures[key] = png
                return Picture(trial, words, "", png)
            epoch = contents.epoch_of(steps[-1][0]) if steps else 0.0
            return Picture(trial, words, f"epoch {epoch:.0f}", png)
        return None
