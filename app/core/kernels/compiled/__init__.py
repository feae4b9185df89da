"""The compiled kernels behind the twins' signatures; importing this fails where there are none."""

from __future__ import annotations

from app.core.kernels.compiled.autoencoder import INSTRUCTIONS, cost_gradient, train_steps

__all__ = ["INSTRUCTIONS", "NAME", "cost_gradient", "train_steps"]

NAME = "compiled"
