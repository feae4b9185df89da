"""How each row of a network is computed with the layer functions of the kernels.

An operation holds names and numbers, never anything about a batch: what the way back needs lies
in the cache that the way forth returns. So one network can train in one thread while another
asks it for feature maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core.specs import layers as rows_

__all__ = ["Chain", "Mover", "Operation", "Pass", "operation_for", "residual_for"]

Array = NDArray[Any]


def nothing() -> None:
    """Nobody wants the work to be given up."""


# Numbers of each gradient that are kept to show how they are spread.
SAMPLE = 2048


@dataclass
class Mover:
    """Moves weights on the way back, as soon as their slopes are known.

    So the gradient of a large affine layer never lies in memory as a whole, and weights and the
    solver's memory are read once.

    Attributes
    ----------
    memory : mapping
        What the solver remembers, by parameter, see `app.core.solvers.first_order`.
    step : int
        Number of this step, from 1.
    decayed : collection of str
        Parameters that L2 acts on.
    squares : float
        Sum of the squares of those, as they were before the step.
    samples : dict
        Some of the slopes along each parameter, without L2.
    """

    solver: str
    memory: Mapping[str, Sequence[Array]]
    step: int
    learning_rate: float
    momentum: float
    reg: float
    decayed: frozenset[str]
    squares: float = 0.0
    samples: dict[str, Array] = field(default_factory=dict)

    def move(self, kernel: Any, name: str, parameter: Array, slope: Array) -> None:
        """Move one parameter along its slope."""
        w, flat = parameter.reshape(-1), slope.reshape(-1)
        reg = self.reg if name in self.decayed else 0.0
        if reg:
            self.squares += float(np.vdot(w, w))
        memory = [one.reshape(-1) for one in self.memory[name]]
        self.samples[name] = flat[:: max(1, flat.size // SAMPLE)].copy()
        kernel.update(
            self.solver, w, flat, memory, self.step, self.learning_rate, self.momentum, reg
        )

    def move_affine(
        self,
        backward_update: Callable[..., tuple[Array | None, Array, float]],
        name: str,
        dout: Array,
        cache: tuple[Any, ...],
        need_dx: bool,
    ) -> tuple[Array | None, Array]:
        """Move W of an affine layer while its slopes are computed; returns dx and db."""
        dx, db, squares = backward_update(
            self.solver, dout, cache, self.memory[name], self.step, self.learning_rate,
            self.momentum, self.reg, need_dx,
        )  # fmt: skip
        self.squares += squares
        return dx, db


@dataclass
class Pass:
    """What one way through a network, forth and back, is given and leaves.

    Attributes
    ----------
    kernel : module
        The layer functions, compiled or twins.
    parameters, averages : mapping
        W1, b1, gamma1 … and running_mean1, running_var1 …
    mode : {"train", "test"}
    rng : Generator, optional
        Draws the masks of dropout.
    keep : float
        Share of values that dropout keeps where its row says none.
    sliced : bool
        Work picture by picture where a layer is a loop in Python, so that `check` is heard.
    check : callable
        Called between pieces of work; what it raises ends the pass.
    gradient : dict
        Receives the slope along each parameter; arrays that are there already are filled.
    new_averages : dict
        Running averages after this batch. Without a mover, the pass changes nothing of the
        network itself.
    momentum : float
        How much of the running averages a batch leaves.
    mover : Mover, optional
        Moves the parameters on the way back, in place of filling `gradient`.
    """

    kernel: Any
    parameters: Mapping[str, Array]
    averages: Mapping[str, Array]
    mode: Literal["train", "test"]
    rng: np.random.Generator | None = None
    keep: float = 1.0
    sliced: bool = False
    check: Callable[[], None] = nothing
    gradient: dict[str, Array] = field(default_factory=dict)
    new_averages: dict[str, Array] = field(default_factory=dict)
    momentum: float = 0.9
    mover: Mover | None = None

    def take(self, name: str, slope: Array) -> None:
        """Keep the slope along a parameter, where there is room for it already, or move along it."""
        if self.mover is not None:
            self.mover.move(self.kernel, name, self.parameters[name], slope)
            return
        room = self.gradient.get(name)
        if room is None:
            self.gradient[name] = slope
        elif room is not slope:
            room[...] = slope


class Operation:
    """One row, or some that are computed as one.

    Parameters
    ----------
    names : tuple of str
        The parameters that it learns.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Return the output and what `backward` needs."""
        raise NotImplementedError

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        """Return the slope along the input; slopes along parameters go to `run`."""
        raise NotImplementedError

    def weights(self, run: Pass) -> tuple[Array, ...]:
        """Return this operation's parameters."""
        return tuple(run.parameters[name] for name in self.names)


