"""What a list of layers makes of an image: shapes, numbers, and where it breaks.

Asked with each keystroke in the window; nothing is computed and no weights are made.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from app.core.errors import ShapeError
from app.core.kernels.geometry import conv_windows, pool_windows
from app.core.nn.layer_info import LayerInfo, NetworkDescription, ParameterShape, Shape
from app.core.specs.layers import (
    Affine,
    AvgPool,
    Batchnorm,
    Conv,
    GlobalAvgPool,
    Groupnorm,
    Layer,
    Layernorm,
    Pool,
    Residual,
)

__all__ = [
    "MOST_PARAMETERS",
    "complete_layers",
    "describe_network",
    "first_without",
    "weight_shapes",
]

# More would not fit the memory of the machines this is for, with a solver's memory beside it.
MOST_PARAMETERS = 200_000_000


def describe_network(
    rows: Sequence[Layer], input_shape: tuple[int, int, int], classes: int | None = None
) -> NetworkDescription:
    """Return what each row makes of an image (C, H, W).

    With `classes`, the network must end in one score a class: an affine layer is added unless
    the last row gives them already. An impossible row is no exception here, see
    `NetworkDescription.error`.
    """
    walker = _Walker(input_shape)
    shape: Shape = input_shape
    for index, row in enumerate(rows):
        shape = walker.visit(row, (index,), shape)
        if walker.broken:
            return NetworkDescription(input_shape, tuple(walker.layers))
    if classes is not None and not _gives_scores(rows, shape, classes):
        if rows and isinstance(rows[-1], Affine):
            # The person may have meant a hidden layer; both ways out are said.
            said = (
                f"It gives {shape[0]} scores and there are {classes} classes: "
                f"write affine {classes}, or a relu after it."
            )
            walker.layers[-1] = replace(walker.layers[-1], error=said)
        else:
            walker.visit(Affine(units=classes), (len(rows),), shape)
    return NetworkDescription(input_shape, tuple(walker.layers))


def complete_layers(
    rows: Sequence[Layer], input_shape: tuple[int, int, int], classes: int
) -> tuple[Layer, ...]:
    """Return the rows with the layer that gives the scores, added if it was missing.

    Raises
    ------
    ShapeError
        Naming the row that is impossible.
    """
    description = describe_network(rows, input_shape, classes).checked()
    return tuple(layer.row for layer in description.rows)


def weight_shapes(
    rows: Sequence[Layer], input_shape: tuple[int, int, int], classes: int | None = None
) -> dict[str, Shape]:
    """Return the shape of each array that a use of the network needs, by name.

    After all that is learned come the running averages of batchnorm.

    Raises
    ------
    ShapeError
        Naming the row that is impossible.
    """
    return describe_network(rows, input_shape, classes).checked().weight_shapes


def first_without(description: NetworkDescription, names: Collection[str]) -> int | None:
    """Return the index in the list of the first row that needs more than the arrays `names`.

    None when all arrays of the network are among them.
    """
    lacking = [
        layer.place[0]
        for layer in description.layers
        if any(needed.name not in names for needed in (*layer.parameters, *layer.averages))
    ]
    return min(lacking, default=None)


def _gives_scores(rows: Sequence[Layer], shape: Shape, classes: int) -> bool:
    return bool(rows) and isinstance(rows[-1], Affine | GlobalAvgPool) and shape == (classes,)


@dataclass(frozen=True)
class _View:
    """Which part of the image a value sees, and how far apart neighbours look."""

    size: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)

    def through(self, window: tuple[int, int], stride: tuple[int, int]) -> _View:
        (height, width), (down, right) = self.size, self.jump
        size = (height + (window[0] - 1) * down, width + (window[1] - 1) * right)
        return _View(size, (down * stride[0], right * stride[1]))


class _Walker:
    """Goes from row to row with the shape, the view and the numbers of the names."""

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        self.input_shape = input_shape
        self.layers: list[LayerInfo] = []
        self.view = _View()
        self.weights = self.norms = self.learned = 0
        self.broken = False

    def visit(self, row: Layer, place: tuple[int, ...], shape: Shape) -> Shape:
        """Describe one row (and what is inside); returns the shape that comes out."""
        start = self.view
        inside = shape
        if isinstance(row, Residual):
            for index, inner in enumerate(row.rows):
                inside = self.visit(inner, (*place, index), inside)
                if self.broken:
                    return inside
        try:
            info = self._describe(row, LayerInfo(row, place, shape), inside, start)
            self.learned += info.parameter_count
            if self.learned > MOST_PARAMETERS:
                raise ShapeError(
                    f"{self.learned:,} numbers to learn are more than the {MOST_PARAMETERS:,} "
                    "that are allowed."
                )
        except ShapeError as error:
            self.broken = True
            info = LayerInfo(row, place, shape, error=error.message)
        self.layers.append(info)
        return info.out_shape

    def _describe(self, row: Layer, info: LayerInfo, inside: Shape, start: _View) -> LayerInfo:
        shape = info.in_shape
        if isinstance(row, Conv):
            return self._conv(info, row, shape)
        if isinstance(row, Affine):
            self.view = _View(self.input_shape[1:])
            width = math.prod(shape)
            return self._done(
                info, (row.units,), self._weights((width, row.units), width), width * row.units
            )
        if isinstance(row, Pool | AvgPool):
            channels, height, width = _picture(row, shape)
            windows = pool_windows(
                (1, channels, height, width),
                {"pool_height": row.size, "pool_width": row.size, "stride": row.stride},
            )
            self.view = self.view.through(windows.size, windows.stride)
            return self._done(info, (channels, *windows.places))
        if isinstance(row, GlobalAvgPool):
            channels, _, _ = _picture(row, shape)
            self.view = _View(self.input_shape[1:])
            return self._done(info, (channels,))
        if isinstance(row, Batchnorm | Layernorm | Groupnorm):
            if isinstance(row, Groupnorm):
                channels, _, _ = _picture(row, shape)
                if channels % row.groups:
                    raise ShapeError(
                        f"{channels} channels cannot be divided into {row.groups} equal groups."
                    )
            self.norms += 1
            names = (f"gamma{self.norms}", f"beta{self.norms}")
            return self._done(info, shape, tuple(ParameterShape(n, (shape[0],)) for n in names))
        if isinstance(row, Residual):
            return self._residual(info, shape, inside, start)
        return self._done(info, shape)

    def _done(
        self,
        info: LayerInfo,
        shape: Shape,
        parameters: tuple[ParameterShape, ...] = (),
        products: int = 0,
        note: str = "",
    ) -> LayerInfo:
        return replace(
            info,
            out_shape=shape,
            parameters=parameters,
            multiply_adds=products,
            receptive_field=self.view.size,
            note=note,
        )

    def _weights(self, shape: Shape, fan_in: int) -> tuple[ParameterShape, ...]:
        self.weights += 1
        outputs = shape[0] if len(shape) == 4 else shape[1]
        return (
            ParameterShape(f"W{self.weights}", shape, fan_in),
            ParameterShape(f"b{self.weights}", (outputs,)),
        )

    def _conv(self, info: LayerInfo, row: Conv, shape: Shape) -> LayerInfo:
        channels, height, width = _picture(row, shape)
        filters = (row.filters, channels, row.height, row.width)
        param = {"stride": row.stride, "pad": row.pad}
        windows = conv_windows((1, channels, height, width), filters, (row.filters,), param)
        self.view = self.view.through(windows.size, windows.stride)
        out = (row.filters, *windows.places)
        fan_in = channels * row.height * row.width
        return self._done(info, out, self._weights(filters, fan_in), fan_in * math.prod(out))

    def _residual(self, info: LayerInfo, shape: Shape, inside: Shape, start: _View) -> LayerInfo:
        """Describe the shortcut: what comes in as it is, or through a convolution of 1×1."""
        if inside == shape:
            return self._done(info, inside)
        channels, height, width = _picture(info.row, shape)
        filters, rows, columns = _picture(info.row, inside)
        stride = -(-height // rows), -(-width // columns)
        weights = (filters, channels, 1, 1)
        places = conv_windows((1, *shape), weights, (filters,), {"stride": stride, "pad": 0}).places
        if places != (rows, columns):
            raise ShapeError(
                f"What goes in is {height}×{width} and what comes out {rows}×{columns}: "
                "no stride of the shortcut leads there."
            )
        note = f"shortcut: conv {filters} 1x1" + (
            f" stride {stride[0]}" if stride != (1, 1) else ""
        )
        products = channels * math.prod(inside)
        return self._done(info, inside, self._weights(weights, channels), products, note)


def _picture(row: Layer, shape: Shape) -> tuple[int, int, int]:
    """Return a shape that must be (C, H, W)."""
    if len(shape) != 3:
        raise ShapeError(
            f"It needs maps, and what comes in is {math.prod(shape)} numbers in a row."
        )
    channels, height, width = shape
    return channels, height, width
