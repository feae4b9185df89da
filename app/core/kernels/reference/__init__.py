"""The readable twins of the compiled kernels: documentation, test oracle and fallback."""

from __future__ import annotations

from app.core.kernels.reference.autoencoder import cost_gradient, train_steps

__all__ = ["NAME", "cost_gradient", "train_steps"]

NAME = "NumPy"
