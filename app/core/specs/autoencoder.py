"""The sparse autoencoder's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.core.params import Hyper
from app.core.specs.training import DeviceName, EngineName, TrainingSpec

__all__ = ["AutoencoderSpec"]


class AutoencoderSpec(TrainingSpec):
    """A sparse autoencoder with one hidden layer (exercise, part B).

    J = 1/(2N) Σ‖d − o‖² + λ/2 (ΣW1² + ΣW2²) + β Σ_b KL(ρ‖ρ̂_b).
    """

    rho: Annotated[
        float,
        Field(gt=0, lt=1),
        Hyper(
            "ρ",
            "Target activation",
            "How often a hidden unit should fire.",
            "log",
            (0.005, 0.9),
            live=True,
        ),
    ] = 0.05
    beta: Annotated[
        float,
        Field(ge=0, le=1e6),
        Hyper(
            "β",
            "Sparsity weight",
            "How hard mean activations are pulled to ρ.",
            "log",
            (1e-3, 10.0),
            live=True,
        ),
    ] = 0.5
    lam: Annotated[
        float,
        Field(ge=0, le=1e6),
        Hyper(
            "λ",
            "Weight decay",
            "Keeps the filters small and smooth.",
            "log",
            (1e-6, 1e-1),
            live=True,
        ),
    ] = 1e-4
    hidden_units: Annotated[
        int,
        Field(ge=1, le=16_384),
        Hyper("L", "Hidden units", "How many filters are learned.", "log", (4, 512)),
    ] = 64
    decoder: Annotated[
        Literal["sigmoid", "linear"],
        Hyper(
            "",
            "Decoder",
            "Sigmoid for data in 0.1 … 0.9, linear for whitened data.",
            choices={"sigmoid": "sigmoid", "linear": "linear"},
        ),
    ] = "sigmoid"
    held_out: Annotated[
        int,
        Field(ge=0, le=1_000_000_000),
        Hyper(
            "",
            "Held out",
            "The last patches of the file are kept from training, to look at honestly.",
            "linear",
            (0, 2000),
            unit="patches",
        ),
    ] = 0
    engine: EngineName = "compiled"
    device: DeviceName = "auto"
