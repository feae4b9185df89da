"""What a run looked like at any of its moments, read from its folder, also while it is trained.

A moment is a keyframe: the weights after some step, which make the same `Snapshot` that was
drawn when they were new. Of a run that went on from another, the moments of that one come first.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError
from app.core.events import Change, Snapshot
from app.core.history import History
from app.core.params import describe
from app.core.run_tree import lineage
from app.core.runs import DiskUse, ParentInfo, RunFolder
from app.core.specs import TrainingSpec

__all__ = [
    "UNITS",
    "Part",
    "Ruler",
    "Timeline",
    "Unit",
    "live_moves",
    "parts_of",
    "read_history",
    "settings_at",
]

# Bytes of keyframes that are kept in memory: to and fro over the same moments needs no disk.
CACHE_BYTES = 128 << 20

Unit = Literal["step", "epoch", "second"]
UNITS: tuple[Unit, ...] = ("epoch", "step", "second")


@dataclass(frozen=True)
class Part:
    """A run, and the step until which it counts: the next part left it there; None for its end."""

    run: RunFolder
    until: int | None = None


def parts_of(run: RunFolder) -> list[Part]:
    """Return a run with those it came from, as far as their steps and weights are its own kind's."""
    parts = [Part(run)]
    child = run
    for older, parent in reversed(lineage(run)):
        # Steps of another size are other steps.
        same = older.info.steps_per_epoch == child.info.steps_per_epoch
        if not same or older.info.kind != run.info.kind or older.shapes() != run.shapes():
            break
        parts.insert(0, Part(older, parent.step))
        child = older
    return parts


def read_history(parts: Sequence[Part]) -> tuple[History, list[str]]:
    """Return all steps of `parts`, and a sentence for each record that is not whole."""
    whole = History(parts[-1].run.info.term_names)
    notes = []
    for part in parts:
        history, note = part.run.read_history()
        if note:
            notes.append(note)
        if len(whole) and len(history) and history.steps[0] <= whole.steps[-1]:
            # It says that it began before it began: its own steps are the ones that count.
            whole = whole.until(int(history.steps[0]) - 1)
        parent = part.run.info.parent
        if len(whole) and parent is not None:
            whole.changes.extend((part.run.info.began, one) for one in live_moves(part.run, parent))
        whole.extend(history if part.until is None else history.until(part.until))
    return whole, notes


def live_moves(run: RunFolder, parent: ParentInfo) -> list[Change]:
    """Return the live values with which `run` began otherwise than its parent was left."""
    live = {one.name for one in describe(type(run.info.spec)) if one.hyper.live}
    return [
        Change(name, old, new)
        for name, old, new in parent.changes
        if name in live and not isinstance(old, str | bool) and not isinstance(new, str | bool)
    ]


def settings_at(spec: TrainingSpec, history: History, step: int) -> TrainingSpec:
    """Return the settings that were in force when `step` steps were done, `spec` being the last.

    A value that moved right after that step counts: the next step used it.
    """
    moved = {}
    for at, change in reversed(history.changes):
        if at <= step:
            break
        if hasattr(spec, change.name):
            moved[change.name] = change.old
    return spec.changed(**moved) if moved else spec


