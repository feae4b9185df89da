"""Patches cut from a folder of photographs."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.data.child import Child
from app.core.data.files import PHOTOGRAPHS, Limits, PathLike, opened, read_all, shown
from app.core.data.layouts import LARGEST, SMALLEST
from app.core.data.patches import RawPatches, Source
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError, UsageError
from app.core.waiting import Cancel, Progress

__all__ = ["cut_patches"]

PREVIEW = 2048
MOST_PHOTOGRAPH_BYTES = 200 << 20
MOST_BYTES = 4 << 30
MOST_NOTES = 5


def cut_patches(
    folder: PathLike,
    *,
    size: int = 16,
    count: int = 10_000,
    seed: int = 0,
    limits: Limits | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> RawPatches:
    """Cut patches at random places from the photographs of a folder, as many from each.

    Parameters
    ----------
    folder : path
        Its photographs are taken in the order of their names; subfolders are left out.
    size : int
        Side of a patch, in pixels.
    count : int
        Number of patches.
    seed : int
        Same seed and photographs, same patches.

    Raises
    ------
    RefusedInputError
        There is no photograph that can be used. One that cannot is named in the notes.
    UsageError
        So many patches, or so large, cannot be meant.
    """
    if not SMALLEST <= size <= LARGEST:
        raise UsageError(f"A patch has {SMALLEST} to {LARGEST} pixels a side, not {size}.")
    needed = count * 3 * size * size
    if count < 1 or needed > MOST_BYTES:
        raise UsageError(
            f"{count} patches of {size}×{size} are not cut.",
            f"There must be one at least, and together {MOST_BYTES >> 30} GiB at most.",
        )
    place = Path(folder)
    photographs = _photographs(place)
    data = np.empty((count, 3, size, size), np.uint8)
    left_out: list[str] = []
    digest = hashlib.sha256()
    at = 0
    usable = list(enumerate(photographs))
    with _Cutter(size, limits or Limits(), cancel) as cutter:
        # What a photograph that cannot be used should have given, the others give in a second turn.
        for turn in itertools.count():
            good: list[tuple[int, Path]] = []
            for place_in_turn, (number, photograph) in enumerate(usable):
                wanted = -(-(count - at) // (len(usable) - place_in_turn))
                if wanted == 0:
                    break
                rng_seed = [seed, number, turn] if turn else [seed, number]
                try:
                    content, patches = cutter.cut(photograph, wanted, rng_seed)
                except RefusedInputError as refusal:
                    left_out.append(refusal.message)
                    continue
                if turn == 0:
                    digest.update(content)
                data[at : at + wanted] = patches
                at += wanted
                good.append((number, photograph))
                if progress is not None:
                    progress(at / count, f"Cutting {shown(photograph)}")
            if at == count:
                break
            if not good:
                raise RefusedInputError(
                    f"None of the {len(photographs)} photographs can be used: {left_out[0]}"
                )
            usable = good
    # Neighbours come from one photograph: mixed, any part of the set is like the whole.
    np.random.default_rng([seed, len(photographs)]).shuffle(data)
    data.flags.writeable = False
    preview = np.unique(np.linspace(0, count - 1, min(count, PREVIEW)).astype(np.int64))
    source = Source(
        str(place.absolute()), f"cut {size}×{size}, seed {seed}", "NCHW", "0..255", count,
        (3, size, size), "uint8", digest.hexdigest(),
    )  # fmt: skip
    notes = left_out[:MOST_NOTES]
    if len(left_out) > MOST_NOTES:
        notes.append(f"{len(left_out) - MOST_NOTES} more photographs are left out")
    return RawPatches(source, 0.0, 255.0, data, None, preview, data[preview], None, tuple(notes))


def _photographs(folder: Path) -> list[Path]:
    """Return what looks like a photograph in a folder, by name."""
    try:
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTOGRAPHS)
    except OSError as error:
        raise RefusedInputError(f"{shown(folder)} cannot be opened: {error.strerror}.") from None
    if not found:
        raise RefusedInputError(
            f"{shown(folder)} has no photographs.", f"They end in {', '.join(PHOTOGRAPHS)}."
        )
    return found


class _Cutter:
    """Hands photographs to a child process, and starts another when one does not survive."""

    def __init__(self, size: int, limits: Limits, cancel: Cancel | None) -> None:
        self.size, self.limits, self.cancel = size, limits, cancel
        self.child: Child | None = None

    def __enter__(self) -> _Cutter:
        return self

    def __exit__(self, *_: object) -> None:
        if self.child is not None:
            self.child.close()

    def cut(self, photograph: Path, count: int, seed: list[int]) -> tuple[bytes, NDArray[np.uint8]]:
        """Return a photograph's bytes, and `count` patches of it."""
        if self.cancel is not None and self.cancel():
            raise Cancelled("Cutting was given up.")
        with opened(photograph, Limits(file_bytes=MOST_PHOTOGRAPH_BYTES)) as (descriptor, _, _):
            content = read_all(descriptor)
        if self.child is None:
            self.child = Child(shown(photograph), patience=self.limits.patience, cancel=self.cancel)
            self.child.send({"do": "cut"})
        child, side = self.child, self.size
        child.name = shown(photograph)
        try:
            child.send({"size": side, "count": count, "seed": seed}, content)
            if child.receive_json().get("count") != count:
                raise child.broken()
            cut = np.frombuffer(child.receive_bytes(count * 3 * side * side), np.uint8)
        except FilterscopeError:
            if child.gone:
                child.close()
                self.child = None
            raise
        return content, cut.reshape(count, 3, side, side)
