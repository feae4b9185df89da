"""How single layers are computed with the functions of the kernels.

An operation holds names and numbers, never anything about a batch: what the way back needs lies
in the cache that the way forth returns. So one network can train in one thread while another
asks it for feature maps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.nn.passes import SAMPLE, Pass

__all__ = [
    "Affine",
    "AffineRelu",
    "Batchnorm",
    "Conv",
    "Dropout",
    "ExampleNorm",
    "Operation",
    "Plain",
    "Pool",
]

Array = NDArray[Any]


class Operation:
    """One row, or some that are computed as one.

    Parameters
    ----------
    kind : str
        What the kernels call it, without ``_forward`` and ``_backward``; empty for what is made of
        other operations.
    names : tuple of str
        The parameters that it learns.
    """

    def __init__(self, kind: str = "", names: tuple[str, ...] = ()) -> None:
        self.kind, self.names = kind, names

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Return the output and what `backward` needs."""
        raise NotImplementedError

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        """Return the slope along the input; slopes along parameters go to `run`."""
        raise NotImplementedError

    def weights(self, run: Pass) -> tuple[Array, ...]:
        """Return this operation's parameters."""
        return tuple(run.parameters[name] for name in self.names)

    def kernel(self, way: str, run: Pass) -> Callable[..., Any]:
        """Return the kernels' function of one way, such as ``conv_forward`` for ``forward``."""
        function: Callable[..., Any] = getattr(run.kernel, f"{self.kind}_{way}")
        return function

    def take(self, slopes: tuple[Array, ...], run: Pass) -> None:
        """Hand over the slopes along all that it learns."""
        for name, slope in zip(self.names, slopes, strict=True):
            run.take(name, slope)


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
        self.take(slopes, run)
        return dx


class Conv(_Sliceable):
    """A convolution, by itself or with what follows it.

    Parameters
    ----------
    kind : {"conv", "conv_relu", "conv_relu_pool"}
    names : tuple of str
        W and b.
    params : dict
        The convolution's stride and padding, then the pool's window and stride if there is one.
    """

    def __init__(self, kind: str, names: tuple[str, ...], *params: dict[str, Any]) -> None:
        super().__init__(kind, names)
        self.params = params

    def one_forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Compute some pictures."""
        out, cache = self.kernel("forward", run)(x, *self.weights(run), *self.params)
        return out, cache

    def one_backward(
        self, dout: Array, cache: Any, run: Pass, need_dx: bool
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Go back through some pictures."""
        dx, dw, db = self.kernel("backward", run)(dout, cache, need_dx=need_dx)
        return dx, (dw, db)


