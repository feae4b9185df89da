"""What torch has in another form than the exercise: dropout with our masks, batchnorm, losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Mode", "batchnorm", "data_loss", "dropout", "layernorm"]

EPS = 1e-5


@dataclass
class Mode:
    """What a way through a network is for; all its layers look at the same one.

    Attributes
    ----------
    train : bool
        Whether dropout draws and batchnorm measures.
    keep : float
        Share of values that dropout keeps where its row says none.
    rng : Generator, optional
        Draws the masks of dropout: the generator of the other engines, so that the masks are theirs.
    momentum : float
        How much of batchnorm's running averages a batch leaves (torch's own is one minus this).
    """

    train: bool = False
    keep: float = 1.0
    rng: np.random.Generator | None = None
    momentum: float = 0.9


def dropout(x: Tensor, keep: float | None, mode: Mode) -> Tensor:
    """Return x with values left out at random, the others scaled by 1 / keep."""
    keep = mode.keep if keep is None else keep
    if not mode.train or keep == 1:
        return x
    mask: Tensor = _mask(x, keep, mode)
    return x * mask


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _mask(x: Tensor, keep: float, mode: Mode) -> Tensor:
    rng = mode.rng or np.random.default_rng()
    kept = torch.from_numpy(rng.random(tuple(x.shape)) < keep)
    return kept.to(x.device, x.dtype) / keep


def batchnorm(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, mode: Mode
) -> Tensor:
    """Return each channel with mean 0 and variance 1 over the batch, times γ, plus β.

    Parameters
    ----------
    x : Tensor, shape (N, D) or (N, C, H, W)
    gamma, beta : Tensor, shape (D,) or (C,)
    mean, var : Tensor, shape (D,) or (C,)
        Running averages, replaced in place when `mode` trains. As in CS231n they average the
        batch's own variance, Σ(x−μ)²/n; torch's own modules average the one over n − 1.
    """
    if not mode.train:
        return functional.batch_norm(x, mean, var, gamma, beta, eps=EPS)
    # With momentum 1, torch leaves the batch's own figures here.
    seen, spread = torch.zeros_like(mean), torch.zeros_like(var)
    out = functional.batch_norm(x, seen, spread, gamma, beta, training=True, momentum=1.0, eps=EPS)
    count = x.numel() // x.shape[1]
    with torch.no_grad():
        mean.lerp_(seen, 1 - mode.momentum)
        var.lerp_(spread * ((count - 1) / count), 1 - mode.momentum)
    return out


def layernorm(x: Tensor, gamma: Tensor, beta: Tensor, groups: int = 1) -> Tensor:
    """Return each example, or each group of its channels, with mean 0 and variance 1."""
    return functional.group_norm(x, groups, gamma, beta, eps=EPS)


def data_loss(scores: Tensor, y: Tensor, kind: str, smoothing: float = 0.0) -> Tensor:
    """Return the mean loss of scores (N, C) with the right classes y (N,); see `Network.loss`."""
    if kind == "softmax":
        return functional.cross_entropy(scores, y, label_smoothing=smoothing)
    right = scores.gather(1, y[:, None])
    margins = (scores - right + 1).clamp(min=0)
    # The right class keeps a margin of 1 to itself, which is no fault.
    return margins.sum() / len(scores) - 1
