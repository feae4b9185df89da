"""The network with bare tensors: every layer is a line of arithmetic, autograd does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's own name

from app.core.nn.plan import Row
from app.core.specs import layers
from app.core.torch_models.functions import Mode, batchnorm, layernorm, unlearned

__all__ = ["Barebones"]


class Barebones:
    """A function of images, and of tensors that lie beside it.

    Parameters
    ----------
    rows : sequence of Row
    weights : mapping
        W1, b1, gamma1 … that autograd watches; W of an affine layer is (D, M).
    averages : mapping
        running_mean1, running_var1 … of batchnorm.
    mode : Mode
    """

    def __init__(
        self,
        rows: Sequence[Row],
        weights: Mapping[str, Tensor],
        averages: Mapping[str, Tensor],
        mode: Mode,
    ) -> None:
        self.rows, self.weights, self.averages, self.mode = rows, weights, averages, mode

    def __call__(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) of images (N, C, H, W)."""
        return self.chain(self.rows, x).flatten(1)

    def chain(self, rows: Sequence[Row], x: Tensor) -> Tensor:
        """Compute one row after the other."""
        for row in rows:
            x = self.step(row, x)
        return x

    def step(self, row: Row, x: Tensor) -> Tensor:
        """Compute one row."""
        learned = [self.weights[name] for name in row.names]
        match row.layer:
            case layers.Conv(stride=stride, pad=pad):
                W, b = learned
                return F.conv2d(x, W, b, stride, pad)
            case layers.Affine():
                W, b = learned
                return x.flatten(1) @ W + b
            case layers.Relu():
                return x.clamp(min=0)
            case layers.Batchnorm():
                gamma, beta = learned
                mean, var = (self.averages[name] for name in row.averages)
                return batchnorm(x, gamma, beta, mean, var, self.mode)
            case layers.Groupnorm(groups=groups):
                gamma, beta = learned
                return layernorm(x, gamma, beta, groups)
            case layers.Layernorm():
                gamma, beta = learned
                return layernorm(x, gamma, beta)
            case layers.Residual():
                past = x
                if learned:
                    W, b = learned
                    past = F.conv2d(x, W, b, row.shortcut_stride)
                return self.chain(row.inside, x) + past
        return unlearned(row.layer, x, self.mode)
