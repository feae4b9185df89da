"""How much of the disk a run will take, asked before it begins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.core.errors import DiskFullError
from app.core.solvers.first_order import MEMORY
from app.core.specs import ConvNetSpec, TrainingSpec
from app.core.storage import free_bytes
from app.core.words import size_in_words

__all__ = ["LEAST_FREE", "RESERVE", "RoomNeed", "check_room", "room_need"]

# Below the reserve no more keyframes are kept; what is least free is left to the system.
RESERVE, LEAST_FREE = 256 << 20, 16 << 20
# run.json, the beginning of the logs, and folders.
SMALL = 1 << 20
# L-BFGS remembers 20 pairs of vectors.
LBFGS_VECTORS = 40


@dataclass(frozen=True)
class RoomNeed:
    """Bytes that a run takes: without which it cannot be kept, and all in all."""

    least: int
    likely: int


def room_need(spec: TrainingSpec, shapes: Mapping[str, tuple[int, ...]], examples: int) -> RoomNeed:
    """Return what a training on so many examples will write.

    Two generations of checkpoints and, while it is written, a third; the last weights, and of a
    network that is validated the best; each step's terms; keyframes up to their budget, and
    statistics.
    """
    count = sum(math.prod(shape) for shape in shapes.values())
    whole = spec.solver == "lbfgs"
    vectors = 1 + (LBFGS_VECTORS if whole else MEMORY.get(spec.solver, 1))
    terms = 3
    if isinstance(spec, ConvNetSpec):
        vectors, terms = vectors + 1, 3
    checkpoint = vectors * count * np.dtype(spec.precision).itemsize
    least = 3 * checkpoint + 2 * 4 * count + SMALL
    steps = spec.epochs * (1 if whole else -(-examples // spec.batch_size))
    history = steps * terms * 8 * 4 // 3
    budget = spec.keyframe_budget << 20
    return RoomNeed(least, least + history + budget + budget // 16)


def check_room(folder: Path, need: RoomNeed, what: str = "This run") -> str:
    """Return a sentence when all that `what` will write may not fit; empty when it does.

    `folder` need not be there yet.

    Raises
    ------
    DiskFullError
        Not even its checkpoints would fit.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    free = free_bytes(place)
    if free is None:
        return ""
    if free < need.least + LEAST_FREE:
        raise DiskFullError(
            f"{what} needs {size_in_words(need.least + LEAST_FREE)} on the disk of its folder; "
            f"{size_in_words(free)} are free.",
            "Free some space, choose another folder, or train a smaller network.",
        )
    if free < need.likely + RESERVE:
        return (
            f"{what} may write {size_in_words(need.likely)}, and {size_in_words(free)} are free: "
            "when the disk gets full, no more keyframes are kept."
        )
    return ""
