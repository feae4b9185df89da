"""From raw patches to training rows: what the exercise does, step by step, each switchable.

Grey level Y = 0.2126 R + 0.7152 G + 0.0722 B; each patch's own mean removed; ZCA; all values
clipped to ±kσ; [−bound, bound] mapped to [0.1, 0.9]. What has to be measured (σ, the covariance)
is measured in a first pass over all patches and frozen; a second pass applies it. Nothing
but a block is held in memory, so a file larger than memory takes the same path.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from app.core.data.patches import FittedPreprocess, Patches, RawPatches
from app.core.errors import Cancelled, FilterscopeError
from app.core.specs import PreprocessSpec
from app.core.waiting import Cancel, Progress
from app.core.words import size_in_words

__all__ = ["LUMINANCE", "apply", "preprocess", "sweep_work_files"]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
LOW, HIGH = 0.1, 0.9
PIECE_ROWS = 1024

PREFIX = "filterscope-rows-"


def preprocess(
    raw: RawPatches,
    spec: PreprocessSpec,
    *,
    workdir: Path | None = None,
    memory_budget: int = 512 << 20,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Patches:
    """Fit `spec` on all patches and apply it.

    Parameters
    ----------
    raw : RawPatches
        Streamed twice.
    spec : PreprocessSpec
    workdir : Path, optional
        Where rows that exceed the budget are mapped; the system's temporary folder by default.
    memory_budget : int
        Bytes of float32 rows that may be held in memory.
    cancel, progress : callable, optional

    Returns
    -------
    Patches
        Patches with values that are no finite numbers are left out, and counted in
        ``fitted.dropped``.

    Raises
    ------
    FilterscopeError
        No patch is usable, all are constant, the file has no fitting xForm, or the disk is full.
    """
    if raw.shape[0] != 3 and spec.grayscale:
        # Grey already: there is nothing to weigh.
        spec = spec.changed(grayscale=False)
    shape = (1, *raw.shape[1:]) if spec.grayscale else raw.shape
    first = _Pass(raw, spec, cancel, progress, 0.0)
    fitted = _fit(raw, spec, shape, first)
    count = first.kept
    width = int(np.prod(shape))
    with contextlib.closing(_Store(count, width, memory_budget, workdir)) as store:
        for block in _Pass(raw, spec, cancel, progress, 0.5):
            store.add(_apply(block, fitted))
        if store.at != count:
            raise FilterscopeError("The file changed while it was read.", "Open it again.")
        rows, keeper = store.finish()
    return Patches(rows, shape, fitted, raw.source, keeper)


class _Pass:
    """One pass over the raw patches: finite rows (n, C·H·W) in 0 … 1, grey and mean-free as asked."""

    def __init__(
        self,
        raw: RawPatches,
        spec: PreprocessSpec,
        cancel: Cancel | None,
        progress: Progress | None,
        base: float,
    ) -> None:
        self.raw, self.spec, self.cancel, self.progress = raw, spec, cancel, progress
        self.base = base
        self.kept = self.dropped = 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self.raw.blocks(self.cancel):
            # Small pieces keep the temporary arrays in the cache.
            for start in range(0, len(block), PIECE_ROWS):
                if self.cancel is not None and self.cancel():
                    raise Cancelled("Preprocessing was given up.")
                rows = self._rows(block[start : start + PIECE_ROWS])
                self.kept += len(rows)
                if len(rows):
                    yield rows
            if self.progress is not None:
                share = (self.kept + self.dropped) / max(self.raw.count, 1)
                self.progress(self.base + share / 2, "Preprocessing")

    def _rows(self, piece: NDArray[Any]) -> NDArray[np.float32]:
        good = self.raw.usable(piece.reshape(len(piece), -1))
        if good is not None:
            self.dropped += int((~good).sum())
            piece = piece[good]
        return _plain(self.raw.to_unit(piece), self.spec)


def _plain(images: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Return images (n, C, H, W) in 0 … 1 as rows, grey and mean-free as asked."""
    if spec.grayscale:
        images = np.einsum("nchw,c->nhw", images, LUMINANCE)
    rows = images.reshape(len(images), math.prod(images.shape[1:]))
    if spec.remove_mean:
        rows = rows - rows.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return np.ascontiguousarray(rows, np.float32)


