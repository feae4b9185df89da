"""Rows of a network as operations one after the other, some computed as one where they can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from app.core.nn.operations import (
    Affine,
    AffineRelu,
    Batchnorm,
    Conv,
    Dropout,
    ExampleNorm,
    Operation,
    Plain,
    Pool,
)
from app.core.nn.passes import Pass
from app.core.nn.plan import Row
from app.core.specs import layers

__all__ = ["Chain", "chain_of"]

Array = NDArray[Any]


class Chain(Operation):
    """Operations one after the other.

    Parameters
    ----------
    join : bool
        Whether a convolution or an affine layer, ReLU and max pool, or a batchnorm and ReLU, are
        computed as one where they follow each other.
    """

    def __init__(self, operations: Sequence[Operation], join: bool = False) -> None:
        super().__init__()
        self.operations = tuple(_joined(operations) if join else operations)

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Return the last output, and the caches of all."""
        caches = []
        for operation in self.operations:
            run.check()
            x, cache = operation.forward(x, run)
            caches.append(cache)
        return x, caches

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        """Go back from the last to the first; only the first may leave its dx out."""
        slope: Array | None = dout
        for index in reversed(range(len(self.operations))):
            run.check()
            assert slope is not None
            needed = need_dx or index > 0
            slope = self.operations[index].backward(slope, cache[index], run, needed)
        return slope


class _Residual(Operation):
    """f(x) + x, or f(x) + W x where the shapes differ."""

    def __init__(self, inside: Chain, shortcut: Operation | None) -> None:
        super().__init__()
        self.inside, self.shortcut = inside, shortcut

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        out, cache = self.inside.forward(x, run)
        if self.shortcut is None:
            return out + x, (cache, None)
        beside, beside_cache = self.shortcut.forward(x, run)
        return out + beside, (cache, beside_cache)

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        inside, beside = cache
        dx = self.inside.backward(dout, inside, run, need_dx)
        past = dout
        if self.shortcut is not None:
            past = self.shortcut.backward(dout, beside, run, need_dx)  # type: ignore[assignment]
        return dx + past if need_dx and dx is not None else None


def chain_of(rows: Sequence[Row], *, join: bool) -> Chain:
    """Return how rows are computed one after the other; see `Chain` for `join`."""
    return Chain([_operation(row, join) for row in rows], join)


def _operation(row: Row, join: bool) -> Operation:
    """Return how a row is computed."""
    names = row.names
    match row.layer:
        case layers.Residual():
            shortcut = Conv("conv", names, {"stride": row.shortcut_stride, "pad": 0})
            return _Residual(chain_of(row.inside, join=join), shortcut if names else None)
        case layers.Conv(stride=stride, pad=pad):
            return Conv("conv", names, {"stride": stride, "pad": pad})
        case layers.Pool(size=size, stride=stride):
            return Pool("max_pool", _window(size, stride))
        case layers.AvgPool(size=size, stride=stride):
            return Pool("avg_pool", _window(size, stride))
        case layers.GlobalAvgPool():
            return Plain("global_avg_pool")
        case layers.Affine():
            return Affine(names)
        case layers.Relu():
            return Plain("relu")
        case layers.LeakyRelu(slope=slope):
            return Plain("leaky_relu", slope)
        case layers.Elu(alpha=alpha):
            return Plain("elu", alpha)
        case layers.Dropout(keep=keep):
            return Dropout(keep)
        case layers.Batchnorm():
            kind = "spatial_batchnorm" if row.picture else "batchnorm"
            return Batchnorm(kind, names, row.averages)
        case layers.Groupnorm(groups=groups):
            return ExampleNorm(names, groups)
        case layers.Layernorm():
            # All channels of a picture are one group.
            return ExampleNorm(names, 1 if row.picture else None)
    raise TypeError(f"{row.layer.text} cannot be computed")


def _window(size: int, stride: int) -> dict[str, int]:
    return {"pool_height": size, "pool_width": size, "stride": stride}


def _joined(operations: Sequence[Operation]) -> list[Operation]:
    found: list[Operation] = []
    for operation in operations:
        one = _as_one(found[-1], operation) if found else None
        if one is None:
            found.append(operation)
        else:
            found[-1] = one
    return found


def _as_one(before: Operation, after: Operation) -> Operation | None:
    """Return the operation that computes both, if there is one."""
    match before, after:
        case Conv(kind="conv"), Plain(kind="relu"):
            return Conv("conv_relu", before.names, *before.params)
        case Conv(kind="conv_relu"), Pool(kind="max_pool"):
            return Conv("conv_relu_pool", before.names, *before.params, after.param)
        case Affine(kind="affine"), Plain(kind="relu"):
            return AffineRelu(before.names)
        case Batchnorm(kind="spatial_batchnorm"), Plain(kind="relu"):
            return Batchnorm("spatial_batchnorm_relu", before.names, before.averages)
    return None
