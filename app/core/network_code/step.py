"""The function that moves the weights: by hand over bare tensors, else by torch's optimizer."""

from __future__ import annotations

from collections.abc import Iterator

from app.core.solvers.first_order import BETA1, BETA2, DECAY, EPSILON
from app.core.specs import ConvNetSpec

__all__ = ["step"]


def step(spec: ConvNetSpec, *, bare: bool) -> Iterator[str]:
    """Yield the function that moves the weights: of bare tensors, or of ``model``."""
    if spec.solver == "lbfgs":
        yield "# L-BFGS looks at all images before it moves: its step is a search along a line."
        return
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