def apply(images: NDArray[np.float32], fitted: FittedPreprocess) -> NDArray[np.float32]:
    """Apply a fitted preprocessing to some patches, say to show them beside what they were.

    Parameters
    ----------
    images : ndarray, shape (n, C, H, W), float32
        Raw patches in 0 … 1, as `RawPatches.take` gives them.

    Returns
    -------
    ndarray, shape (n, C', H, W), float32
        C' is 1 when they were made grey.
    """
    rows = _apply(_plain(images, fitted.spec), fitted)
    return rows.reshape(-1, *fitted.image_shape)


def _fit(
    raw: RawPatches, spec: PreprocessSpec, shape: tuple[int, int, int], rows: _Pass
) -> FittedPreprocess:
    """Measure what the second pass needs."""
    width = int(np.prod(shape))
    whiten = spec.whiten != "none"
    total = np.zeros(width)
    squares = 0.0
    largest = 0.0
    products = np.zeros((width, width)) if whiten else None
    for block in rows:
        total += block.sum(axis=0, dtype=np.float64)
        squares += float(np.square(block, dtype=np.float64).sum())
        largest = max(largest, float(np.abs(block).max()))
        if products is not None:
            # float32 products of a block, summed in float64: exact enough, ten times as fast.
            with np.errstate(over="ignore", invalid="ignore"):
                products += block.T @ block
    count = rows.kept
    if count == 0:
        raise FilterscopeError(
            f"None of the {raw.count} patches has only finite numbers.",
            "Look for NaN or infinity in the file.",
        )
    mean = total / count
    variance = squares / (count * width) - mean.mean() ** 2
    if not variance > 1e-12:
        raise FilterscopeError(
            "All patches are constant: there is nothing to learn from.",
            "Choose another data set, or check how its axes and values are read.",
        )
    if products is not None and not np.isfinite(products).all():
        raise FilterscopeError(
            "Some values are too large to be whitened.",
            "Switch whitening off, or check how the values are read.",
        )
    deviation = float(np.sqrt(variance))
    whitening = unwhitening = None
    if products is not None:
        covariance = products / count - np.outer(mean, mean)
        whitening, unwhitening = _whitening(raw, spec, covariance)
        # Of whitened data: the trace of Zᵀ C Z is the variance that is left, exactly.
        deviation = float(
            np.sqrt(np.einsum("ij,jk,ki->", whitening.T, covariance, whitening) / width)
        )
        largest = 6 * deviation
    if spec.clip and not spec.deviations * deviation > np.finfo(np.float32).tiny:
        raise FilterscopeError(
            f"Nothing is left of the patches that are clipped at {spec.deviations:g} σ.",
            "Keep more standard deviations, or switch clipping off.",
        )
    bound = 0.0
    if spec.rescale:
        # Without clipping, everything fits: the largest magnitude that was seen is the bound.
        bound = spec.deviations * deviation if spec.clip else largest
    return FittedPreprocess(
        spec,
        shape,
        deviation,
        bound,
        mean if whiten else None,
        whitening,
        unwhitening,
        rows.dropped,
    )


