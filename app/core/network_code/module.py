"""The network as a class of its own, an `nn.Module`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from app.core.network_code.lines import (
    Line,
    all_rows,
    function_call,
    left_out,
    number,
    pair,
    placing,
)
from app.core.nn.plan import Row
from app.core.specs import ConvNetSpec, layers

__all__ = ["member", "module", "module_call"]


def module(rows: Sequence[Row], spec: ConvNetSpec) -> Iterator[Line]:
    """Yield the class, and the model that is one of it."""
    yield Line("class ConvNet(nn.Module):")
    yield Line("    def __init__(self):")
    yield Line("        super().__init__()")
    for row in all_rows(rows):
        if row.names:
            yield Line(f"        self.{member(row)} = {module_call(row)}")
    yield Line("")
    yield Line("    def forward(self, x):")
    yield from _forward_lines(rows, spec, 0)
    last = rows[-1].out_shape
    flat = ".flatten(1)" if len(last) == 3 else ""
    yield Line(f"        return x{flat}", (math.prod(last),) if flat else ())
    yield Line("")
    yield Line("")
    yield Line("model = ConvNet()")


def member(row: Row) -> str:
    """Return what the class calls the module of a row that learns: conv1, norm2, fc3."""
    kinds = {layers.Conv: "conv", layers.Affine: "fc", layers.Residual: "shortcut"}
    return f"{kinds.get(type(row.layer), 'norm')}{number(row)}"


def module_call(row: Row) -> str:
    """Return the module of a row that learns."""
    layer, channels = row.layer, row.in_shape[0]
    match layer:
        case layers.Conv(filters=filters, height=height, width=width, stride=stride, pad=pad):
            size = pair((height, width))
            return f"nn.Conv2d({channels}, {filters}, {size}{placing(stride, pad)})"
        case layers.Affine(units=units):
            return f"nn.Linear({math.prod(row.in_shape)}, {units})"
        case layers.Batchnorm():
            return f"nn.BatchNorm{'2d' if row.picture else '1d'}({channels})"
        case layers.Groupnorm(groups=groups):
            return f"nn.GroupNorm({groups}, {channels})"
        case layers.Layernorm():
            return f"nn.GroupNorm(1, {channels})"
        case layers.Residual():
            return f"nn.Conv2d({channels}, {row.out_shape[0]}, 1, {pair(row.shortcut_stride)})"
    raise TypeError(f"{layer.text} learns nothing")


def _forward_lines(rows: Sequence[Row], spec: ConvNetSpec, depth: int) -> Iterator[Line]:
    past = "past" if not depth else f"past{depth + 1}"
    for row in rows:
        match row.layer:
            case layers.Residual():
                way = f"self.{member(row)}(x)" if row.names else "x"
                yield Line(f"        {past} = {way}", row.out_shape if row.names else ())
                yield from _forward_lines(row.inside, spec, depth + 1)
                yield Line(f"        x = x + {past}", row.out_shape)
            case layers.Dropout() as layer:
                call = f"F.dropout(x, {left_out(layer, spec.dropout)}, self.training)"
                yield Line(f"        x = {call}", row.out_shape)
            case _ if row.names:
                flatten = isinstance(row.layer, layers.Affine) and row.picture
                x = "x.flatten(1)" if flatten else "x"
                yield Line(f"        x = self.{member(row)}({x})", row.out_shape)
            case _:
                yield Line(f"        x = {function_call(row, spec)}", row.out_shape)
