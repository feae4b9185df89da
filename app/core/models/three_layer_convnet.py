"""The exercise's three-layer network under its own name, so that a notebook's calls work.

conv - relu - 2x2 max pool - affine - relu - affine - softmax
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError
from app.core.nn.network import Network
from app.core.specs.layers import Affine, Conv, Pool, Relu

__all__ = ["ThreeLayerConvNet"]


class ThreeLayerConvNet:
    """A three-layer convolutional network (CS231n, assignment 2, ``cnn.py``).

    Parameters
    ----------
    input_dim : tuple of int
        (C, H, W) of an image.
    num_filters, filter_size : int
        Of the convolution, whose padding keeps the picture's size.
    hidden_dim : int
        Units of the first affine layer.
    num_classes : int
    weight_scale : float
        Standard deviation of the first weights; biases are 0.
    reg : float
        Strength of L2: reg/2 ΣW² of W1, W2 and W3.
    dtype : {numpy.float32, numpy.float64}
        The exercise's own default is float32.
    rng : Generator or RandomState, optional
        Draws the first weights; NumPy's own numbers from seed 0 by default.
    engine : {"compiled", "reference"}, optional
        The fastest there is by default.

    Attributes
    ----------
    params : dict
        W1 (F, C, s, s), b1 (F,), W2 (F H/2 W/2, hidden), b2, W3 (hidden, classes), b3. An array
        may be changed in place or replaced by another.

    Raises
    ------
    UsageError
        The filter's size is even: no padding keeps the picture's size then.
    """

    def __init__(
        self,
        input_dim: tuple[int, int, int] = (3, 32, 32),
        num_filters: int = 32,
        filter_size: int = 7,
        hidden_dim: int = 100,
        num_classes: int = 10,
        weight_scale: float = 1e-3,
        reg: float = 0.0,
        dtype: Any = np.float32,
        *,
        rng: Any = None,
        engine: str | None = None,
    ) -> None:
        if filter_size % 2 == 0:
            raise UsageError(
                f"Filters of {filter_size}×{filter_size} cannot keep the picture's size.",
                "Take an odd size.",
            )
        self.reg = reg
        rows = (
            Conv(
                filters=num_filters,
                height=filter_size,
                width=filter_size,
                pad=(filter_size - 1) // 2,
            ),
            Relu(),
            Pool(),
            Affine(units=hidden_dim),
            Relu(),
        )
        self.network = Network(
            rows, input_dim, num_classes, dtype=np.dtype(dtype).name, engine=engine
        )
        self.network.initialise(
            np.random.default_rng(0) if rng is None else rng, weight_scale=weight_scale
        )
        self.params: dict[str, NDArray[Any]] = dict(self.network.parameters)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of weights and scores."""
        return self.network.dtype

    @overload
    def loss(self, X: NDArray[Any], y: None = None) -> NDArray[Any]: ...

    @overload
    def loss(self, X: NDArray[Any], y: NDArray[Any]) -> tuple[float, dict[str, NDArray[Any]]]: ...

    def loss(
        self, X: NDArray[Any], y: NDArray[Any] | None = None
    ) -> NDArray[Any] | tuple[float, dict[str, NDArray[Any]]]:
        """Return scores (N, classes) of images (N, C, H, W); with labels, loss and gradients."""
        for name, own in self.network.parameters.items():
            if self.params[name] is not own:
                own[...] = self.params[name]
        if y is None:
            return self.network.scores(np.asarray(X, self.dtype))
        outcome = self.network.loss(X, np.asarray(y), reg=self.reg)
        return float(outcome.terms.sum()), self.network.views(outcome.gradient)