def _whitening(
    raw: RawPatches, spec: PreprocessSpec, covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ZCA matrix V (Λ + ε)^−½ Vᵀ and its inverse, or the file's own."""
    if spec.whiten == "file":
        given = raw.file_transform
        if given is None:
            raise FilterscopeError(
                "The file has no whitening matrix xForm.", "Choose “ZCA, from the data”."
            )
        if given.shape != covariance.shape:
            raise FilterscopeError(
                f"The file's xForm is {given.shape[0]}×{given.shape[1]}, a row has "
                f"{len(covariance)} numbers.",
                "Switch grayscale off, or choose “ZCA, from the data”.",
            )
        return given, np.asarray(np.linalg.pinv(given), np.float64)
    values, vectors = np.linalg.eigh(covariance)
    # ε is a variance of values in 0 … 1, as in UFLDL: directions well below it are left alone.
    scale = np.sqrt(np.maximum(values, 0) + spec.epsilon)
    return (vectors / scale) @ vectors.T, (vectors * scale) @ vectors.T


def _apply(rows: NDArray[np.float32], fitted: FittedPreprocess) -> NDArray[np.float32]:
    """Apply a fitted preprocessing to mean-free rows (n, D)."""
    spec = fitted.spec
    if fitted.whitening is not None and fitted.mean is not None:
        rows = (rows - fitted.mean.astype(np.float32)) @ fitted.whitening.astype(np.float32)
    if spec.clip:
        reach = np.float32(spec.deviations * fitted.deviation)
        rows = np.clip(rows, -reach, reach)
    if spec.rescale:
        bound = np.float32(fitted.bound)
        middle, half = np.float32((LOW + HIGH) / 2), np.float32((HIGH - LOW) / 2)
        rows = np.clip(rows, -bound, bound) * (half / bound) + middle
    return rows


class _Keeper:
    """Owns a temporary folder and removes it when nobody looks at it any more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remove = weakref.finalize(self, shutil.rmtree, folder, True)


class _Store:
    """Takes rows block after block: into memory, or into a file that is mapped when it is whole.

    They are written, not stored through the map: that is quicker, nothing stays resident, and a
    disk that fills up is an error instead of a signal that ends the program.

    Parameters
    ----------
    count, width : int
        Shape of the rows.
    budget : int
        Bytes that may be held in memory.
    workdir : Path, optional
    """

    def __init__(self, count: int, width: int, budget: int, workdir: Path | None) -> None:
        self.shape, self.at = (count, width), 0
        self.size = count * width * 4
        self.rows: NDArray[np.float32] | None = None
        self.keeper: _Keeper | None = None
        if self.size <= budget:
            self.rows = np.empty(self.shape, np.float32)
            return
        try:
            folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=workdir))
            self.keeper = _Keeper(folder)
            free = shutil.disk_usage(folder).free
            if self.size > free * 0.95:
                self.keeper.remove()
                raise FilterscopeError(
                    f"The preprocessed patches need {size_in_words(self.size)} on disk, "
                    f"{size_in_words(free)} are free in {folder.parent}.",
                    "Free some space, set TMPDIR to a larger disk, or take fewer patches.",
                )
            self.file = (folder / "rows.f32").open("x+b", buffering=0)
        except OSError as error:
            raise self._no_room(error) from None

    def _no_room(self, error: OSError) -> FilterscopeError:
        if self.keeper is not None:
            self.keeper.remove()
        return FilterscopeError(
            f"There is no room for {size_in_words(self.size)} of preprocessed patches: "
            f"{error.strerror}.",
            "Free some space, set TMPDIR to a larger disk, or take fewer patches.",
        )

    def add(self, rows: NDArray[np.float32]) -> None:
        """Keep the next rows."""
        end = self.at + len(rows)
        if end > self.shape[0]:
            raise FilterscopeError("The file changed while it was read.", "Open it again.")
        if self.rows is not None:
            self.rows[self.at : end] = rows
        else:
            left = np.ascontiguousarray(rows, np.float32).data.cast("B")
            try:
                while len(left):
                    left = left[self.file.write(left) :]
            except OSError as error:
                raise self._no_room(error) from None
        self.at = end

    def close(self) -> None:
        """Close the file; what is mapped stays."""
        if self.rows is None:
            self.file.close()

    def finish(self) -> tuple[NDArray[np.float32], _Keeper | None]:
        """Return all rows, read-only, and what must live as long as they do."""
        rows = self.rows
        if rows is None:
            mapped = mmap.mmap(self.file.fileno(), self.size, access=mmap.ACCESS_READ)
            rows = np.frombuffer(mapped, np.float32).reshape(self.shape)
        rows.flags.writeable = False
        return rows, self.keeper


def sweep_work_files(workdir: Path | None = None) -> int:
    """Remove what a crashed process left in the temporary folder; returns how many folders."""
    removed = 0
    for folder in Path(workdir or tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed
