"""The network as a list: each row is a module, `nn.Sequential` calls one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from app.core.nn.plan import Row
from app.core.specs import layers
from app.core.torch_models import blocks
from app.core.torch_models.functions import Mode

__all__ = ["sequential"]


def sequential(
    rows: Sequence[Row],
    weights: Mapping[str, nn.Parameter],
    averages: Mapping[str, Tensor],
    mode: Mode,
) -> nn.Sequential:
    """Return the network; parameters are those of `app.core.torch_models.module.ConvNet`."""
    modules = [module for row in rows for module in _modules(row, weights, averages, mode)]
    return nn.Sequential(*modules, nn.Flatten())


def _modules(
    row: Row,
    weights: Mapping[str, nn.Parameter],
    averages: Mapping[str, Tensor],
    mode: Mode,
) -> Iterator[nn.Module]:
    match row.layer:
        case layers.Conv():
            yield blocks.conv(row, weights)
        case layers.Affine():
            yield nn.Flatten()
            yield blocks.linear(row, weights)
        case layers.Relu():
            yield nn.ReLU()
        case layers.LeakyRelu(slope=slope):
            yield nn.LeakyReLU(slope)
        case layers.Elu(alpha=alpha):
            yield nn.ELU(alpha)
        case layers.Pool(size=size, stride=stride):
            yield nn.MaxPool2d(size, stride)
        case layers.AvgPool(size=size, stride=stride):
            yield nn.AvgPool2d(size, stride)
        case layers.GlobalAvgPool():
            yield blocks.GlobalAvgPool()
        case layers.Dropout(keep=keep):
            yield blocks.Dropout(keep, mode)
        case layers.Batchnorm() | layers.Groupnorm() | layers.Layernorm():
            yield blocks.norm(row, weights, averages, mode)
        case layers.Residual():
            inside = [
                one for inner in row.inside for one in _modules(inner, weights, averages, mode)
            ]
            shortcut = blocks.conv(row, weights) if row.names else None
            yield blocks.Residual(nn.Sequential(*inside), shortcut)
        case _:
            raise TypeError(f"{row.layer.text} cannot be computed")
