"""A line of the code with the shape that comes out, and what several levels write alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.core.nn.plan import Row
from app.core.specs import ConvNetSpec, layers

__all__ = ["Line", "all_rows", "function_call", "left_out", "number", "pair", "placing"]

# What comes out of a line stands beside it, from this column on where there is room.
COLUMN = 40


@dataclass(frozen=True)
class Line:
    """One line of Python, and the shape that comes out of it, if it computes one."""

    text: str
    shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        if not self.shape:
            return self.text
        return f"{self.text:{COLUMN}}  # {'×'.join(map(str, self.shape))}"


def left_out(layer: layers.Dropout, dropout: float) -> float:
    """Return which share of values a dropout row leaves out, for the dropout of a spec."""
    return dropout if layer.keep is None else round(1 - layer.keep, 12)


def number(row: Row) -> str:
    """Return the number in the names of what a row learns: W3 and b3 are of conv3."""
    return row.names[0].lstrip("Wgam")


def pair(size: tuple[int, int]) -> str:
    """Return height and width as torch takes them: one number where they are equal."""
    height, width = size
    return str(height) if height == width else f"({height}, {width})"


def placing(stride: int, pad: int) -> str:
    """Return what a call of a convolution says of its places, as far as it is not torch's own."""
    moved = f", stride={stride}" if stride != 1 else ""
    return f"{moved}, padding={pad}" if pad else moved


def all_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield all rows, those inside of a block too."""
    for row in rows:
        yield row
        yield from all_rows(row.inside)


def function_call(row: Row, spec: ConvNetSpec) -> str:
    """Return the call of a layer that learns nothing."""
    match row.layer:
        case layers.Relu():
            return "F.relu(x)"
        case layers.LeakyRelu(slope=slope):
            return f"F.leaky_relu(x, {slope})"
        case layers.Elu(alpha=alpha):
            return f"F.elu(x, {alpha})"
        case layers.Pool(size=size, stride=stride):
            return f"F.max_pool2d(x, {size}, {stride})"
        case layers.AvgPool(size=size, stride=stride):
            return f"F.avg_pool2d(x, {size}, {stride})"
        case layers.GlobalAvgPool():
            return "x.mean(dim=(2, 3))"
        case layers.Dropout() as layer:
            return f"F.dropout(x, {left_out(layer, spec.dropout)})"
    raise TypeError(f"{row.layer.text} cannot be written")
