"""Which shapes a normalization takes, and what is said of others: by twins and compiled layers."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from app.core.errors import ShapeError

__all__ = ["check_features", "check_groups", "check_pictures", "check_rows"]


def check_rows(x: NDArray[Any]) -> None:
    """Refuse what are no examples (N, D); raises `ShapeError`."""
    if x.ndim != 2:
        raise ShapeError(f"x has the shape {x.shape}, not (N, D).")


def check_pictures(x: NDArray[Any]) -> None:
    """Refuse what are no pictures (N, C, H, W); raises `ShapeError`."""
    if x.ndim != 4:
        raise ShapeError(f"x has the shape {x.shape}, not (N, C, H, W).")


def check_features(gamma: NDArray[Any], beta: NDArray[Any], width: int) -> None:
    """Refuse a gamma or a beta that is not one number a feature; raises `ShapeError`."""
    if gamma.shape != (width,) or beta.shape != (width,):
        raise ShapeError(
            f"gamma and beta have the shapes {gamma.shape} and {beta.shape}; there are "
            f"{width} features."
        )


def check_groups(x: NDArray[Any], gamma: NDArray[Any], beta: NDArray[Any], G: int) -> None:
    """Refuse pictures (N, C, H, W) whose channels make no G groups; raises `ShapeError`."""
    check_pictures(x)
    channels = x.shape[1]
    if G < 1 or channels % G:
        raise ShapeError(f"{channels} channels cannot be divided into {G} equal groups.")
    if gamma.size != channels or beta.size != channels:
        raise ShapeError(
            f"gamma and beta have the shapes {gamma.shape} and {beta.shape}; there are "
            f"{channels} channels."
        )
