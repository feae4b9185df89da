"""What every training has, whatever the network."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.core.params import Hyper, Spec, describe

__all__ = ["SOLVERS", "DeviceName", "EngineName", "TrainingSpec", "live_changes"]

SOLVERS = {
    "sgd": "SGD",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "adam": "Adam",
    "lbfgs": "L-BFGS, whole set",
}

EngineName = Annotated[
    Literal["compiled", "reference", "torch"],
    Hyper(
        "",
        "Engine",
        "What computes: this program's compiled loops, their readable twins, or PyTorch.",
        choices={"compiled": "compiled", "reference": "readable twins", "torch": "PyTorch"},
    ),
]
DeviceName = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    Hyper(
        "",
        "Device",
        "Where PyTorch computes; one that does not answer is replaced by the CPU.",
        choices={
            "auto": "the fastest there is",
            "cpu": "CPU",
            "cuda": "NVIDIA or AMD GPU",
            "mps": "Apple GPU",
        },
    ),
]


class TrainingSpec(Spec):
    """What every training has, whatever the network."""

    learning_rate: Annotated[
        float,
        Field(gt=0, le=1e9),
        Hyper(
            "η",
            "Learning rate",
            "How far one step moves the weights.",
            "log",
            (1e-5, 1.0),
            live=True,
        ),
    ] = 0.006
    momentum: Annotated[
        float,
        Field(ge=0, lt=1),
        Hyper(
            "μ",
            "Momentum",
            "How much of the last step is kept (momentum and Nesterov only).",
            "linear",
            (0.0, 0.99),
            live=True,
        ),
    ] = 0.9
    solver: Annotated[
        Literal["sgd", "momentum", "nesterov", "adam", "lbfgs"],
        Hyper("", "Solver", "How a gradient becomes a step.", choices=SOLVERS),
    ] = "adam"
    batch_size: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper("B", "Batch", "Patches a step looks at.", "log", (1, 4096), unit="patches"),
    ] = 128
    epochs: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper(
            "", "Epochs", "How often every patch is seen; for L-BFGS, iterations.", "log", (1, 2000)
        ),
    ] = 400
    precision: Annotated[
        Literal["float32", "float64"],
        Hyper(
            "",
            "Precision",
            "float32 is twice as fast; float64 is for checking.",
            choices={"float32": "float32", "float64": "float64"},
        ),
    ] = "float32"
    seed: Annotated[
        int,
        Field(ge=0, lt=2**63),
        Hyper("", "Seed", "The same seed gives the same weights, order and curve."),
    ] = 0
    keyframe_budget: Annotated[
        int,
        Field(ge=0, le=1_000_000),
        Hyper(
            "",
            "Keyframes, MiB",
            "Room on the disk for the weights of earlier steps; when it is full, every second one goes. Each step's cost is always kept.",
            "log",
            (1, 4096),
            unit="MiB",
        ),
    ] = 64


def live_changes(old: TrainingSpec, new: TrainingSpec) -> dict[str, tuple[Any, Any]]:
    """Return ``{name: (old, new)}`` of the live fields in which two specs differ."""
    return {
        parameter.name: (getattr(old, parameter.name), getattr(new, parameter.name))
        for parameter in describe(type(old))
        if parameter.hyper.live and getattr(old, parameter.name) != getattr(new, parameter.name)
    }