class _Sliceable(Operation):
    """A layer that treats each picture by itself, and that is a loop in Python in the twins."""

    def one_forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        raise NotImplementedError

    def one_backward(
        self, dout: Array, cache: Any, run: Pass, need_dx: bool
    ) -> tuple[Array | None, tuple[Array, ...]]:
        raise NotImplementedError

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Compute at once, or picture by picture."""
        if not run.sliced:
            return self.one_forward(x, run)
        outs, caches = [], []
        for n in range(len(x)):
            run.check()
            out, cache = self.one_forward(x[n : n + 1], run)
            outs.append(out)
            caches.append(cache)
        return np.concatenate(outs), caches

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        """Compute at once, or picture by picture with the slopes of the parameters summed."""
        if not run.sliced:
            dx, slopes = self.one_backward(dout, cache, run, need_dx)
        else:
            parts = []
            for n, one in enumerate(cache):
                run.check()
                parts.append(self.one_backward(dout[n : n + 1], one, run, need_dx))
            dx = (
                np.concatenate([part for part, _ in parts if part is not None]) if need_dx else None
            )
            slopes = tuple(sum(one) for one in zip(*(s for _, s in parts), strict=True))
        for name, slope in zip(self.names, slopes, strict=True):
            run.take(name, slope)
        return dx


class _Conv(_Sliceable):
    def __init__(self, names: tuple[str, ...], param: dict[str, Any]) -> None:
        super().__init__(names)
        self.param = param

    def one_forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        result: tuple[Array, Any] = run.kernel.conv_forward(x, *self.weights(run), self.param)
        return result

    def one_backward(
        self, dout: Array, cache: Any, run: Pass, need_dx: bool
    ) -> tuple[Array | None, tuple[Array, ...]]:
        dx, dw, db = run.kernel.conv_backward(dout, cache, need_dx=need_dx)
        return dx, (dw, db)


class _ConvRelu(_Conv):
    def one_forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        result: tuple[Array, Any] = run.kernel.conv_relu_forward(x, *self.weights(run), self.param)
        return result

    def one_backward(
        self, dout: Array, cache: Any, run: Pass, need_dx: bool
    ) -> tuple[Array | None, tuple[Array, ...]]:
        dx, dw, db = run.kernel.conv_relu_backward(dout, cache, need_dx=need_dx)
        return dx, (dw, db)


class _ConvReluPool(_Conv):
    def __init__(self, names: tuple[str, ...], param: dict[str, Any], pool: dict[str, Any]) -> None:
        super().__init__(names, param)
        self.pool = pool

    def one_forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        result: tuple[Array, Any] = run.kernel.conv_relu_pool_forward(
            x, *self.weights(run), self.param, self.pool
        )
        return result

    def one_backward(
        self, dout: Array, cache: Any, run: Pass, need_dx: bool
    ) -> tuple[Array | None, tuple[Array, ...]]:
        dx, dw, db = run.kernel.conv_relu_pool_backward(dout, cache, need_dx=need_dx)
        return dx, (dw, db)


class _Pool(_Sliceable):
    def __init__(self, kind: str, param: dict[str, Any]) -> None:
        super().__init__()
        self.kind, self.param = kind, param

    def one_forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        result: tuple[Array, Any] = getattr(run.kernel, f"{self.kind}_forward")(x, self.param)
        return result

    def one_backward(
        self, dout: Array, cache: Any, run: Pass, need_dx: bool
    ) -> tuple[Array | None, tuple[Array, ...]]:
        return getattr(run.kernel, f"{self.kind}_backward")(dout, cache), ()


class _Affine(Operation):
    kind = "affine"

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        function = getattr(run.kernel, f"{self.kind}_forward")
        result: tuple[Array, Any] = function(x, *self.weights(run))
        return result

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        dx: Array | None
        weights, biases = self.names
        if run.mover is not None:
            function = getattr(run.kernel, f"{self.kind}_backward_update")
            run.mover.samples[weights] = self.sample(dout, cache)
            dx, db = run.mover.move_affine(function, weights, dout, cache, need_dx)
        else:
            dx, dw, db = getattr(run.kernel, f"{self.kind}_backward")(dout, cache)
            run.take(weights, dw)
        run.take(biases, db)
        return dx

    def sample(self, dout: Array, cache: tuple[Any, ...]) -> Array:
        """Return some of the slopes along W (D, M): those of a few rows."""
        x, w = cache[:2]
        rows = max(1, len(w) * w.shape[1] // SAMPLE)
        some: Array = x.reshape(len(x), -1)[:, ::rows].T @ dout
        return some.ravel()


class _AffineRelu(_Affine):
    kind = "affine_relu"

    def sample(self, dout: Array, cache: tuple[Any, ...]) -> Array:
        """Return some of the slopes along W; the last of the cache is what ReLU let through."""
        return super().sample(dout * (cache[3] > 0), cache)


class _Plain(Operation):
    """A layer without parameters: ``NAME_forward(x, …)``, ``NAME_backward(dout, cache)``."""

    def __init__(self, kind: str, *more: float) -> None:
        super().__init__()
        self.kind, self.more = kind, more

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        result: tuple[Array, Any] = getattr(run.kernel, f"{self.kind}_forward")(x, *self.more)
        return result

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        dx: Array = getattr(run.kernel, f"{self.kind}_backward")(dout, cache)
        return dx


class _Dropout(Operation):
    def __init__(self, keep: float | None) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        keep = run.keep if self.keep is None else self.keep
        if run.mode == "test" or keep == 1:
            return x, None
        param = {"p": keep, "mode": "train", "rng": run.rng}
        result: tuple[Array, Any] = run.kernel.dropout_forward(x, param)
        return result

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        if cache is None:
            return dout
        dx: Array = run.kernel.dropout_backward(dout, cache)
        return dx


class _Batchnorm(Operation):
    """Over the batch; of pictures, over batch and pixels."""

    def __init__(self, names: tuple[str, ...], spatial: bool) -> None:
        super().__init__(names)
        self.kind = "spatial_batchnorm" if spatial else "batchnorm"
        number = names[0].removeprefix("gamma")
        self.averages = {name: f"{name}{number}" for name in ("running_mean", "running_var")}

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        param: dict[str, Any] = {"mode": run.mode, "momentum": run.momentum}
        param.update({key: run.averages[name] for key, name in self.averages.items()})
        function = getattr(run.kernel, f"{self.kind}_forward")
        result: tuple[Array, Any] = function(x, *self.weights(run), param)
        if run.mode == "train":
            run.new_averages.update({name: param[key] for key, name in self.averages.items()})
        return result

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        dx, *slopes = getattr(run.kernel, f"{self.kind}_backward")(dout, cache)
        for name, slope in zip(self.names, slopes, strict=True):
            run.take(name, slope)
        out: Array = dx
        return out


class _BatchnormRelu(_Batchnorm):
    """Of pictures, and a ReLU behind it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names, spatial=True)
        self.kind = "spatial_batchnorm_relu"


