"""Modules that torch has in another form, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.core.nn.plan import Row
from app.core.specs import layers
from app.core.torch_models import functions
from app.core.torch_models.functions import Mode

__all__ = [
    "Batchnorm",
    "Dropout",
    "GlobalAvgPool",
    "Normalise",
    "Residual",
    "conv",
    "linear",
    "norm",
]


class Dropout(nn.Module):
    """Leaves values out with masks of the seeded generator."""

    def __init__(self, keep: float | None, mode: Mode) -> None:
        super().__init__()
        self.keep, self.mode = keep, mode

    def forward(self, x: Tensor) -> Tensor:
        """Return x, in training with values left out."""
        return functions.dropout(x, self.keep, self.mode)


class Batchnorm(nn.Module):
    """As `torch.nn.BatchNorm2d`, with running averages of the batch's own variance."""

    def __init__(
        self, gamma: nn.Parameter, beta: nn.Parameter, mean: Tensor, var: Tensor, mode: Mode
    ) -> None:
        super().__init__()
        self.gamma, self.beta, self.mode = gamma, beta, mode
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)

    def forward(self, x: Tensor) -> Tensor:
        """Return each channel with mean 0 and variance 1, times γ, plus β."""
        mean, var = self.get_buffer("running_mean"), self.get_buffer("running_var")
        return functions.batchnorm(x, self.gamma, self.beta, mean, var, self.mode)


class Normalise(nn.Module):
    """Pixels 0 … 255 as the network sees them: (x − shift) · factor."""

    def __init__(self, shift: NDArray[Any], factor: NDArray[Any]) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        self.register_buffer("factor", torch.tensor(factor, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Return images (N, C, H, W) around zero."""
        return (x - self.get_buffer("shift")) * self.get_buffer("factor")


class GlobalAvgPool(nn.Module):
    """The mean of each map."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C) of (N, C, H, W)."""
        return x.mean(dim=(2, 3))


class Residual(nn.Module):
    """f(x) + x, or f(x) + W x where the shapes differ (He et al. 2016)."""

    def __init__(self, inside: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.inside = inside
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of both ways."""
        out: Tensor = self.inside(x) + self.shortcut(x)
        return out


# What torch would draw for weights that are given is left on a device without memory.
NOWHERE = torch.device("meta")


def conv(row: Row, weights: Mapping[str, nn.Parameter]) -> nn.Conv2d:
    """Return the convolution of a row, or that of a block's shortcut."""
    W, b = (weights[name] for name in row.names)
    filters, channels, height, width = W.shape
    if isinstance(row.layer, layers.Conv):
        made = nn.Conv2d(
            channels, filters, (height, width), row.layer.stride, row.layer.pad, device=NOWHERE
        )
    else:
        made = nn.Conv2d(channels, filters, 1, row.shortcut_stride, device=NOWHERE)
    made.weight, made.bias = W, b
    return made


def linear(row: Row, weights: Mapping[str, nn.Parameter]) -> nn.Linear:
    """Return an affine layer; torch's weight is Wᵀ, (M, D)."""
    W, b = (weights[name] for name in row.names)
    made = nn.Linear(W.shape[1], W.shape[0], device=NOWHERE)
    made.weight, made.bias = W, b
    return made


def norm(
    row: Row,
    weights: Mapping[str, nn.Parameter],
    averages: Mapping[str, Tensor],
    mode: Mode,
) -> nn.Module:
    """Return the normalization of a row."""
    gamma, beta = (weights[name] for name in row.names)
    if isinstance(row.layer, layers.Batchnorm):
        mean, var = (averages[name] for name in row.averages)
        return Batchnorm(gamma, beta, mean, var, mode)
    groups = row.layer.groups if isinstance(row.layer, layers.Groupnorm) else 1
    made = nn.GroupNorm(groups, len(gamma), functions.EPS, device=NOWHERE)
    made.weight, made.bias = gamma, beta
    return made
