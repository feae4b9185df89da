"""The network over bare tensors: weights by name, functions of torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from app.core.network_code.lines import Line, all_rows, function_call, pair, placing
from app.core.nn.layer_info import NetworkDescription
from app.core.nn.plan import Row
from app.core.specs import ConvNetSpec, layers

__all__ = ["barebones"]


def barebones(
    rows: Sequence[Row], spec: ConvNetSpec, description: NetworkDescription
) -> Iterator[Line]:
    """Yield the function of the scores; the description knows the shapes of the weights."""
    yield Line("def scores(x, w):")
    shapes = {parameter.name: parameter.shape for parameter in description.parameters}
    for row in all_rows(rows):
        if row.names:
            taken = ", ".join('w["' + name + '"]' for name in row.names)
            yield Line(f"    {', '.join(row.names)} = {taken}", shapes[row.names[0]])
    if any(isinstance(row.layer, layers.Batchnorm | layers.Dropout) for row in all_rows(rows)):
        yield Line("    # As training has it: each batch's own averages, values left out.")
    last = rows[-1].out_shape
    yield from _tensor_lines(rows, spec, 0)
    flat = ".flatten(1)" if len(last) == 3 else ""
    yield Line(f"    return x{flat}", (math.prod(last),) if flat else ())


def _tensor_lines(rows: Sequence[Row], spec: ConvNetSpec, depth: int) -> Iterator[Line]:
    past = "past" if not depth else f"past{depth + 1}"
    for row in rows:
        if isinstance(row.layer, layers.Residual):
            if row.names:
                W, b = row.names
                stride = f", stride={pair(row.shortcut_stride)}"
                shape = row.out_shape
                yield Line(f"    {past} = F.conv2d(x, {W}, {b}{stride})", shape)
            else:
                yield Line(f"    {past} = x")
            yield from _tensor_lines(row.inside, spec, depth + 1)
            yield Line(f"    x = x + {past}", row.out_shape)
        else:
            yield Line(f"    x = {_tensor_call(row, spec)}", row.out_shape)


def _tensor_call(row: Row, spec: ConvNetSpec) -> str:
    layer, names = row.layer, row.names
    match layer:
        case layers.Conv(stride=stride, pad=pad):
            return f"F.conv2d(x, {names[0]}, {names[1]}{placing(stride, pad)})"
        case layers.Affine():
            x = "x.flatten(1)" if row.picture else "x"
            return f"{x} @ {names[0]} + {names[1]}"
        case layers.Relu():
            return "x.clamp(min=0)"
        case layers.Batchnorm():
            return f"F.batch_norm(x, None, None, {names[0]}, {names[1]}, training=True)"
        case layers.Groupnorm(groups=groups):
            return f"F.group_norm(x, {groups}, {names[0]}, {names[1]})"
        case layers.Layernorm():
            return f"F.group_norm(x, 1, {names[0]}, {names[1]})"
    return function_call(row, spec)
