"""The network as a list of modules, an `nn.Sequential`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from app.core.network_code.lines import Line, left_out
from app.core.network_code.module import module_call
from app.core.nn.plan import Row
from app.core.specs import ConvNetSpec, layers

__all__ = ["sequential"]


def sequential(rows: Sequence[Row], spec: ConvNetSpec) -> Iterator[Line]:
    """Yield the model, a list of modules."""
    if any(isinstance(row.layer, layers.Residual) for row in rows):
        yield from (Line(text) for text in _RESIDUAL.splitlines())
    yield Line("model = nn.Sequential(")
    yield from _list_lines(rows, spec, 4)
    if len(rows[-1].out_shape) == 3:
        yield Line("    nn.Flatten(),", (math.prod(rows[-1].out_shape),))
    yield Line(")")


_RESIDUAL = '''class Residual(nn.Module):
    """f(x) + x, or f(x) + W x where the shapes differ."""

    def __init__(self, inside, shortcut):
        super().__init__()
        self.shortcut, self.inside = shortcut, inside

    def forward(self, x):
        return self.inside(x) + self.shortcut(x)


'''


def _list_lines(rows: Sequence[Row], spec: ConvNetSpec, indent: int) -> Iterator[Line]:
    space = " " * indent
    for row in rows:
        layer, shape = row.layer, row.out_shape
        match layer:
            case layers.Residual():
                yield Line(f"{space}Residual(nn.Sequential(")
                yield from _list_lines(row.inside, spec, indent + 4)
                way = module_call(row) if row.names else "nn.Identity()"
                yield Line(f"{space}), {way}),", shape)
            case layers.Relu():
                yield Line(f"{space}nn.ReLU(),", shape)
            case layers.LeakyRelu(slope=slope):
                yield Line(f"{space}nn.LeakyReLU({slope}),", shape)
            case layers.Elu(alpha=alpha):
                yield Line(f"{space}nn.ELU({alpha}),", shape)
            case layers.Pool(size=size, stride=stride):
                yield Line(f"{space}nn.MaxPool2d({size}, {stride}),", shape)
            case layers.AvgPool(size=size, stride=stride):
                yield Line(f"{space}nn.AvgPool2d({size}, {stride}),", shape)
            case layers.GlobalAvgPool():
                yield Line(f"{space}nn.AdaptiveAvgPool2d(1),", (*shape, 1, 1))
                yield Line(f"{space}nn.Flatten(),", shape)
            case layers.Dropout():
                yield Line(f"{space}nn.Dropout({left_out(layer, spec.dropout)}),", shape)
            case _:
                if isinstance(layer, layers.Affine) and row.picture:
                    yield Line(f"{space}nn.Flatten(),", (math.prod(row.in_shape),))
                yield Line(f"{space}{module_call(row)},", shape)