class Ruler:
    """Says a step in epochs or in seconds, and back.

    Parameters
    ----------
    history : History
        It may still grow.
    steps_per_epoch : int
    """

    def __init__(self, history: History, steps_per_epoch: int) -> None:
        self._history, self._rhythm = history, max(steps_per_epoch, 1)

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units that are known; seconds are not where nobody took the time."""
        seconds = self._history.seconds
        timed = len(seconds) > 0 and bool(np.isfinite(seconds[-1]))
        return UNITS if timed else UNITS[:2]

    def measure(self, step: int, unit: Unit) -> float:
        """Return how far `step` is: epochs, or seconds that the steps took until then."""
        if unit == "epoch":
            return step / self._rhythm
        if unit == "step":
            return float(step)
        count = self._history.count_until(step)
        return float(self._history.seconds[count - 1]) if count else 0.0

    def decimals(self, unit: Unit, newest: int) -> int:
        """Return with how many decimals a unit tells steps apart, two at most.

        Parameters
        ----------
        unit : {"epoch", "step", "second"}
        newest : int
            Steps that are done: long trainings need no hundredths of a second.
        """
        if unit == "step":
            return 0
        if unit == "epoch":
            return 0 if self._rhythm == 1 else 1 if self._rhythm <= 10 else 2
        return 1 if self.measure(newest, unit) >= 10 else 2

    def step_at(self, value: float, unit: Unit) -> int:
        """Return the last step that was done by then."""
        if unit == "epoch":
            # A number that was typed as it was read means the step it was read for. The largest
            # that can be typed would be infinitely many steps.
            return int(np.floor(min(max(value, 0.0) * self._rhythm, sys.float_info.max) + 1e-6))
        if unit == "step":
            return int(np.floor(value))
        seconds = self._history.seconds
        count = int(np.searchsorted(seconds, value * (1 + 1e-9), side="right"))
        return int(self._history.steps[count - 1]) if count else 0


@dataclass
class _Cache:
    """The arrays that were read last, as many as fit."""

    room: int
    used: int = 0
    held: OrderedDict[Path, Mapping[str, NDArray[np.float32]]] = field(default_factory=OrderedDict)

    def get(self, path: Path) -> Mapping[str, NDArray[np.float32]] | None:
        found = self.held.get(path)
        if found is not None:
            self.held.move_to_end(path)
        return found

    def put(self, path: Path, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        if path in self.held:
            return
        self.held[path] = arrays
        self.used += _bytes(arrays)
        while self.used > self.room and len(self.held) > 1:
            _, oldest = self.held.popitem(last=False)
            self.used -= _bytes(oldest)


def _bytes(arrays: Mapping[str, NDArray[Any]]) -> int:
    return sum(array.nbytes for array in arrays.values())


class Timeline:
    """The moments of a run; it may be used from several threads.

    Parameters
    ----------
    parts : sequence of Part
        The run, after those it came from.
    cache_bytes : int
        How much of what was read is kept in memory.

    Attributes
    ----------
    steps : tuple of int
        Steps of the keyframes, in order, as `look` found them last.
    """

    def __init__(self, parts: Sequence[Part], *, cache_bytes: int = CACHE_BYTES) -> None:
        self.parts = tuple(parts)
        self.steps: tuple[int, ...] = ()
        self._places: dict[int, tuple[RunFolder, Path]] = {}
        self._cache = _Cache(cache_bytes)
        self._lock = threading.Lock()

    @property
    def run(self) -> RunFolder:
        """The run itself."""
        return self.parts[-1].run

    @property
    def cached(self) -> int:
        """Bytes that are kept in memory."""
        with self._lock:
            return self._cache.used

    def disk_use(self) -> DiskUse:
        """Return how many bytes the run takes on the disk by now."""
        return DiskUse.of(self.run.path)

    def look(self) -> bool:
        """List the keyframes again: more come while it is trained, and some are let go.

        Returns
        -------
        bool
            Whether there are others than before.
        """
        places: dict[int, tuple[RunFolder, Path]] = {}
        for part in self.parts:
            found = part.run.keyframes()
            if found and places:
                # A part begins with the moment it was left at; what it has counts.
                first = found[0][0]
                places = {step: place for step, place in places.items() if step < first}
            for step, path in found:
                if part.until is None or step <= part.until:
                    places[step] = (part.run, path)
        with self._lock:
            steps = tuple(sorted(places))
            other = steps != self.steps
            self.steps, self._places = steps, places
        return other

    def place(self, step: int) -> int:
        """Return the place in `steps` of the last keyframe at or before `step`; 0 before the first.

        Raises
        ------
        UsageError
            There is none at all.
        """
        steps = self.steps
        if not steps:
            raise UsageError(f"{self.run.name} has no keyframes.")
        return max(int(np.searchsorted(steps, step, side="right")) - 1, 0)

    def run_at(self, step: int) -> RunFolder:
        """Return the run to which the keyframe of `step` belongs."""
        with self._lock:
            return self._places[step][0]

    def exactly(self, step: int) -> Snapshot:
        """Return what was there at the keyframe of `step`.

        Raises
        ------
        UsageError
            It cannot be read.
        """
        with self._lock:
            run, path = self._places[step]
        return self._made(run, path, step)

    def snapshot(self, step: int) -> tuple[Snapshot, str]:
        """Return what was there at the last keyframe at or before `step`, and a note.

        The note says when that keyframe could not be used and an earlier one is.

        Raises
        ------
        UsageError
            There is none that can be read.
        """
        note = ""
        with self._lock:
            places = self._places
        for at in sorted((one for one in places if one <= step), reverse=True) or list(places)[:1]:
            run, path = places[at]
            try:
                return self._made(run, path, at), note
            except UsageError as error:
                if path.exists():
                    # One that is gone was let go by who trains: nothing is wrong with it.
                    note = note or (
                        f"Keyframe {at} cannot be used ({error.message.rstrip('.')}); "
                        "an earlier one is shown."
                    )
        raise UsageError(f"{self.run.name} has no keyframe that can be read.")

    def _made(self, run: RunFolder, path: Path, step: int) -> Snapshot:
        with self._lock:
            weights = self._cache.get(path)
        if weights is None:
            weights = run.read_keyframe(path)
            for array in weights.values():
                array.flags.writeable = False
            with self._lock:
                self._cache.put(path, weights)
        epoch = step / max(run.info.steps_per_epoch, 1)
        return Snapshot(self.run.info.run_id, step, epoch, weights, {})

    def is_whole(self, snapshot: Snapshot) -> bool:
        """Return whether all arrays of the network are there; of a large one, small ones may be alone."""
        return self.run.shapes().keys() <= snapshot.weights.keys()
