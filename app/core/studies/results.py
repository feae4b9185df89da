"""What a study found: its trials with what they gave, and two ways to see many of them at once."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.params import Parameter, value_in_words
from app.core.runs import RunFolder
from app.core.studies.folder import FINISHED, Member, StudyFolder, value_of
from app.core.studies.spec import OBJECTIVES, Scalar, StudySpec

__all__ = [
    "ParallelAxis",
    "StudyResults",
    "TrialResult",
    "heat_map",
    "name_of",
    "parallel_axes",
    "read_results",
    "shown_value",
    "words_of",
]

# A range that is not drawn on a logarithmic scale unless it spans so many times its low end.
MOST_TICKS = 7
# More values of a range than these are put together in a heat map.
MOST_STEPS = 8


@dataclass(frozen=True)
class TrialResult:
    """One combination of values, trained with each seed.

    Attributes
    ----------
    members : tuple of Member
    runs : tuple of RunFolder or None
        The run of each member.
    states : tuple of str
    judged : tuple of float or None
        What each is judged by.
    """

    number: int
    values: Mapping[str, Scalar]
    members: tuple[Member, ...]
    runs: tuple[RunFolder | None, ...] = field(repr=False)
    states: tuple[str, ...] = ()
    judged: tuple[float | None, ...] = ()

    @property
    def known(self) -> list[float]:
        """What is known of its seeds."""
        return [value for value in self.judged if value is not None and math.isfinite(value)]

    @property
    def mean(self) -> float | None:
        """Mean over its seeds, of those that are known."""
        return statistics.fmean(self.known) if self.known else None

    @property
    def shown_run(self) -> RunFolder | None:
        """The run that stands for it in pictures: of its first seed that has ended well."""
        for run, state in zip(self.runs, self.states, strict=True):
            if run is not None and state in FINISHED:
                return run
        return None


@dataclass(frozen=True)
class StudyResults:
    """All trials of a study, as they stand."""

    study: StudyFolder
    trials: tuple[TrialResult, ...]

    @property
    def spec(self) -> StudySpec:
        """What was tried."""
        return self.study.spec

    @cached_property
    def ranked(self) -> tuple[TrialResult, ...]:
        """The trials that are judged, the one with the best mean first."""
        judged = [(trial.mean, trial) for trial in self.trials if trial.mean is not None]
        sign = 1 if self.spec.least_is_best else -1
        return tuple(trial for _, trial in sorted(judged, key=lambda one: sign * one[0]))

    @cached_property
    def best(self) -> TrialResult | None:
        """The trial with the best mean."""
        return self.ranked[0] if self.ranked else None

    def written(self, value: float) -> str:
        """Return what a trial is judged by as a person reads it: an accuracy in per cent."""
        return f"{value:.1%}" if self.spec.objective == "accuracy" else f"{value:.5g}"

    @property
    def states(self) -> dict[str, int]:
        """How many runs are in which state."""
        found: dict[str, int] = {}
        for trial in self.trials:
            for state in trial.states:
                found[state] = found.get(state, 0) + 1
        return found

    @property
    def missing(self) -> bool:
        """Whether a run has to be trained yet, or a trial to be chosen."""
        states = [state for trial in self.trials for state in trial.states]
        return len(states) < self.spec.run_count or any(s not in FINISHED for s in states)

    @property
    def objective(self) -> str:
        """What runs are judged by, in words."""
        return OBJECTIVES[self.spec.objective][0]


def read_results(study: StudyFolder) -> StudyResults:
    """Read what has become of every run of a study."""
    trials: dict[int, list[Member]] = {}
    for member in study.info.members:
        trials.setdefault(member.trial, []).append(member)
    found = []
    for number, members in trials.items():
        runs = tuple(study.run_of(member) for member in members)
        pairs = list(zip(members, runs, strict=True))
        found.append(
            TrialResult(
                number,
                members[0].values,
                tuple(members),
                runs,
                tuple(study.state_of(member, run) for member, run in pairs),
                tuple(
                    None if run is None else value_of(run.info, study.spec.objective)
                    for run in runs
                ),
            )
        )
    return StudyResults(study, tuple(found))


def name_of(parameter: Parameter) -> str:
    """Return what a setting is called where there is little room."""
    return parameter.hyper.symbol or parameter.hyper.label.lower()


def shown_value(parameter: Parameter, value: Scalar) -> str:
    """Return a value as a person reads it where there is little room."""
    return value_in_words(parameter, value, unit=False)


def words_of(spec: StudySpec, values: Mapping[str, Scalar]) -> str:
    """Return what a trial has of its own, such as ``ρ 0.2, L 64``."""
    known = spec.parameters
    parts = [f"{name_of(known[n])} {shown_value(known[n], value)}" for n, value in values.items()]
    return ", ".join(parts) or "as it is"


# --- a heat map of two settings


@dataclass(frozen=True)
class HeatMap:
    """The mean objective over two settings.

    Attributes
    ----------
    values : ndarray, shape (m, n)
        Rows are the first setting; NaN where nothing is known. Over what else varies, the mean.
    trials : mapping of (int, int) to int
        Which trial is in a cell, its best where there are several.
    """

    rows: tuple[Scalar, ...]
    columns: tuple[Scalar, ...]
    row: Parameter
    column: Parameter
    values: NDArray[np.float64] = field(repr=False)
    trials: Mapping[tuple[int, int], int] = field(repr=False)

    @property
    def names(self) -> tuple[str, str]:
        """What the two settings are called, that of the rows first."""
        return name_of(self.row), name_of(self.column)

    @property
    def words(self) -> tuple[list[str], list[str]]:
        """What each row and each column is called."""
        return (
            [shown_value(self.row, value) for value in self.rows],
            [shown_value(self.column, value) for value in self.columns],
        )


def heat_map(results: StudyResults, row: str, column: str) -> HeatMap | None:
    """Return the mean objective over two of the settings that vary, in the order of their values.

    Of a range of which a search took many values, a cell is a part of it, called by its middle.
    None where nothing is known yet.
    """
    judged = [trial for trial in results.trials if trial.mean is not None]
    if not judged:
        return None
    rows, columns = (_steps(results, name) for name in (row, column))
    cells: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for trial in judged:
        assert trial.mean is not None
        place = rows.place(trial.values[row]), columns.place(trial.values[column])
        cells.setdefault(place, []).append((trial.mean, trial.number))
    values = np.full((len(rows.names), len(columns.names)), np.nan)
    choose = min if results.spec.least_is_best else max
    for place, found in cells.items():
        values[place] = statistics.fmean(mean for mean, _ in found)
    parameters = results.spec.parameters
    return HeatMap(
        rows.names,
        columns.names,
        parameters[row],
        parameters[column],
        values,
        {place: choose(found)[1] for place, found in cells.items()},
    )


@dataclass(frozen=True)
class _Steps:
    """The steps of one side of a heat map: values, or parts of a range between `edges`."""

    names: tuple[Scalar, ...]
    edges: NDArray[np.float64] | None = None

    def place(self, value: Scalar) -> int:
        if self.edges is None:
            return self.names.index(value)
        found = int(np.searchsorted(self.edges, float(value), side="right")) - 1
        return min(max(found, 0), len(self.names) - 1)


def _steps(results: StudyResults, name: str) -> _Steps:
    varied = next(one for one in results.spec.vary if one.name == name)
    seen = list(dict.fromkeys(trial.values[name] for trial in results.trials))
    numbers = all(isinstance(value, int | float) for value in seen)
    if varied.low is None or varied.high is None or len(seen) <= MOST_STEPS:
        return _Steps(tuple(sorted(seen, key=float) if numbers else seen))
    space = np.geomspace if varied.scale == "log" else np.linspace
    fine = space(varied.low, varied.high, 2 * MOST_STEPS + 1)
    middles = tuple(float(f"{value:.2g}") for value in fine[1::2])
    return _Steps(middles, fine[::2])


# --- parallel coordinates


@dataclass(frozen=True)
class ParallelAxis:
    """One upright axis.

    Attributes
    ----------
    places : ndarray, shape (T,)
        Where each trial crosses it, 0 … 1 from its low end; NaN where it is not known.
    ticks : tuple of (float, str)
        Places and what is written there.
    """

    name: str
    places: NDArray[np.float64] = field(repr=False)
    ticks: tuple[tuple[float, str], ...]


def parallel_axes(results: StudyResults) -> list[ParallelAxis]:
    """Return an axis for each setting that varies, and one for the objective, the last."""
    axes = []
    for varied in results.spec.vary:
        parameter = results.spec.parameters[varied.name]
        values = [trial.values[varied.name] for trial in results.trials]
        log = varied.scale == "log" or (bool(varied.values) and parameter.hyper.scale == "log")
        if parameter.kind in ("int", "float"):
            numbers = np.array([float(value) for value in values])
            axes.append(
                _number_axis(name_of(parameter), numbers, log and bool((numbers > 0).all()))
            )
        else:
            axes.append(_choice_axis(parameter, values))
    means = np.array([math.nan if trial.mean is None else trial.mean for trial in results.trials])
    axes.append(_number_axis(results.objective, means, False))
    return axes


def _choice_axis(parameter: Parameter, values: Sequence[Any]) -> ParallelAxis:
    seen = list(dict.fromkeys(values))
    at = {value: place / max(len(seen) - 1, 1) for place, value in enumerate(seen)}
    ticks = tuple((at[value], shown_value(parameter, value)) for value in seen)
    return ParallelAxis(name_of(parameter), np.array([at[value] for value in values]), ticks)


def _number_axis(name: str, numbers: NDArray[np.float64], log: bool) -> ParallelAxis:
    known = numbers[np.isfinite(numbers)]
    if not len(known):
        return ParallelAxis(name, numbers, ())
    low, high = float(known.min()), float(known.max())
    scaled = np.log(numbers) if log else numbers
    bottom, span = (math.log(low), math.log(high / low)) if log else (low, high - low)
    places = (scaled - bottom) / span if span > 0 else np.where(np.isfinite(scaled), 0.5, np.nan)
    distinct = np.unique(known)
    if len(distinct) > MOST_TICKS:
        distinct = np.geomspace(low, high, 5) if log else np.linspace(low, high, 5)
        distinct = np.array([low, *(float(f"{value:.2g}") for value in distinct[1:-1]), high])
    ticks = []
    for value in distinct:
        at = math.log(value) if log else float(value)
        ticks.append(((at - bottom) / span if span > 0 else 0.5, f"{float(value):.4g}"))
    return ParallelAxis(name, places, tuple(ticks))
