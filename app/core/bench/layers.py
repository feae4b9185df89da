"""Convolution and pools against torch and against the loops one would write down.

Shapes are those of the exercise's report (x (100, 3, 31, 31) with 25 filters 3×3, stride 2, pad 1;
a pool 2×2 of (100, 3, 32, 32)), of the three-layer network (32 filters 7×7 on CIFAR-10, batch 50),
and of a layer further up in a deeper network.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.bench.compare import Bench, Say, compare, torch_here
from app.core.kernels import reference
from app.core.threads import cores

__all__ = ["BENCHES"]

Array = NDArray[Any]
Peers = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class Conv:
    """A convolution to be timed; `naive` when the readable loops are timed too."""

    x: tuple[int, int, int, int]
    w: tuple[int, int, int, int]
    stride: int
    pad: int
    naive: bool = False


CONVS = {
    "conv_3x3": Conv((100, 3, 31, 31), (25, 3, 3, 3), 2, 1, naive=True),
    "conv_7x7": Conv((50, 3, 32, 32), (32, 3, 7, 7), 1, 3),
    "conv_64_channels": Conv((50, 64, 16, 16), (64, 64, 3, 3), 1, 1),
}
POOLS = {"pool": (100, 3, 32, 32), "pool_32_channels": (50, 32, 32, 32)}
NORM = (50, 32, 16, 16)
POOL_PARAM = {"pool_height": 2, "pool_width": 2, "stride": 2}


def _random(*shapes: tuple[int, ...]) -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, np.float32) for shape in shapes]


def _furthest(ours: Any, theirs: Any) -> float:
    """Return the largest difference of two answers, relative to the largest number."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a is not None and b is not None:
            worst = max(worst, float(np.abs(a - b).max() / np.abs(b).max()))
    return worst


def _conv(name: str, what: str) -> Bench:
    """Return a bench of `what`: "forward", "backward", or "backward_first" (without dx)."""

    def bench(say: Say) -> dict[str, Any]:
        conv = CONVS[name]
        x, w, b = _random(conv.x, conv.w, conv.w[:1])
        conv_param = {"stride": conv.stride, "pad": conv.pad}
        need_dx = what == "backward"
        kernel = kernels.choose()
        out, cache = kernel.conv_forward(x, w, b, conv_param)
        (dout,) = _random(out.shape)

        def call(module: Any, kept: Any) -> Any:
            if what == "forward":
                return (module.conv_forward(x, w, b, conv_param)[0],)
            return module.conv_backward(dout, kept, need_dx)

        with ExitStack() as afterwards:
            peers: Peers = {}
            answers: dict[str, Any] = {}
            torch = torch_here(say, afterwards)
            if torch is not None:
                tensors = [torch.from_numpy(one) for one in (x, w, b)]
                for tensor in tensors[0 if need_dx else 1 :]:
                    tensor.requires_grad_()

                def forward() -> Any:
                    return torch.nn.functional.conv2d(*tensors, conv.stride, conv.pad)

                theirs, slope = forward(), torch.from_numpy(dout)
                wanted = tensors[0 if need_dx else 1 :]

                def backward() -> Any:
                    return torch.autograd.grad(theirs, wanted, slope, retain_graph=True)

                peers["torch"] = forward if what == "forward" else backward
                if what == "forward":
                    answers["torch"] = [theirs.detach().numpy()]
                else:
                    answers["torch"] = [None] * (not need_dx) + [one.numpy() for one in backward()]
            slow: Peers = {}
            if conv.naive and kernels.COMPILED:

                def naive() -> None:
                    answers["naive"] = call(reference, (x, w, b, conv_param))

                slow["naive"] = naive
            ours = call(kernel, cache)
            row = compare(lambda: call(kernel, cache), peers, slow)
        row.update({f"error_{name}": _furthest(ours, answer) for name, answer in answers.items()})
        row["threads"] = cores()
        return row

    return bench


def _pool(name: str, forward: bool) -> Bench:
    def bench(say: Say) -> dict[str, Any]:
        (x,) = _random(POOLS[name])
        kernel = kernels.choose()
        out, cache = kernel.max_pool_forward(x, POOL_PARAM)
        (dout,) = _random(out.shape)

        def call(module: Any, kept: Any) -> Any:
            if forward:
                return (module.max_pool_forward(x, POOL_PARAM)[0],)
            return (module.max_pool_backward(dout, kept),)

        with ExitStack() as afterwards:
            peers: Peers = {}
            answers: dict[str, Any] = {}
            torch = torch_here(say, afterwards)
            if torch is not None:
                pictures = torch.from_numpy(x).requires_grad_()
                theirs, slope = torch.nn.functional.max_pool2d(pictures, 2), torch.from_numpy(dout)

                def backward() -> Any:
                    return torch.autograd.grad(theirs, [pictures], slope, retain_graph=True)

                peers["torch"] = (
                    (lambda: torch.nn.functional.max_pool2d(pictures, 2)) if forward else backward
                )
                found = [theirs.detach()] if forward else backward()
                answers["torch"] = [one.numpy() for one in found]
            slow: Peers = {}
            if kernels.COMPILED:
                twin = (x, POOL_PARAM)
                answers["naive"] = call(reference, twin)
                slow = {"naive": lambda: call(reference, twin)}
            ours = call(kernel, cache)
            row = compare(lambda: call(kernel, cache), peers, slow)
        row.update({f"error_{name}": _furthest(ours, answer) for name, answer in answers.items()})
        row["threads"] = cores()
        return row

    return bench


def _batchnorm(forward: bool) -> Bench:
    def bench(say: Say) -> dict[str, Any]:
        x, gamma, beta, dout = _random(NORM, NORM[1:2], NORM[1:2], NORM)
        kernel = kernels.choose()
        _, cache = kernel.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})

        def call() -> Any:
            if forward:
                return kernel.spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})[:1]
            return kernel.spatial_batchnorm_backward(dout, cache)

        with ExitStack() as afterwards:
            peers: Peers = {}
            answers: dict[str, Any] = {}
            torch = torch_here(say, afterwards)
            if torch is not None:
                tensors = [torch.from_numpy(one).requires_grad_() for one in (x, gamma, beta)]
                averages = torch.zeros(NORM[1]), torch.ones(NORM[1])

                def theirs() -> Any:
                    batch_norm = torch.nn.functional.batch_norm
                    return batch_norm(tensors[0], *averages, *tensors[1:], training=True)

                out, slope = theirs(), torch.from_numpy(dout)

                def backward() -> Any:
                    return torch.autograd.grad(out, tensors, slope, retain_graph=True)

                peers["torch"] = theirs if forward else backward
                found = [out.detach()] if forward else backward()
                answers["torch"] = [one.numpy() for one in found]
            ours = call()
            row = compare(call, peers)
        row.update({f"error_{name}": _furthest(ours, answer) for name, answer in answers.items()})
        row["threads"] = cores()
        return row

    return bench


BENCHES: dict[str, Bench] = {
    **{
        f"{name}_{what}": _conv(name, what)
        for name in CONVS
        for what in ("forward", "backward", "backward_first")
    },
    **{
        f"{name}_{'forward' if forward else 'backward'}": _pool(name, forward)
        for name in POOLS
        for forward in (True, False)
    },
    "batchnorm_forward": _batchnorm(forward=True),
    "batchnorm_backward": _batchnorm(forward=False),
}