class _ExampleNorm(Operation):
    """Over each example by itself: all its values, or groups of channels of a picture."""

    def __init__(self, names: tuple[str, ...], groups: int | None) -> None:
        super().__init__(names)
        self.groups = groups
        self.kind = "layernorm" if groups is None else "spatial_groupnorm"

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        more = () if self.groups is None else (self.groups,)
        function = getattr(run.kernel, f"{self.kind}_forward")
        result: tuple[Array, Any] = function(x, *self.weights(run), *more, {})
        return result

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        dx, *slopes = getattr(run.kernel, f"{self.kind}_backward")(dout, cache)
        for name, slope in zip(self.names, slopes, strict=True):
            run.take(name, slope)
        out: Array = dx
        return out


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


def operation_for(row: rows_.Layer, names: tuple[str, ...], in_shape: tuple[int, ...]) -> Operation:
    """Return how a row is computed.

    Parameters
    ----------
    names : tuple of str
        Its parameters.
    in_shape : tuple of int
        What comes in: (C, H, W) or (D,).
    """
    picture = len(in_shape) == 3
    if isinstance(row, rows_.Conv):
        return _Conv(names, {"stride": row.stride, "pad": row.pad})
    if isinstance(row, rows_.Pool | rows_.AvgPool):
        param = {"pool_height": row.size, "pool_width": row.size, "stride": row.stride}
        return _Pool("max_pool" if isinstance(row, rows_.Pool) else "avg_pool", param)
    if isinstance(row, rows_.GlobalAvgPool):
        return _Plain("global_avg_pool")
    if isinstance(row, rows_.Affine):
        return _Affine(names)
    if isinstance(row, rows_.Relu):
        return _Plain("relu")
    if isinstance(row, rows_.LeakyRelu):
        return _Plain("leaky_relu", row.slope)
    if isinstance(row, rows_.Elu):
        return _Plain("elu", row.alpha)
    if isinstance(row, rows_.Dropout):
        return _Dropout(row.keep)
    if isinstance(row, rows_.Batchnorm):
        return _Batchnorm(names, picture)
    if isinstance(row, rows_.Groupnorm):
        return _ExampleNorm(names, row.groups)
    if isinstance(row, rows_.Layernorm):
        # All channels of a picture are one group.
        return _ExampleNorm(names, 1 if picture else None)
    raise TypeError(f"{row.text} cannot be computed")


def residual_for(
    inside: Chain, names: tuple[str, ...], in_shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> Operation:
    """Return a residual block; `names` are those of its shortcut, if it learns."""
    if not names:
        return _Residual(inside, None)
    stride = tuple(-(-a // b) for a, b in zip(in_shape[1:], out_shape[1:], strict=True))
    return _Residual(inside, _Conv(names, {"stride": stride, "pad": 0}))


def _joined(operations: Sequence[Operation]) -> list[Operation]:
    found: list[Operation] = []
    for operation in operations:
        before = found[-1] if found else None
        relu = isinstance(operation, _Plain) and operation.kind == "relu"
        pool = isinstance(operation, _Pool) and operation.kind == "max_pool"
        if relu and type(before) is _Conv:
            found[-1] = _ConvRelu(before.names, before.param)
        elif relu and type(before) is _Affine:
            found[-1] = _AffineRelu(before.names)
        elif relu and type(before) is _Batchnorm and before.kind == "spatial_batchnorm":
            found[-1] = _BatchnormRelu(before.names)
        elif pool and type(before) is _ConvRelu and isinstance(operation, _Pool):
            found[-1] = _ConvReluPool(before.names, before.param, operation.param)
        else:
            found.append(operation)
    return found
