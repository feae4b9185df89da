"""The network as a class: layers that learn are modules, the forward method says how they connect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from app.core.nn.plan import Row
from app.core.specs import layers
from app.core.torch_models import blocks
from app.core.torch_models.functions import Mode, unlearned

__all__ = ["ConvNet"]


class ConvNet(nn.Module):
    """A network of layers.

    Parameters
    ----------
    rows : sequence of Row
    weights : mapping
        W1, b1, gamma1 …; W of an affine layer is as `nn.Linear` has it, (M, D).
    averages : mapping
        running_mean1, running_var1 … of batchnorm.
    mode : Mode
    """

    def __init__(
        self,
        rows: Sequence[Row],
        weights: Mapping[str, nn.Parameter],
        averages: Mapping[str, Tensor],
        mode: Mode,
    ) -> None:
        super().__init__()
        self.rows, self.mode = rows, mode
        self.learned = nn.ModuleDict()
        self.add_layers(rows, weights, averages)

    def add_layers(
        self,
        rows: Sequence[Row],
        weights: Mapping[str, nn.Parameter],
        averages: Mapping[str, Tensor],
    ) -> None:
        """Make a module of each row that learns, by the name of its weight."""
        for row in rows:
            self.add_layers(row.inside, weights, averages)
            match row.layer:
                case layers.Conv():
                    self.learned[row.names[0]] = blocks.conv(row, weights)
                case layers.Affine():
                    self.learned[row.names[0]] = blocks.linear(row, weights)
                case layers.Batchnorm() | layers.Groupnorm() | layers.Layernorm():
                    self.learned[row.names[0]] = blocks.norm(row, weights, averages, self.mode)
                case layers.Residual() if row.names:
                    self.learned[row.names[0]] = blocks.conv(row, weights)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, classes) of images (N, C, H, W)."""
        return self.chain(self.rows, x).flatten(1)

    def chain(self, rows: Sequence[Row], x: Tensor) -> Tensor:
        """Compute one row after the other."""
        for row in rows:
            x = self.step(row, x)
        return x

    def step(self, row: Row, x: Tensor) -> Tensor:
        """Compute one row."""
        match row.layer:
            case layers.Residual():
                past: Tensor = self.learned[row.names[0]](x) if row.names else x
                return self.chain(row.inside, x) + past
            case layers.Affine():
                x = x.flatten(1)
        if not row.names:
            return unlearned(row.layer, x, self.mode)
        out: Tensor = self.learned[row.names[0]](x)
        return out
