"""One layer at a chosen shape, and the arrays with which it is timed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from app.core.errors import ShapeError
from app.core.kernels.geometry import conv_windows, pool_windows
from app.core.params import Hyper, Spec
from app.core.specs.layers import Size
from app.core.words import size_in_words

__all__ = ["LAYER_TITLES", "PRESETS", "LayerCase", "TimingSpec", "draw_case"]

LAYER_TITLES = {
    "conv": "convolution",
    "conv_relu_pool": "convolution, ReLU, 2×2 pool",
    "max_pool": "max pool",
    "avg_pool": "average pool",
    "affine": "affine layer",
    "spatial_batchnorm": "spatial batchnorm",
}
MOST_BYTES = 2 << 30

Array = NDArray[Any]


class TimingSpec(Spec):
    """Which layer is timed, and at what shape."""

    layer: Annotated[
        Literal["conv", "conv_relu_pool", "max_pool", "avg_pool", "affine", "spatial_batchnorm"],
        Hyper("", "Layer", "What is timed, forward and backward.", choices=LAYER_TITLES),
    ] = "conv"
    batch: Annotated[
        int,
        Field(ge=1, le=4096),
        Hyper("N", "Batch", "Pictures in a call.", "log", (1, 256), unit="pictures"),
    ] = 50
    channels: Annotated[
        int,
        Field(ge=1, le=4096),
        Hyper("C", "Channels", "Channels of a picture.", "log", (1, 256)),
    ] = 3
    height: Annotated[
        int,
        Field(ge=1, le=1024),
        Hyper("H", "Height", "Rows of a picture.", "linear", (1, 64), unit="pixels"),
    ] = 32
    width: Annotated[
        int,
        Field(ge=1, le=1024),
        Hyper("W", "Width", "Columns of a picture.", "linear", (1, 64), unit="pixels"),
    ] = 32
    filters: Annotated[
        int,
        Field(ge=1, le=4096),
        Hyper(
            "F",
            "Filters",
            "Filters of a convolution, or outputs of an affine layer.",
            "log",
            (1, 512),
        ),
    ] = 32
    window: Annotated[
        Size,
        Hyper(
            "",
            "Window",
            "Side of a filter or of a pool's window.",
            "linear",
            (1, 11),
            unit="pixels",
        ),
    ] = 7
    stride: Annotated[
        Size,
        Hyper("", "Stride", "How far windows are apart.", "linear", (1, 4), unit="pixels"),
    ] = 1
    pad: Annotated[
        int,
        Field(ge=0, le=64),
        Hyper(
            "",
            "Padding",
            "Zeros around a picture, for convolutions.",
            "linear",
            (0, 5),
            unit="pixels",
        ),
    ] = 3
    precision: Annotated[
        Literal["float32", "float64"],
        Hyper(
            "",
            "Precision",
            "float32 is twice as fast.",
            choices={"float32": "float32", "float64": "float64"},
        ),
    ] = "float32"


PRESETS = {
    "The report's convolution": TimingSpec(
        batch=100, height=31, width=31, filters=25, window=3, stride=2, pad=1
    ),
    "The report's pool": TimingSpec(layer="max_pool", batch=100, window=2, stride=2),
    "First layer of the three-layer network": TimingSpec(),
    "Hidden layer of the three-layer network": TimingSpec(
        layer="affine", channels=32, height=16, width=16, filters=500
    ),
}


@dataclass(frozen=True)
class LayerCase:
    """The layer with its arrays: the same for all that compute it.

    Attributes
    ----------
    spec : TimingSpec
    x, dout : ndarray
        The pictures (N, C, H, W), and slopes along what comes out.
    arrays : tuple of ndarray
        What the layer learns.
    options : tuple
        What a call is given beside them.
    operations : int
        Products and sums of a forward pass, where the layer is made of such.
    """

    spec: TimingSpec
    x: Array
    arrays: tuple[Array, ...]
    options: tuple[Any, ...]
    dout: Array
    operations: int

    def forward(self, layers: Any, part: slice = slice(None)) -> tuple[Array, Any]:
        """Compute pictures with the layers of a module; returns output and cache."""
        function = getattr(layers, f"{self.spec.layer}_forward")
        out: tuple[Array, Any] = function(self.x[part], *self.arrays, *self.options)
        return out

    def backward(self, layers: Any, cache: Any, part: slice = slice(None)) -> tuple[Array, ...]:
        """Return the slopes along pictures and weights."""
        found = getattr(layers, f"{self.spec.layer}_backward")(self.dout[part], cache)
        return found if isinstance(found, tuple) else (found,)

    def few(self, part: slice) -> LayerCase:
        """Return the case of some of the pictures."""
        return replace(self, x=self.x[part], dout=self.dout[part])


def draw_case(spec: TimingSpec) -> LayerCase:
    """Return a layer with arrays that are drawn at random.

    Raises
    ------
    ShapeError
        The layer cannot be computed at that shape, or would fill the memory; nothing large was
        made by then.
    """
    kind = np.dtype(spec.precision)
    shape = (spec.batch, spec.channels, spec.height, spec.width)
    pool_param = {"pool_height": spec.window, "pool_width": spec.window, "stride": spec.stride}
    conv_param = {"stride": spec.stride, "pad": spec.pad}
    arrays: tuple[tuple[int, ...], ...] = ()
    out_shape: tuple[int, ...]
    options: tuple[Any, ...] = ()
    operations = 0
    if spec.layer in ("conv", "conv_relu_pool"):
        w_shape = (spec.filters, spec.channels, spec.window, spec.window)
        arrays = (w_shape, (spec.filters,))
        windows = conv_windows(shape, w_shape, (spec.filters,), conv_param)
        out_shape = (spec.batch, spec.filters, *windows.places)
        operations = 2 * int(np.prod(out_shape)) * spec.channels * spec.window**2
        options = (conv_param,)
        if spec.layer == "conv_relu_pool":
            two = {"pool_height": 2, "pool_width": 2, "stride": 2}
            options = (conv_param, two)
            out_shape = (*out_shape[:2], *pool_windows(out_shape, two).places)
    elif spec.layer in ("max_pool", "avg_pool"):
        out_shape = (*shape[:2], *pool_windows(shape, pool_param).places)
        options = (pool_param,)
    elif spec.layer == "affine":
        inputs = spec.channels * spec.height * spec.width
        arrays, out_shape = ((inputs, spec.filters), (spec.filters,)), (spec.batch, spec.filters)
        operations = 2 * spec.batch * inputs * spec.filters
    else:
        arrays, out_shape = ((spec.channels,), (spec.channels,)), shape
        options = ({"mode": "train"},)
    numbers = sum(int(np.prod(one)) for one in (shape, out_shape, *arrays))
    # Gradients, and what the layers keep for the way back.
    if 4 * numbers * kind.itemsize > MOST_BYTES:
        raise ShapeError(
            f"The arrays would take {size_in_words(4 * numbers * kind.itemsize)}.",
            "Choose a smaller batch or fewer filters.",
        )
    rng = np.random.default_rng(231)

    def draw(shape: tuple[int, ...]) -> Array:
        return rng.standard_normal(shape).astype(kind)

    given = tuple(draw(one) for one in arrays)
    return LayerCase(spec, draw(shape), given, options, draw(out_shape), operations)
