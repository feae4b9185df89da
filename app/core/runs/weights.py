"""Weights of a run, read as a stranger's and held against its settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError
from app.core.runs.files import read_safetensors
from app.core.runs.info import ModelInfo

__all__ = ["as_filters", "read_normalisation", "read_weights"]

Shape = tuple[int, int, int]


def read_weights(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    model: ModelInfo | None = None,
    image_shape: Shape,
    whole: bool = True,
) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a file by name.

    Parameters
    ----------
    path : Path
    shapes : mapping
        The shape of each array of the network.
    model : ModelInfo, optional
        The person's program that it is of; its first layer is there as ``W1`` too, if pictures.
    image_shape : tuple of int
        (C, H, W).
    whole : bool
        Whether all arrays must be there.

    Raises
    ------
    UsageError
        The file is damaged, or of another network.
    """
    arrays = read_safetensors(path)
    found = {}
    for name, shape in shapes.items():
        array = arrays.get(name)
        if array is None and not whole:
            continue
        if array is None or array.shape != shape or array.dtype != np.float32:
            raise UsageError(f"{name} is missing or of another network.")
        if not np.isfinite(array).all():
            raise UsageError(f"{name} is not finite.")
        found[name] = array
    if model is not None and model.filters in found:
        try:
            pictures = as_filters(found[model.filters], image_shape)
        except ValueError:
            raise UsageError(f"{model.filters} is of another network.") from None
        found.setdefault("W1", pictures)
    return found


def read_normalisation(
    paths: Iterable[Path], image_shape: Shape
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the shift and the factor of the first file that has such of images (C, H, W)."""
    channels = image_shape[0]
    for path in paths:
        try:
            arrays = read_safetensors(path)
        except UsageError:
            continue
        shift, factor = arrays.get("shift"), arrays.get("factor")
        if shift is None or factor is None:
            continue
        if shift.shape in (image_shape, (channels, 1, 1)) and factor.shape == (channels, 1, 1):
            return shift.astype(np.float64), factor.astype(np.float64)
    return None


def as_filters(weights: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Return a first layer's weights as filters (F, C, HH, WW), as W1 is elsewhere.

    Those of an `nn.Linear` (M, C · H · W) are pictures as large as the image (C, H, W).
    """
    return weights.reshape(-1, *shape) if weights.ndim == 2 else weights
