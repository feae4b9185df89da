"""Layers as functions of torch: its own, and those that it has in another form than the exercise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from app.core.data.batches import Share
from app.core.specs import layers

__all__ = [
    "Mode",
    "batchnorm",
    "data_loss",
    "dropout",
    "keep_masks_out_of_compile",
    "layernorm",
    "unlearned",
]

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
    share : Share, optional
        Which rows of the batch these are, where several processes share it.
    add : callable, optional
        Replaces a tensor by the sum of all these processes' tensors.
    """

    train: bool = False
    keep: float = 1.0
    rng: np.random.Generator | None = None
    momentum: float = 0.9
    share: Share | None = None
    add: Callable[[Tensor], None] | None = None


def unlearned(layer: layers.Layer, x: Tensor, mode: Mode) -> Tensor:
    """Return what a layer that learns nothing makes of x."""
    match layer:
        case layers.Relu():
            return functional.relu(x)
        case layers.LeakyRelu(slope=slope):
            return functional.leaky_relu(x, slope)
        case layers.Elu(alpha=alpha):
            return functional.elu(x, alpha)
        case layers.Pool(size=size, stride=stride):
            return functional.max_pool2d(x, size, stride)
        case layers.AvgPool(size=size, stride=stride):
            return functional.avg_pool2d(x, size, stride)
        case layers.GlobalAvgPool():
            return x.mean(dim=(2, 3))
        case layers.Dropout(keep=keep):
            return dropout(x, keep, mode)
    raise TypeError(f"{layer.text} cannot be computed")


def dropout(x: Tensor, keep: float | None, mode: Mode) -> Tensor:
    """Return x with values left out at random, the others scaled by 1 / keep."""
    keep = mode.keep if keep is None else keep
    if not mode.train or keep == 1:
        return x
    mask: Tensor = _mask(x, keep, mode)
    return x * mask


def _mask(x: Tensor, keep: float, mode: Mode) -> Tensor:
    rng = mode.rng or np.random.default_rng()
    before = after = 0
    if mode.share is not None:
        # One number is drawn for each value: past those of the rows that others have.
        each = math.prod(x.shape[1:])
        before = mode.share.start * each
        after = (mode.share.whole - mode.share.stop) * each
    _skip(rng, before)
    kept = torch.from_numpy(rng.random(tuple(x.shape)) < keep)
    _skip(rng, after)
    return kept.to(x.device, x.dtype) / keep


def keep_masks_out_of_compile() -> None:
    """Let torch.compile leave the drawing of masks alone: it is NumPy's.

    Only asked for when something is compiled: to say it loads the compiler, which takes seconds.
    """
    global _mask
    _mask = torch.compiler.disable(_mask)  # type: ignore[no-untyped-call]


def _skip(rng: np.random.Generator, count: int) -> None:
    """Go past so many numbers of `Generator.random`."""
    if count:
        assert isinstance(rng.bit_generator, np.random.PCG64)
        rng.bit_generator.advance(count)


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
    if mode.share is not None and mode.add is not None:
        return _shared_batchnorm(x, gamma, beta, mean, var, mode, mode.share, mode.add)
    # With momentum 1, torch leaves the batch's own figures here.
    seen, spread = torch.zeros_like(mean), torch.zeros_like(var)
    out = functional.batch_norm(x, seen, spread, gamma, beta, training=True, momentum=1.0, eps=EPS)
    count = x.numel() // x.shape[1]
    with torch.no_grad():
        mean.lerp_(seen, 1 - mode.momentum)
        var.lerp_(spread * ((count - 1) / count), 1 - mode.momentum)
    return out


class _Total(torch.autograd.Function):
    """The sum of all processes' tensors, for autograd.

    Every process uses the sum, so the slope along each part is the sum of all processes' slopes.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, add: Callable[[Tensor], None]) -> Tensor:
        ctx.add = add
        total = part.clone()
        add(total)
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        total = slope.clone()
        ctx.add(total)
        return total, None


def _shared_batchnorm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mean: Tensor,
    var: Tensor,
    mode: Mode,
    share: Share,
    add: Callable[[Tensor], None],
) -> Tensor:
    """Return what `batchnorm` gives for these rows of a batch that several processes share.

    μ and σ² are those of the whole batch. (`torch.nn.SyncBatchNorm` does this on GPUs only.)
    """
    axes = [axis for axis in range(x.ndim) if axis != 1]
    across = [1, -1, *[1] * (x.ndim - 2)]
    count = share.whole * math.prod(x.shape[2:])
    values = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    seen = _Total.apply(values.sum(axes), add) / count
    apart = values - seen.view(across)
    spread = _Total.apply(apart.square().sum(axes), add) / count
    out: Tensor = apart * (gamma * torch.rsqrt(spread + EPS)).view(across) + beta.view(across)
    with torch.no_grad():
        mean.lerp_(seen, 1 - mode.momentum)
        var.lerp_(spread, 1 - mode.momentum)
    return out.to(x.dtype)


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
