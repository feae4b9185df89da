"""To train a run anew, from its settings, seed and data, and to say whether it is the same.

The first step whose terms differ in any bit is found, and every array of the weights that both
kept at the same step. On the compiled engine nothing may differ, on any number of threads; on
another engine it is a measure of how far rounding leads.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.core.control import Control
from app.core.data.patches import Patches
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.events import Event, Failed, Steps
from app.core.learners import Learner
from app.core.rebuilt import learner_of, open_data
from app.core.runs import Recorder, RunFolder
from app.core.runs.info import versions
from app.core.settings import data_folder
from app.core.threads import kernel_threads
from app.core.training import train
from app.core.waiting import Cancel, Progress

__all__ = ["ArrayDifference", "Comparison", "StepDifference", "compare_runs", "rerun"]


@dataclass(frozen=True)
class StepDifference:
    """The first step whose terms are not the same numbers."""

    step: int
    term: str
    first: float
    second: float


@dataclass(frozen=True)
class ArrayDifference:
    """An array that differs at a keyframe: the first one in step and name, and by how much."""

    step: int
    name: str
    most: float


@dataclass(frozen=True)
class Comparison:
    """How far two runs are the same.

    Attributes
    ----------
    steps, keyframes : int
        How many both recorded.
    lengths : tuple of int
        Steps of each.
    step, array : StepDifference or ArrayDifference, or None
        Where they first differ.
    largest : float
        Greatest relative difference of the cost at a step.
    notes : tuple of str
        What else a person should know.
    """

    steps: int
    keyframes: int
    lengths: tuple[int, int]
    step: StepDifference | None
    array: ArrayDifference | None
    largest: float
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether all that both kept has the same bits, and both kept equally many steps."""
        equal = self.step is None and self.array is None
        return equal and self.lengths[0] == self.lengths[1] and self.steps > 0

    def words(self) -> str:
        """Return one or two sentences."""
        if self.same:
            return (
                f"Bit-equal: all {self.steps:,} steps and the weights of {self.keyframes} "
                f"keyframe{'s' * (self.keyframes != 1)} are the same."
            )
        said = []
        if self.step is not None:
            one = self.step
            said.append(
                f"They first differ at step {one.step:,}: {one.term} is {one.first!r} in the one "
                f"and {one.second!r} in the other, {abs(one.second - one.first):.3g} apart. "
                f"The cost differs by at most {self.largest:.2g} of its size."
            )
        if self.array is not None:
            said.append(
                f"Of the weights, {self.array.name} of keyframe {self.array.step:,} is the first "
                f"that differs, by at most {self.array.most:.3g}."
            )
        if self.lengths[0] != self.lengths[1]:
            said.append(f"The one has {self.lengths[0]:,} steps, the other {self.lengths[1]:,}.")
        return " ".join(said) or "There is nothing that both have recorded."

    def as_json(self) -> dict[str, Any]:
        """Return what a script is told."""
        return {
            "same": self.same,
            "words": self.words(),
            "steps": self.steps,
            "keyframes": self.keyframes,
            "first_step": None if self.step is None else _fields(self.step),
            "first_array": None if self.array is None else _fields(self.array),
            "largest_relative_difference": self.largest,
            "notes": list(self.notes),
        }


def _fields(one: StepDifference | ArrayDifference) -> dict[str, Any]:
    """Return the fields of a difference by name."""
    return {name: getattr(one, name) for name in (field.name for field in fields(one))}


def compare_runs(first: RunFolder, second: RunFolder) -> Comparison:
    """Compare what two runs recorded, bit by bit.

    Raises
    ------
    UsageError
        They are of different kinds, or a record cannot be read.
    """
    if first.info.kind != second.info.kind:
        raise UsageError("One is an autoencoder, the other a convolutional network.")
    (a, note_a), (b, note_b) = first.read_history(), second.read_history()
    common, rows_a, rows_b = np.intersect1d(a.steps, b.steps, return_indices=True)
    left, right = a.terms[rows_a], b.terms[rows_b]
    # NaN is the same as NaN here: both broke at the same place.
    unequal = (left != right) & ~(np.isnan(left) & np.isnan(right))
    step = None
    if unequal.any():
        row, term = np.argwhere(unequal)[0]
        step = StepDifference(
            int(common[row]),
            a.term_names[term],
            float(left[row, term]),
            float(right[row, term]),
        )
    sums = left.sum(axis=1), right.sum(axis=1)
    with np.errstate(all="ignore"):
        apart = np.abs(sums[0] - sums[1]) / np.maximum(np.abs(sums[0]), 1e-300)
    largest = float(np.nanmax(apart, initial=0.0))
    frames, array = _compare_keyframes(first, second)
    lengths = (len(a), len(b))
    notes = tuple(note for note in (note_a, note_b) if note)
    return Comparison(len(common), frames, lengths, step, array, largest, notes)


