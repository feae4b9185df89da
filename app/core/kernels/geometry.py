"""How windows lie on pictures: strides, paddings, and what is said when they do not fit.

The twins, the compiled kernels and the list of layers ask here, so that all of them agree and
say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.core.errors import ShapeError

__all__ = ["Windows", "conv_windows", "floating", "pair", "pool_windows", "window_count"]


class Windows(NamedTuple):
    """How large the windows of a layer are and where they lie; pairs are (vertical, horizontal)."""

    size: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]
    places: tuple[int, int]


def pair(value: Any, name: str, least: int = 0) -> tuple[int, int]:
    """Return a (vertical, horizontal) pair from one number or from two.

    Raises
    ------
    ShapeError
        It is neither, or one of them is less than `least`.
    """
    values = tuple(value) if isinstance(value, tuple | list | np.ndarray) else (value, value)
    whole = all(isinstance(one, int | np.integer) and one >= least for one in values)
    if len(values) != 2 or not whole:
        raise ShapeError(
            f"{name} is {value!r}.",
            f"It must be a whole number of at least {least}, or a pair (vertical, horizontal).",
        )
    return int(values[0]), int(values[1])


def window_count(size: int, window: int, stride: int, pad: int = 0) -> int:
    """Return how many windows fit along an axis: ⌊(size + 2 pad − window) / stride⌋ + 1.

    What is left over at the far end is not looked at, as in torch. Less than one means that
    none fits.
    """
    return (size + 2 * pad - window) // stride + 1


def _fit(
    picture: tuple[int, int],
    size: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    what: str,
) -> Windows:
    if min(size) < 1:
        raise ShapeError(f"{what} of {size[0]}×{size[1]} has nothing in it.")
    places = (
        window_count(picture[0], size[0], stride[0], pad[0]),
        window_count(picture[1], size[1], stride[1], pad[1]),
    )
    if min(places) < 1:
        around = f" with {pad[0]}×{pad[1]} of padding" if any(pad) else ""
        raise ShapeError(
            f"{what} of {size[0]}×{size[1]} does not fit a picture of "
            f"{picture[0]}×{picture[1]}{around}.",
            "Make the window smaller, the padding larger, or shrink the picture less before.",
        )
    return Windows(size, stride, pad, places)


def _four(shape: tuple[int, ...], what: str, axes: str) -> None:
    if len(shape) != 4:
        raise ShapeError(f"{what} has the shape {shape}, not {axes}.")


def conv_windows(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    b_shape: tuple[int, ...],
    conv_param: Mapping[str, Any],
) -> Windows:
    """Return where the filters of a convolution lie.

    Parameters
    ----------
    x_shape, w_shape, b_shape : tuple of int
        (N, C, H, W), (F, C, HH, WW) and (F,).
    conv_param : mapping
        ``stride`` (1 when not there) and ``pad`` (0 when not there).

    Raises
    ------
    ShapeError
        The arrays do not belong together, or no window fits.
    """
    _four(x_shape, "x", "(N, C, H, W)")
    _four(w_shape, "w", "(F, C, HH, WW)")
    if x_shape[1] != w_shape[1]:
        raise ShapeError(
            f"The filters look at {w_shape[1]} channels and the pictures have {x_shape[1]}."
        )
    if b_shape != (w_shape[0],):
        raise ShapeError(f"b has the shape {b_shape}; {w_shape[0]} filters need ({w_shape[0]},).")
    stride = pair(conv_param.get("stride", 1), "stride", 1)
    pad = pair(conv_param.get("pad", 0), "pad")
    return _fit((x_shape[2], x_shape[3]), (w_shape[2], w_shape[3]), stride, pad, "A filter")


def pool_windows(x_shape: tuple[int, ...], pool_param: Mapping[str, Any]) -> Windows:
    """Return where the windows of a pool lie.

    Parameters
    ----------
    x_shape : tuple of int
        (N, C, H, W).
    pool_param : mapping
        ``pool_height``, ``pool_width`` and ``stride`` (the window's own size when not there).

    Raises
    ------
    ShapeError
        `x` has not four axes, or no window fits.
    """
    _four(x_shape, "x", "(N, C, H, W)")
    size = pair((pool_param["pool_height"], pool_param["pool_width"]), "The pool's window", 1)
    stride = pair(pool_param.get("stride", size), "stride", 1)
    return _fit((x_shape[2], x_shape[3]), size, stride, (0, 0), "A pool's window")


def floating(*arrays: NDArray[Any]) -> np.dtype[Any]:
    """Return the type of the result: that of the arrays, or float64 when they are whole numbers."""
    kind = np.result_type(*arrays)
    return kind if np.issubdtype(kind, np.floating) else np.dtype(np.float64)
