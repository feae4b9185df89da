"""A network as one writes it by hand in PyTorch, at each of the exercise's three levels.

    network_code("barebones", spec, (3, 32, 32), 10)

The text is made for reading: it names every layer with its numbers and says what shape comes out.
It is whole Python, too: run, it gives the scores, the gradient and the step of this program.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.nn.description import NetworkDescription, describe_network
from app.core.nn.plan import Row, plan
from app.core.solvers.first_order import BETA1, BETA2, DECAY, EPSILON
from app.core.specs import ConvNetSpec, layers

__all__ = ["LEVELS", "TITLES", "CodeLevel", "kernel_names", "network_code"]

CodeLevel = Literal["barebones", "module", "sequential"]
LEVELS: tuple[CodeLevel, ...] = ("barebones", "module", "sequential")
TITLES = {"barebones": "bare tensors", "module": "nn.Module", "sequential": "nn.Sequential"}

# What comes out of a line stands beside it, from this column on where there is room.
COLUMN = 40


@dataclass(frozen=True)
class _Line:
    """One line of Python, and the shape that comes out of it, if it computes one."""

    text: str
    shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        if not self.shape:
            return self.text
        return f"{self.text:{COLUMN}}  # {'×'.join(map(str, self.shape))}"


def network_code(
    level: CodeLevel, spec: ConvNetSpec, image_shape: Sequence[int], classes: int
) -> str:
    """Return the network of a spec as a Python file.

    Parameters
    ----------
    level : {"barebones", "module", "sequential"}
    spec : ConvNetSpec
        Its layers, loss, regularisation, dropout, solver and rate; a schedule is left out.
    image_shape : sequence of int
        (C, H, W).
    classes : int

    Returns
    -------
    str
        Defines ``scores(x, w)`` over weights by name at the level of bare tensors, else
        ``model``; and ``step(x, y)``, which moves the weights, but for L-BFGS.

    Raises
    ------
    ShapeError
        A row is impossible.
    """
    description = _described(spec, image_shape, classes)
    rows = [
        row
        for row in plan(description)
        if not isinstance(row.layer, layers.Dropout) or _left_out(row.layer, spec)
    ]
    writer = {"barebones": _barebones, "module": _module, "sequential": _sequential}[level]
    lines = [str(line) for line in writer(rows, spec, description)]
    return "\n".join([*_head(level), *lines, "", "", *_step(level, spec)]).rstrip() + "\n"


def kernel_names(spec: ConvNetSpec, image_shape: Sequence[int], classes: int) -> tuple[str, ...]:
    """Return the layers that a network is made of, each once, and its loss.

    Returns
    -------
    tuple of str
        Names in `app.core.kernels.reference` without ``_forward`` and ``_backward``; a loss has
        neither.

    Raises
    ------
    ShapeError
        A row is impossible.
    """
    names: list[str] = []
    for row in _whole(plan(_described(spec, image_shape, classes))):
        match row.layer:
            case layers.Residual():
                found = "conv" if row.names else ""
            case layers.Dropout() as layer:
                found = "dropout" if _left_out(layer, spec) else ""
            case layers.Batchnorm():
                found = "spatial_batchnorm" if row.picture else "batchnorm"
            case layers.Groupnorm():
                found = "spatial_groupnorm"
            case layers.Layernorm():
                found = "spatial_groupnorm" if row.picture else "layernorm"
            case layer:
                found = _KERNELS[type(layer)]
        names += [found] if found else []
    return (*dict.fromkeys(names), f"{spec.loss}_loss")


_KERNELS: dict[type, str] = {
    layers.Conv: "conv",
    layers.Affine: "affine",
    layers.Relu: "relu",
    layers.LeakyRelu: "leaky_relu",
    layers.Elu: "elu",
    layers.Pool: "max_pool",
    layers.AvgPool: "avg_pool",
    layers.GlobalAvgPool: "global_avg_pool",
}


def _described(spec: ConvNetSpec, image_shape: Sequence[int], classes: int) -> NetworkDescription:
    channels, height, width = image_shape
    description = describe_network(spec.rows, (channels, height, width), classes)
    if description.error is not None:
        raise description.error
    return description


def _head(level: CodeLevel) -> Iterator[str]:
    yield "import torch"
    if level != "barebones":
        yield "from torch import nn"
    yield "from torch.nn import functional as F"
    yield ""
    yield ""


def _left_out(layer: layers.Dropout, spec: ConvNetSpec) -> float:
    """Return which share of values a dropout row leaves out."""
    return spec.dropout if layer.keep is None else round(1 - layer.keep, 12)


def _number(row: Row) -> str:
    """Return the number in the names of what a row learns: W3 and b3 are of conv3."""
    return row.names[0].lstrip("Wgam")


def _pair(size: tuple[int, int] | int) -> str:
    if isinstance(size, int):
        return str(size)
    return str(size[0]) if size[0] == size[1] else f"({size[0]}, {size[1]})"


def _whole(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield all rows, those inside of a block too."""
    for row in rows:
        yield row
        yield from _whole(row.inside)