def _compare_keyframes(first: RunFolder, second: RunFolder) -> tuple[int, ArrayDifference | None]:
    others = dict(second.keyframes())
    count = 0
    found: ArrayDifference | None = None
    for step, path in first.keyframes():
        if step not in others:
            continue
        one, other = first.read_keyframe(path), second.read_keyframe(others[step])
        count += 1
        for name in one:
            if found is not None or name not in other:
                continue
            if not np.array_equal(one[name], other[name], equal_nan=True):
                most = float(np.abs(one[name].astype(float) - other[name]).max())
                found = ArrayDifference(step, name, most)
    return count, found


def rerun(
    run: RunFolder,
    *,
    root: Path | None = None,
    path: Path | None = None,
    engine: str | None = None,
    threads: int | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    watch: Callable[[Event], None] | None = None,
) -> tuple[RunFolder, Comparison]:
    """Train a run anew into a folder of its own, and compare the two.

    Live values are moved after the same steps, and it ends where the run ended.

    Parameters
    ----------
    run : RunFolder
    root, path : Path, optional
        Where the new one is kept: below `root`, or at `path`.
    engine : str, optional
        Another engine than the run's; see the setting.
    threads : int, optional
    cancel, progress : callable, optional
    watch : callable, optional
        Given each event.

    Raises
    ------
    FilterscopeError
        It cannot be made again: settings and data are not all that it began with, or its data is
        not what it was.
    Cancelled
        The person gave up; what was trained until then is kept.
    """
    info = run.info
    if info.state == "running":
        raise UsageError(f"{run.name} is being trained right now.", "Stop it there first.")
    if not info.seeded:
        raise UsageError(
            f"{run.name} did not begin with weights of its seed: it went on from something else.",
            "Train the run again that it came from.",
        )
    history, _ = run.read_history()
    last = int(history.steps[-1]) if len(history) else 0
    if not last:
        raise UsageError(f"{run.name} recorded no step.")
    changes = [(step, change.name, change.new) for step, change in history.changes]
    if engine is not None:
        info = info.changed(spec=info.spec.changed(engine=engine).model_dump())
    data = open_data(run, None, cancel, progress)
    threads = threads or kernel_threads(window=False)
    learner, order = learner_of(info, data, info.spec, threads)
    source = data.source if isinstance(data, Patches) else data.images.source
    new = RunFolder.create(
        root or data_folder(),
        kind=info.kind,
        run_id=uuid.uuid4().hex,
        spec=info.spec,
        preprocess=info.preprocess,
        source=source,
        threads=threads,
        classes=info.classes,
        large=info.large,
        path=path,
    )
    control = Control()
    paced: Any = _Paced(learner, info.spec, control, changes, last)
    recorder = Recorder(new)
    failure: Failed | None = None
    total = max(last, 1)
    try:
        for event in train(
            paced, info.spec, control, examples=order.count, order=order, run_id=new.info.run_id
        ):
            recorder.take(event)
            if watch is not None:
                watch(event)
            if isinstance(event, Steps) and progress is not None:
                progress(event.last_step / total, "Training it again")
            if isinstance(event, Failed):
                failure = event
            if cancel is not None and cancel():
                control.stop(in_haste=True)
    finally:
        recorder.close()
    if cancel is not None and cancel():
        raise Cancelled("It was given up; what was trained is kept.")
    if failure is not None and failure.kind in ("expected", "bug"):
        raise FilterscopeError(failure.message, failure.hint)
    new = RunFolder.open(new.path)
    found = compare_runs(run, new)
    then, here = info.versions, versions()
    other = [
        f"{name} {then[name]}, now {here[name]}"
        for name in here
        if then.get(name, here[name]) != here[name]
    ]
    if other:
        said = f"The run was made with {'; '.join(other)}."
        found = replace(found, notes=(*found.notes, said))
    return new, found


class _Paced:
    """A learner that comes back where a live value is to be moved, and where the run ended."""

    def __init__(
        self,
        learner: Learner,
        spec: Any,
        control: Control,
        changes: list[tuple[int, str, float]],
        last: int,
    ) -> None:
        self._learner, self._spec, self._control = learner, spec, control
        self._changes, self._last, self._taken = changes, last, 0
        self._move()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._learner, name)

    def steps(self, order: Any, spec: Any, interrupt: Any, most: int) -> Any:
        """Take steps, but none beyond the next change or the end."""
        ends = [step for step, _, _ in self._changes if step > self._taken]
        bound = min([self._last, *ends]) - self._taken
        outcome = self._learner.steps(order, spec, interrupt, max(1, min(most, bound)))
        self._taken += len(outcome.terms)
        self._move()
        return outcome

    def _move(self) -> None:
        due = {name: new for step, name, new in self._changes if step == self._taken}
        if due:
            self._spec = self._spec.changed(**due)
            self._control.set_live(self._spec)
        if self._taken >= self._last:
            self._control.stop()
