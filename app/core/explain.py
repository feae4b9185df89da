"""The formula behind a control, with the numbers of this moment filled in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.models.autoencoder import CLAMP
from app.core.specs import AutoencoderSpec
from app.core.words import grouped

__all__ = ["Moment", "explain"]


@dataclass(frozen=True)
class Moment:
    """What is known when somebody asks."""

    spec: AutoencoderSpec
    weights: Mapping[str, NDArray[np.float32]] | None
    rho_hat: NDArray[np.float32] | None
    unit: int | None
    examples: int
    width: int


def kl(rho: float, rho_hat: float) -> float:
    """Return KL(ρ‖ρ̂) of two Bernoulli variables, in nats; ρ̂ is held off 0 and 1 as in the cost."""
    rho_hat = min(max(rho_hat, CLAMP), 1 - CLAMP)
    return rho * math.log(rho / rho_hat) + (1 - rho) * math.log((1 - rho) / (1 - rho_hat))


def explain(name: str, moment: Moment) -> tuple[str, list[str]]:
    """Return a title and a few lines for the control `name`, or for a unit.

    Parameters
    ----------
    name : str
        A field of the spec, or ``unit``.
    moment : Moment
        The numbers to fill in; what is not known yet is left as a letter.
    """
    writers = {
        "unit": _unit,
        "rho": _unit,
        "beta": _unit,
        "lam": _decay,
        "learning_rate": _rate,
        "momentum": _momentum,
        "hidden_units": _size,
        "batch_size": _batch,
        "epochs": _batch,
        "held_out": _batch,
    }
    writer = writers.get(name)
    return writer(moment) if writer else _cost(moment)


def _n(value: float) -> str:
    return f"{value:.3g}"


def _cost(_moment: Moment) -> tuple[str, list[str]]:
    return "The cost", [
        "J = 1/(2N) Σ‖d − o‖²",
        "  + λ/2 (ΣW1² + ΣW2²)",
        "  + β Σ KL(ρ‖ρ̂)",
        "Click a control or a filter for its numbers.",
    ]


def _unit(moment: Moment) -> tuple[str, list[str]]:
    spec = moment.spec
    if moment.rho_hat is None or not len(moment.rho_hat):
        return "Sparsity", [
            "β Σ KL(ρ‖ρ̂)",
            "KL = ρ ln(ρ/ρ̂) + (1−ρ) ln((1−ρ)/(1−ρ̂))",
            "ρ̂: a unit's mean activation",
        ]
    unit = moment.unit
    if unit is None or unit >= len(moment.rho_hat):
        distances = [kl(spec.rho, float(value)) for value in moment.rho_hat]
        unit = int(np.argmax(distances))
        title = f"Sparsity: unit {unit}, the furthest off"
    else:
        title = f"Sparsity: unit {unit}"
    rho_hat = float(moment.rho_hat[unit])
    distance = kl(spec.rho, rho_hat)
    r, h = _n(spec.rho), _n(rho_hat)
    return title, [
        f"ρ̂ = {h}, ρ = {r}",
        f"KL = {r} ln({r}/{h})",
        f"   + {_n(1 - spec.rho)} ln({_n(1 - spec.rho)}/{_n(1 - rho_hat)}) = {_n(distance)}",
        f"β KL = {_n(spec.beta)} × {_n(distance)} = {_n(spec.beta * distance)}",
    ]


def _decay(moment: Moment) -> tuple[str, list[str]]:
    lam = moment.spec.lam
    if moment.weights is None:
        return "Weight decay", ["λ/2 (ΣW1² + ΣW2²)", "Each step pulls every weight to 0 by η λ w."]
    first = float(np.square(moment.weights["W1"], dtype=np.float64).sum())
    second = float(np.square(moment.weights["W2"], dtype=np.float64).sum())
    return "Weight decay", [
        "λ/2 (ΣW1² + ΣW2²)",
        f"= {_n(lam / 2)} × ({_n(first)} + {_n(second)})",
        f"= {_n(lam / 2 * (first + second))}",
    ]


def _rate(moment: Moment) -> tuple[str, list[str]]:
    eta, mu = _n(moment.spec.learning_rate), _n(moment.spec.momentum)
    rules = {
        "sgd": ["w ← w − η ∂J/∂w", f"η = {eta}"],
        "momentum": ["v ← μ v − η ∂J/∂w", "w ← w + v", f"η = {eta}, μ = {mu}"],
        "nesterov": ["v ← μ v − η ∂J/∂w", "w ← w + μ v − η ∂J/∂w", f"η = {eta}, μ = {mu}"],
        "adam": [
            "w ← w − η × mean slope / its usual size",
            f"A weight moves about η = {eta} a step.",
        ],
        "lbfgs": ["L-BFGS finds the length of its step itself;", "η is not used."],
    }
    return "Learning rate", rules[moment.spec.solver]


def _momentum(moment: Moment) -> tuple[str, list[str]]:
    mu = moment.spec.momentum
    return "Momentum", [
        "v ← μ v − η ∂J/∂w",
        f"A steady slope is amplified 1/(1−μ) = {_n(1 / (1 - mu))} times.",
    ]


def _size(moment: Moment) -> tuple[str, list[str]]:
    count, width = moment.spec.hidden_units, moment.width
    total = 2 * count * width + count + width
    return "Size", [
        f"W1 {width}×{count}, b1 {count}, W2 {count}×{width}, b2 {width}",
        f"{grouped(total)} numbers are learned",
        f"{width} pixels are said with {count} numbers",
    ]


def _batch(moment: Moment) -> tuple[str, list[str]]:
    spec = moment.spec
    rows = max(moment.examples - spec.held_out, 0)
    steps = 1 if spec.solver == "lbfgs" else -(-rows // spec.batch_size)
    return "Steps", [
        f"{grouped(rows)} patches / {grouped(spec.batch_size)} a step",
        f"= {grouped(steps)} steps an epoch",
        f"{spec.epochs} epochs = {grouped(steps * spec.epochs)} steps",
    ]