def _flat(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


# --- bare tensors


def _barebones(
    rows: Sequence[Row], spec: ConvNetSpec, description: NetworkDescription
) -> Iterator[_Line]:
    yield _Line("def scores(x, w):")
    shapes = {parameter.name: parameter.shape for parameter in description.parameters}
    for row in _whole(rows):
        if row.names:
            taken = ", ".join('w["' + name + '"]' for name in row.names)
            yield _Line(f"    {', '.join(row.names)} = {taken}", shapes[row.names[0]])
    if any(isinstance(row.layer, layers.Batchnorm | layers.Dropout) for row in _whole(rows)):
        yield _Line("    # As training has it: each batch's own averages, values left out.")
    last = rows[-1].out_shape
    yield from _tensor_lines(rows, spec, 0)
    flat = ".flatten(1)" if len(last) == 3 else ""
    yield _Line(f"    return x{flat}", (_flat(last),) if flat else ())


def _tensor_lines(rows: Sequence[Row], spec: ConvNetSpec, depth: int) -> Iterator[_Line]:
    past = "past" if not depth else f"past{depth + 1}"
    for row in rows:
        if isinstance(row.layer, layers.Residual):
            if row.names:
                W, b = row.names
                stride = f", stride={_pair(row.shortcut_stride)}"
                shape = row.out_shape
                yield _Line(f"    {past} = F.conv2d(x, {W}, {b}{stride})", shape)
            else:
                yield _Line(f"    {past} = x")
            yield from _tensor_lines(row.inside, spec, depth + 1)
            yield _Line(f"    x = x + {past}", row.out_shape)
        else:
            yield _Line(f"    x = {_tensor_call(row, spec)}", row.out_shape)


def _tensor_call(row: Row, spec: ConvNetSpec) -> str:
    layer, names = row.layer, row.names
    match layer:
        case layers.Conv(stride=stride, pad=pad):
            extra = f", stride={stride}" if stride != 1 else ""
            extra += f", padding={pad}" if pad else ""
            return f"F.conv2d(x, {names[0]}, {names[1]}{extra})"
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
    return _function(row, spec)


def _function(row: Row, spec: ConvNetSpec) -> str:
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
            return f"F.dropout(x, {_left_out(layer, spec)})"
    raise TypeError(f"{row.layer.text} cannot be written")


# --- nn.Module


def _module(
    rows: Sequence[Row], spec: ConvNetSpec, description: NetworkDescription
) -> Iterator[_Line]:
    yield _Line("class ConvNet(nn.Module):")
    yield _Line("    def __init__(self):")
    yield _Line("        super().__init__()")
    for row in _whole(rows):
        if row.names:
            yield _Line(f"        self.{_name(row)} = {_module_call(row)}")
    yield _Line("")
    yield _Line("    def forward(self, x):")
    yield from _forward_lines(rows, spec, 0)
    last = rows[-1].out_shape
    flat = ".flatten(1)" if len(last) == 3 else ""
    yield _Line(f"        return x{flat}", (_flat(last),) if flat else ())
    yield _Line("")
    yield _Line("")
    yield _Line("model = ConvNet()")


def _name(row: Row) -> str:
    kinds = {layers.Conv: "conv", layers.Affine: "fc", layers.Residual: "shortcut"}
    return f"{kinds.get(type(row.layer), 'norm')}{_number(row)}"


def _module_call(row: Row) -> str:
    """Return the module of a row that learns."""
    layer, channels = row.layer, row.in_shape[0]
    match layer:
        case layers.Conv(filters=filters, height=height, width=width, stride=stride, pad=pad):
            extra = f", stride={stride}" if stride != 1 else ""
            extra += f", padding={pad}" if pad else ""
            return f"nn.Conv2d({channels}, {filters}, {_pair((height, width))}{extra})"
        case layers.Affine(units=units):
            return f"nn.Linear({_flat(row.in_shape)}, {units})"
        case layers.Batchnorm():
            return f"nn.BatchNorm{'2d' if row.picture else '1d'}({channels})"
        case layers.Groupnorm(groups=groups):
            return f"nn.GroupNorm({groups}, {channels})"
        case layers.Layernorm():
            return f"nn.GroupNorm(1, {channels})"
        case layers.Residual():
            return f"nn.Conv2d({channels}, {row.out_shape[0]}, 1, {_pair(row.shortcut_stride)})"
    raise TypeError(f"{layer.text} learns nothing")


def _forward_lines(rows: Sequence[Row], spec: ConvNetSpec, depth: int) -> Iterator[_Line]:
    past = "past" if not depth else f"past{depth + 1}"
    for row in rows:
        match row.layer:
            case layers.Residual():
                way = f"self.{_name(row)}(x)" if row.names else "x"
                yield _Line(f"        {past} = {way}", row.out_shape if row.names else ())
                yield from _forward_lines(row.inside, spec, depth + 1)
                yield _Line(f"        x = x + {past}", row.out_shape)
            case layers.Dropout() as layer:
                call = f"F.dropout(x, {_left_out(layer, spec)}, self.training)"
                yield _Line(f"        x = {call}", row.out_shape)
            case _ if row.names:
                flatten = isinstance(row.layer, layers.Affine) and row.picture
                x = "x.flatten(1)" if flatten else "x"
                yield _Line(f"        x = self.{_name(row)}({x})", row.out_shape)
            case _:
                yield _Line(f"        x = {_function(row, spec)}", row.out_shape)


# --- nn.Sequential


def _sequential(
    rows: Sequence[Row], spec: ConvNetSpec, description: NetworkDescription
) -> Iterator[_Line]:
    if any(isinstance(row.layer, layers.Residual) for row in rows):
        yield from (_Line(text) for text in _RESIDUAL.splitlines())
    yield _Line("model = nn.Sequential(")
    yield from _list_lines(rows, spec, 4)
    if len(rows[-1].out_shape) == 3:
        yield _Line("    nn.Flatten(),", (_flat(rows[-1].out_shape),))
    yield _Line(")")


_RESIDUAL = '''class Residual(nn.Module):
    """f(x) + x, or f(x) + W x where the shapes differ."""

    def __init__(self, inside, shortcut):
        super().__init__()
        self.shortcut, self.inside = shortcut, inside

    def forward(self, x):
        return self.inside(x) + self.shortcut(x)


'''


def _list_lines(rows: Sequence[Row], spec: ConvNetSpec, indent: int) -> Iterator[_Line]:
    space = " " * indent
    for row in rows:
        layer, shape = row.layer, row.out_shape
        match layer:
            case layers.Residual():
                yield _Line(f"{space}Residual(nn.Sequential(")
                yield from _list_lines(row.inside, spec, indent + 4)
                way = _module_call(row) if row.names else "nn.Identity()"
                yield _Line(f"{space}), {way}),", shape)
            case layers.Relu():
                yield _Line(f"{space}nn.ReLU(),", shape)
            case layers.LeakyRelu(slope=slope):
                yield _Line(f"{space}nn.LeakyReLU({slope}),", shape)
            case layers.Elu(alpha=alpha):
                yield _Line(f"{space}nn.ELU({alpha}),", shape)
            case layers.Pool(size=size, stride=stride):
                yield _Line(f"{space}nn.MaxPool2d({size}, {stride}),", shape)
            case layers.AvgPool(size=size, stride=stride):
                yield _Line(f"{space}nn.AvgPool2d({size}, {stride}),", shape)
            case layers.GlobalAvgPool():
                yield _Line(f"{space}nn.AdaptiveAvgPool2d(1),", (*shape, 1, 1))
                yield _Line(f"{space}nn.Flatten(),", shape)
            case layers.Dropout():
                yield _Line(f"{space}nn.Dropout({_left_out(layer, spec)}),", shape)
            case _:
                if isinstance(layer, layers.Affine) and row.picture:
                    yield _Line(f"{space}nn.Flatten(),", (_flat(row.in_shape),))
                yield _Line(f"{space}{_module_call(row)},", shape)


# --- one step


def _step(level: CodeLevel, spec: ConvNetSpec) -> Iterator[str]:
    """Yield the function that moves the weights, as its level does it."""
    if spec.solver == "lbfgs":
        yield "# L-BFGS looks at all images before it moves: its step is a search along a line."
        return
    bare = level == "barebones"
    if bare:
        yield from _MEMORY[spec.solver]
        yield f"def step(x, y, w{_REMEMBERED[spec.solver]}):"
        yield "    for one in w.values():"
        yield "        one.requires_grad_()"
    else:
        yield f"optimizer = torch.optim.{_optimizer(spec)}"
        yield ""
        yield ""
        yield "def step(x, y):"
    s = "scores(x, w)" if bare else "model(x)"
    if spec.loss == "softmax":
        smoothing = f", label_smoothing={spec.label_smoothing}" if spec.label_smoothing else ""
        yield f"    loss = F.cross_entropy({s}, y{smoothing})"
    else:
        yield f"    s = {s}"
        yield "    margins = (s - s.gather(1, y[:, None]) + 1).clamp(min=0)"
        yield "    loss = margins.sum() / len(y) - 1"
    if spec.reg:
        arrays = "w.values()" if bare else "model.parameters()"
        squares = f"sum(W.square().sum() for W in {arrays} if W.ndim > 1)"
        yield f"    loss = loss + {spec.reg} / 2 * {squares}"
    if bare:
        yield "    slopes = torch.autograd.grad(loss, list(w.values()))"
        yield from (f"    {line}" for line in _rule(spec))
    else:
        yield "    optimizer.zero_grad()"
        yield "    loss.backward()"
        yield "    optimizer.step()"
    yield "    return loss.item()"


def _optimizer(spec: ConvNetSpec) -> str:
    rate = f"lr={spec.learning_rate}"
    match spec.solver:
        case "sgd":
            return f"SGD(model.parameters(), {rate})"
        case "momentum":
            return f"SGD(model.parameters(), {rate}, momentum={spec.momentum})"
        case "nesterov":
            return f"SGD(model.parameters(), {rate}, momentum={spec.momentum}, nesterov=True)"
        case "adam":
            return f"Adam(model.parameters(), {rate})"
        case "rmsprop":
            return f"RMSprop(model.parameters(), {rate})"
        case "adagrad":
            return f"Adagrad(model.parameters(), {rate}, eps={EPSILON})"
    raise ValueError(f"{spec.solver} takes no steps")


# What a rule remembers of the steps before, by the weight's name.
_REMEMBERED = {
    "sgd": "",
    "momentum": ", v",
    "nesterov": ", v",
    "adam": ", m, v, t",
    "rmsprop": ", v",
    "adagrad": ", v",
}
_V = ["# v holds a tensor of zeros like each of w before the first step."]
_MEMORY: dict[str, list[str]] = {
    "sgd": [],
    "momentum": _V,
    "nesterov": _V,
    "adam": ["# m and v hold tensors of zeros like those of w before step t = 1."],
    "rmsprop": _V,
    "adagrad": _V,
}


def _rule(spec: ConvNetSpec) -> Iterator[str]:
    """Yield the update of bare tensors; `app.core.solvers.first_order` has the same rules."""
    rate, mu = spec.learning_rate, spec.momentum
    yield "with torch.no_grad():"
    yield "    for name, slope in zip(w, slopes):"
    rules = {
        "sgd": [f"w[name] -= {rate} * slope"],
        "momentum": [f"v[name] = {mu} * v[name] - {rate} * slope", "w[name] += v[name]"],
        "nesterov": [
            f"v[name] = {mu} * v[name] - {rate} * slope",
            f"w[name] += {mu} * v[name] - {rate} * slope",
        ],
        "adam": [
            f"m[name] = {BETA1} * m[name] + (1 - {BETA1}) * slope",
            f"v[name] = {BETA2} * v[name] + (1 - {BETA2}) * slope**2",
            f"m_hat, v_hat = m[name] / (1 - {BETA1}**t), v[name] / (1 - {BETA2}**t)",
            f"w[name] -= {rate} * m_hat / (v_hat.sqrt() + {EPSILON})",
        ],
        "rmsprop": [
            f"v[name] = {DECAY} * v[name] + (1 - {DECAY}) * slope**2",
            f"w[name] -= {rate} * slope / (v[name].sqrt() + {EPSILON})",
        ],
        "adagrad": [
            "v[name] = v[name] + slope**2",
            f"w[name] -= {rate} * slope / (v[name].sqrt() + {EPSILON})",
        ],
    }
    yield from (f"        {line}" for line in rules[spec.solver])
