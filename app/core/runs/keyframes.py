"""Which weights of a training are kept, so that they fit a budget of bytes.

They are dense early, when filters change fast: each stands a hundredth of its step after the one
before it. When the budget is full, this spacing doubles, and what stands closer is let go. So the
whole training stays in sight, however long it lasts, at the density that the budget allows. The
first, the last, and those where a live value moved are kept longest.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from app.core.memory import to_safetensors
from app.core.runs.files import is_numbered
from app.core.storage import point, remove_files, save_bytes

__all__ = ["Keyframes", "fitting_arrays", "keyframe_files", "spaced"]

# The spacing of keyframes, before any was let go: (step + 1) / DENSITY.
DENSITY = 100
# At a larger stride, with a handful left, marked keyframes are no exception any more.
MARKS_STRIDE = 16 * DENSITY
# Of a network too large for so many keyframes in its budget, small arrays are kept alone.
LEAST_FRAMES = 50


def keyframe_files(folder: Path) -> list[tuple[int, Path]]:
    """Return the steps of a run's keyframes with their files, in order."""
    files = (folder / "keyframes").glob("*.safetensors")
    return sorted((int(path.stem), path) for path in files if is_numbered(path))


def fitting_arrays(weights: Mapping[str, NDArray[Any]], budget: int) -> dict[str, NDArray[Any]]:
    """Return the smallest arrays, as many as make a keyframe of a fiftieth of the budget.

    The first filters are among the smallest of every usual network; millions of weights of an
    affine layer are seldom looked at. Nothing is left out of a network that fits as a whole.
    """
    room = budget / LEAST_FRAMES
    found = {}
    for name, array in sorted(weights.items(), key=lambda item: (item[1].size, item[0])):
        room -= array.size * 4
        if room < 0:
            break
        found[name] = array
    return {name: array for name, array in weights.items() if name in found}


def spacing(step: int, stride: int) -> int:
    """Return how many steps after `step` the next keyframe is due."""
    return max(1, (step + 1) * stride // DENSITY)


def spaced(steps: Sequence[int], marked: Collection[int], stride: int) -> list[int]:
    """Return which of `steps`, in order, are kept at a stride.

    The first, the last and `marked` ones are, and of the others those that are due. At a stride
    that leaves nothing between them, marked ones are no exception any more.
    """
    kept: list[int] = []
    faithful = stride <= MARKS_STRIDE
    due = 0
    for place, step in enumerate(steps):
        last = place == len(steps) - 1
        if step >= due or last or place == 0 or (faithful and step in marked):
            kept.append(step)
            due = step + spacing(step, stride)
    return kept


class Keyframes:
    """The keyframes of one run, written in step order.

    Parameters
    ----------
    folder : Path
        The run's folder. Keyframes that are there count.
    budget : int
        Bytes that they may take all together. One that is saved `always` may go beyond it.

    Attributes
    ----------
    used : int
        Bytes that they take.
    newest : int
        Step of the last one, or -1.
    """

    def __init__(self, folder: Path, budget: int) -> None:
        self._folder = folder
        self.budget = budget
        self._sizes = {step: path.stat().st_size for step, path in keyframe_files(folder)}
        self._marked: set[int] = set()
        self._stride = 1
        self.newest = max(self._sizes, default=-1)

    @property
    def used(self) -> int:
        """Bytes that they take."""
        return sum(self._sizes.values())

    def __len__(self) -> int:
        return len(self._sizes)

    def mark(self, step: int) -> None:
        """Keep the one of `step` longer than others: a live value moved there."""
        self._marked.add(step)

    def due(self, step: int) -> bool:
        """Return whether the weights of `step` are worth keeping now."""
        return self.newest < 0 or step >= self.newest + spacing(self.newest, self._stride)

    def save(self, step: int, weights: Mapping[str, NDArray[Any]], *, always: bool = False) -> bool:
        """Keep the weights of a step; returns False when they are larger than the budget.

        Raises
        ------
        StorageError
            They could not be saved, or others not removed.
        """
        data = to_safetensors(weights, {"step": str(step)})
        room = self.budget - len(data) + self._sizes.get(step, 0)
        if room < 0 and not always:
            return False
        self._make_room(max(room, 0))
        save_bytes(self._path(step), data, overwrite=True)
        point("keyframe saved")
        self._sizes[step] = len(data)
        self.newest = max(self.newest, step)
        return True

    def _path(self, step: int) -> Path:
        return self._folder / "keyframes" / f"{step:09d}.safetensors"

    def _make_room(self, most: int) -> None:
        """Let keyframes go until the others take at most `most` bytes."""
        steps = sorted(self._sizes)
        kept = steps
        while sum(self._sizes[step] for step in kept) > most and len(kept) > 2:
            self._stride *= 2
            kept = spaced(steps, self._marked, self._stride)
        left = set(kept)
        going = [step for step in steps if step not in left]
        for step in going:
            # One after the other: killed between two, the rest is good, and thinned next time.
            remove_files([self._path(step)])
            del self._sizes[step]
            point("thinned")
