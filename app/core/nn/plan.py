"""A network's rows as they are computed: each with its parameters, blocks with what is inside."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.nn.description import LayerInfo, NetworkDescription
from app.core.specs.layers import Dropout, Layer

__all__ = ["Row", "plan"]


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
    inside : tuple of Row
        Of a residual block.
    """

    layer: Layer
    names: tuple[str, ...]
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
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


def plan(description: NetworkDescription) -> tuple[Row, ...]:
    """Return the rows of a network in order.

    Where no row is a dropout, there is one before the scores, as in `Network`.
    """
    rows = [_row(layer, description) for layer in description.layers if len(layer.place) == 1]
    if not any(isinstance(layer.row, Dropout) for layer in description.layers):
        shape = rows[-1].in_shape
        rows.insert(len(rows) - 1, Row(Dropout(), (), shape, shape))
    return tuple(rows)


def _row(layer: LayerInfo, description: NetworkDescription) -> Row:
    inside = tuple(
        _row(inner, description)
        for inner in description.layers
        if len(inner.place) == len(layer.place) + 1 and inner.place[:-1] == layer.place
    )
    names = tuple(parameter.name for parameter in layer.parameters)
    return Row(layer.row, names, layer.in_shape, layer.out_shape, inside)