class Pool(_Sliceable):
    """The largest value or the mean of each window.

    Parameters
    ----------
    kind : {"max_pool", "avg_pool"}
    param : dict
        The window and its stride.
    """

    def __init__(self, kind: str, param: dict[str, Any]) -> None:
        super().__init__(kind)
        self.param = param

    def one_forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Compute some pictures."""
        out, cache = self.kernel("forward", run)(x, self.param)
        return out, cache

    def one_backward(
        self, dout: Array, cache: Any, run: Pass, need_dx: bool
    ) -> tuple[Array | None, tuple[Array, ...]]:
        """Go back through some pictures."""
        return self.kernel("backward", run)(dout, cache), ()


class Affine(Operation):
    """Every output sees every input."""

    def __init__(self, names: tuple[str, ...], kind: str = "affine") -> None:
        super().__init__(kind, names)

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Return x W + b."""
        out, cache = self.kernel("forward", run)(x, *self.weights(run))
        return out, cache

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        """Return the slope along the input; with a mover, W moves while its slopes are computed."""
        dx: Array | None
        weights, biases = self.names
        if run.mover is not None:
            function = self.kernel("backward_update", run)
            run.mover.samples[weights] = self.sample(dout, cache)
            dx, db = run.mover.move_affine(function, weights, dout, cache, need_dx)
        else:
            dx, dw, db = self.kernel("backward", run)(dout, cache)
            run.take(weights, dw)
        run.take(biases, db)
        return dx

    def sample(self, dout: Array, cache: tuple[Any, ...]) -> Array:
        """Return some of the slopes along W (D, M): those of a few rows."""
        x, w = cache[:2]
        rows = max(1, len(w) * w.shape[1] // SAMPLE)
        some: Array = x.reshape(len(x), -1)[:, ::rows].T @ dout
        return some.ravel()


class AffineRelu(Affine):
    """An affine layer and the ReLU behind it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names, "affine_relu")

    def sample(self, dout: Array, cache: tuple[Any, ...]) -> Array:
        """Return some of the slopes along W; the last of the cache is what ReLU let through."""
        return super().sample(dout * (cache[3] > 0), cache)


class Plain(Operation):
    """A layer without parameters: ``KIND_forward(x, …)``, ``KIND_backward(dout, cache)``."""

    def __init__(self, kind: str, *more: float) -> None:
        super().__init__(kind)
        self.more = more

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Return the output, and the cache of the kernel."""
        out, cache = self.kernel("forward", run)(x, *self.more)
        return out, cache

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        """Return the slope along the input."""
        dx: Array = self.kernel("backward", run)(dout, cache)
        return dx


class Dropout(Operation):
    """Values left out at random while training.

    Parameters
    ----------
    keep : float or None
        Share of values that stay; the pass's where it is None.
    """

    def __init__(self, keep: float | None) -> None:
        super().__init__("dropout")
        self.keep = keep

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Return what is left of x; there is no cache where all of it is."""
        keep = run.keep if self.keep is None else self.keep
        if run.mode == "test" or keep == 1:
            return x, None
        param = {"p": keep, "mode": "train", "rng": run.rng}
        out, cache = self.kernel("forward", run)(x, param)
        return out, cache

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        """Return the slope along the input."""
        if cache is None:
            return dout
        dx: Array = self.kernel("backward", run)(dout, cache)
        return dx


class _Norm(Operation):
    """Values with mean 0 and variance 1, times gamma, plus beta."""

    def backward(self, dout: Array, cache: Any, run: Pass, need_dx: bool) -> Array | None:
        dx: Array
        dx, *slopes = self.kernel("backward", run)(dout, cache)
        self.take(tuple(slopes), run)
        return dx


class Batchnorm(_Norm):
    """Over the batch; of pictures, over batch and pixels.

    Parameters
    ----------
    kind : {"batchnorm", "spatial_batchnorm", "spatial_batchnorm_relu"}
    names : tuple of str
        Gamma and beta.
    averages : tuple of str
        Running mean and running variance.
    """

    def __init__(self, kind: str, names: tuple[str, ...], averages: tuple[str, ...]) -> None:
        super().__init__(kind, names)
        self.averages = averages

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Normalise; while training, the running averages after this batch go to `run`."""
        mean, var = self.averages
        param: dict[str, Any] = {
            "mode": run.mode,
            "momentum": run.momentum,
            "running_mean": run.averages[mean],
            "running_var": run.averages[var],
        }
        out, cache = self.kernel("forward", run)(x, *self.weights(run), param)
        if run.mode == "train":
            run.new_averages[mean] = param["running_mean"]
            run.new_averages[var] = param["running_var"]
        return out, cache


class ExampleNorm(_Norm):
    """Over each example by itself: all its values, or groups of channels of a picture."""

    def __init__(self, names: tuple[str, ...], groups: int | None) -> None:
        super().__init__("layernorm" if groups is None else "spatial_groupnorm", names)
        self.groups = () if groups is None else (groups,)

    def forward(self, x: Array, run: Pass) -> tuple[Array, Any]:
        """Normalise."""
        out, cache = self.kernel("forward", run)(x, *self.weights(run), *self.groups, {})
        return out, cache
