"""What is known of each row of a network before it is built: shapes, numbers, where it breaks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from app.core.errors import ShapeError
from app.core.specs.layer_list import format_layers
from app.core.specs.layers import Batchnorm, Layer

__all__ = ["LayerInfo", "NetworkDescription", "ParameterShape", "Shape"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class ParameterShape:
    """One array of learned numbers: ``W1``, ``b1``, ``gamma1`` …, its shape and its inputs.

    `fan_in` is how many inputs each output sums over; 0 for what is no weight.
    """

    name: str
    shape: Shape
    fan_in: int = 0

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class LayerInfo:
    """What one row does to what comes in.

    Attributes
    ----------
    row : Layer
        The row itself.
    place : tuple of int
        Its index in the list; rows inside of a residual block have the block's index before
        theirs. A row that was added (the last affine layer) has the index after the last.
    in_shape, out_shape : tuple of int
        (C, H, W) or (D,), without the batch.
    parameters : tuple of ParameterShape
        What it learns, W before b. Of a residual block, what its shortcut learns.
    multiply_adds : int
        Products that are added up for one image; only convolutions and affine layers count.
    receptive_field : tuple of int
        Height and width of the part of the image that one output value sees.
    note : str
        What else a person should see, such as the convolution of a shortcut.
    error : str
        Why it is impossible; nothing is known of what comes after then.
    """

    row: Layer
    place: tuple[int, ...]
    in_shape: Shape
    out_shape: Shape = ()
    parameters: tuple[ParameterShape, ...] = ()
    multiply_adds: int = 0
    receptive_field: tuple[int, int] = (1, 1)
    note: str = ""
    error: str = ""

    @property
    def averages(self) -> tuple[ParameterShape, ...]:
        """What batchnorm keeps beside gamma and beta, such as ``running_mean1``, ``running_var1``."""
        if not isinstance(self.row, Batchnorm) or not self.parameters:
            return ()
        gamma = self.parameters[0]
        number = gamma.name.removeprefix("gamma")
        return tuple(
            ParameterShape(f"{name}{number}", gamma.shape)
            for name in ("running_mean", "running_var")
        )

    @property
    def parameter_count(self) -> int:
        """How many numbers it learns."""
        return sum(parameter.size for parameter in self.parameters)


@dataclass(frozen=True)
class NetworkDescription:
    """All rows in the order in which they compute, a residual block after what is inside of it.

    Attributes
    ----------
    input_shape : tuple of int
        (C, H, W) of an image.
    layers : tuple of LayerInfo
        Up to and including the row that breaks, if one does.
    """

    input_shape: tuple[int, int, int]
    layers: tuple[LayerInfo, ...]

    @property
    def error(self) -> ShapeError | None:
        """What is impossible, naming row and numbers; None for a network that can be built."""
        last = self.layers[-1]
        if not last.error:
            return None
        place = ".".join(str(index + 1) for index in last.place)
        return ShapeError(f"Row {place}, {last.row.text}: {last.error}")

    def checked(self) -> NetworkDescription:
        """Return itself.

        Raises
        ------
        ShapeError
            A row is impossible; it is named with its numbers.
        """
        if self.error is not None:
            raise self.error
        return self

    @property
    def rows(self) -> tuple[LayerInfo, ...]:
        """The rows of the list, without those inside of residual blocks."""
        return tuple(layer for layer in self.layers if len(layer.place) == 1)

    def inside(self, block: LayerInfo) -> tuple[LayerInfo, ...]:
        """Return the rows of a residual block, without those of blocks inside of it."""
        return tuple(layer for layer in self.layers if layer.place[:-1] == block.place)

    @property
    def parameters(self) -> tuple[ParameterShape, ...]:
        """All that is learned, in the order of the flat vector."""
        return tuple(parameter for layer in self.layers for parameter in layer.parameters)

    @property
    def averages(self) -> tuple[ParameterShape, ...]:
        """All running averages of batchnorm, in the order of their flat vector."""
        return tuple(average for layer in self.layers for average in layer.averages)

    @property
    def weight_shapes(self) -> dict[str, Shape]:
        """The shape of each array that a use of the network needs, by name; averages are last."""
        return {one.name: one.shape for one in (*self.parameters, *self.averages)}

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(layer.parameter_count for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Products that are added up for one image."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def text(self) -> str:
        """The whole list, with what was added, as it is typed."""
        return format_layers([layer.row for layer in self.rows])
