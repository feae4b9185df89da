"""A network's rows as they are computed: each with its parameters, blocks with what is inside."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.nn.layer_info import LayerInfo, NetworkDescription
from app.core.specs.layers import Dropout, Layer

__all__ = ["Row", "plan", "rows_of"]


@dataclass(frozen=True)
class Row:
    """One layer in its place.

    Attributes
    ----------
    layer : Layer
    names : tuple of str
        What it learns, W before b; of a residual block, what its shortcut learns.
    in_shape, out_shape : tuple of int
        (C, H, W) or (D,), without the batch.
    averages : tuple of str
        The running averages of batchnorm, the mean before the variance.
    inside : tuple of Row
        Of a residual block.
    """

    layer: Layer
    names: tuple[str, ...]
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    averages: tuple[str, ...] = ()
    inside: tuple[Row, ...] = ()

    @property
    def picture(self) -> bool:
        """Whether maps come in."""
        return len(self.in_shape) == 3

    @property
    def shortcut_stride(self) -> tuple[int, int]:
        """The stride with which a residual block's shortcut reaches the size that comes out."""
        down, right = (
            -(-before // after)
            for before, after in zip(self.in_shape[1:], self.out_shape[1:], strict=True)
        )
        return down, right


def rows_of(description: NetworkDescription) -> tuple[Row, ...]:
    """Return the rows of a network in order."""
    return tuple(_row(layer, description) for layer in description.rows)


def plan(description: NetworkDescription) -> tuple[Row, ...]:
    """Return the rows of a network as it trains.

    Where no row is a dropout, there is one before the scores, whose share is the spec's.
    """
    rows = rows_of(description)
    if any(isinstance(layer.row, Dropout) for layer in description.layers):
        return rows
    *before, scores = rows
    shape = scores.in_shape
    return (*before, Row(Dropout(), (), shape, shape), scores)


def _row(layer: LayerInfo, description: NetworkDescription) -> Row:
    return Row(
        layer.row,
        tuple(parameter.name for parameter in layer.parameters),
        layer.in_shape,
        layer.out_shape,
        tuple(average.name for average in layer.averages),
        tuple(_row(inner, description) for inner in description.inside(layer)),
    )
