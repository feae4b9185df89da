"""Dropout: in training, values are left out at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError
from app.core.kernels.geometry import floating

__all__ = ["dropout_backward", "dropout_forward"]


def dropout_forward(
    x: NDArray[Any], dropout_param: Mapping[str, Any]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Keep each value with probability p, and divide what is kept by p ("inverted" dropout).

    So the expected value stays what it was, and in the test nothing is left to do.

    Parameters
    ----------
    x : ndarray
        Of any shape; float32 or float64, which is kept.
    dropout_param : mapping
        ``p``: the probability of *keeping* a value, in (0, 1]. ``mode``: "train" or "test".
        ``rng``: the generator to draw from; or ``seed``, for the same mask every time.

    Returns
    -------
    out : ndarray
        Of the shape of `x`.
    cache : ndarray or None
        The mask, 0 or 1/p for each value; None in the test.

    Raises
    ------
    UsageError
        The mode is neither, or p is no probability above zero.

    References
    ----------
    Srivastava et al., "Dropout", 2014. CS231n, assignment 2.
    """
    p, mode = dropout_param["p"], dropout_param["mode"]
    if not 0 < p <= 1:
        raise UsageError(f"The probability of keeping a value is {p}; it must be in (0, 1].")
    if mode not in ("train", "test"):
        raise UsageError(f"The mode of a dropout is {mode!r}, not train or test.")
    if mode == "test":
        return x, None
    rng = dropout_param.get("rng")
    if rng is None:
        rng = np.random.default_rng(dropout_param.get("seed"))
    kind = floating(x)
    mask = (rng.random(x.shape) < p).astype(kind) / kind.type(p)
    return x * mask, mask


def dropout_backward(dout: NDArray[Any], cache: NDArray[Any] | None) -> NDArray[Any]:
    """Return dx: the slope passes where the value did, scaled alike."""
    return dout if cache is None else dout * cache
