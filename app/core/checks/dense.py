"""Checks of the affine layer, of activations, dropout and losses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.checks.common import SEED, draws, gradients
from app.core.checks.outcomes import Conditions, Measure, check
from app.core.kernels import reference
from app.core.nn.gradient_check import check_gradient, relative_error

__all__ = ["CHECKS"]

AFFINE, ACTIVATIONS, LOSSES = "Affine layer", "Activations and dropout", "Losses"


@check(
    AFFINE,
    "An affine layer's gradients agree with central differences",
    code=("affine_forward", "affine_backward"),
)
def affine(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    arrays = {"x": rng.randn(10, 2, 3), "w": rng.randn(6, 5), "b": rng.randn(5)}
    yield from gradients("affine", lambda forward: forward, arrays, rng.randn(10, 5), 1e-7)


@check(
    ACTIVATIONS,
    "ReLU's gradient agrees with central differences",
    code=("relu_forward", "relu_backward"),
)
def relu(_: Conditions) -> Iterator[Measure]:
    yield from _activation("relu")


@check(
    ACTIVATIONS,
    "Leaky ReLU's gradient agrees with central differences",
    code=("leaky_relu_forward", "leaky_relu_backward"),
)
def leaky_relu(_: Conditions) -> Iterator[Measure]:
    yield from _activation("leaky_relu")


@check(
    ACTIVATIONS,
    "ELU's gradient agrees with central differences",
    code=("elu_forward", "elu_backward"),
)
def elu(_: Conditions) -> Iterator[Measure]:
    yield from _activation("elu")


def _activation(name: str) -> Iterator[Measure]:
    rng = draws()
    arrays = {"x": rng.randn(10, 10)}
    yield from gradients(name, lambda forward: forward, arrays, rng.randn(10, 10), 1e-8)


@check(
    ACTIVATIONS,
    "Dropout keeps the mean, drops as many as asked for, leaves the test alone, and its gradient "
    "agrees with central differences",
    code=("dropout_forward", "dropout_backward"),
)
def dropout(_: Conditions) -> Iterator[Measure]:
    rng = draws()
    x = rng.randn(500, 500) + 10
    means, shares = [], []
    for p in (0.25, 0.4, 0.7):
        out, _mask = reference.dropout_forward(x, {"p": p, "mode": "train", "seed": SEED})
        means.append(abs(float(out.mean() - x.mean())))
        shares.append(abs(float((out != 0).mean()) - p))
    yield Measure("mean", max(means), 0.1)
    yield Measure("share kept", max(shares), 0.01)
    out, _mask = reference.dropout_forward(x, {"p": 0.4, "mode": "test"})
    yield Measure("test", relative_error(out, x), 0.0)
    yield from gradients(
        "dropout",
        lambda forward: lambda x: forward(x, {"p": 0.4, "mode": "train", "seed": SEED}),
        {"x": rng.randn(10, 10)},
        rng.randn(10, 10),
        1e-8,
    )


@check(
    LOSSES,
    "Softmax loss of equal scores is ln C, and its gradient agrees with central differences",
    code=("softmax_loss",),
)
def softmax(_: Conditions) -> Iterator[Measure]:
    loss, _dx = reference.softmax_loss(np.zeros((50, 10)), np.arange(50) % 10)
    yield Measure("loss", abs(loss - math.log(10)), 1e-12)
    yield from _loss(reference.softmax_loss, 1e-6)


@check(
    LOSSES,
    "SVM loss of equal scores is C − 1, and its gradient agrees with central differences",
    code=("svm_loss",),
)
def svm(_: Conditions) -> Iterator[Measure]:
    loss, _dx = reference.svm_loss(np.zeros((50, 10)), np.arange(50) % 10)
    yield Measure("loss", abs(loss - 9), 1e-12)
    yield from _loss(reference.svm_loss, 1e-8)


def _loss(
    function: Callable[[Any, Any], tuple[float, NDArray[Any]]], bound: float
) -> Iterator[Measure]:
    rng = draws()
    x, y = 0.001 * rng.randn(50, 10), rng.randint(10, size=50)
    found = check_gradient(lambda x: function(x, y)[0], x, function(x, y)[1], bound=bound)
    yield Measure("dx", found.error, bound, detail=found)


@check(LOSSES, "L2's gradient agrees with central differences", code=("l2_loss",))
def l2(_: Conditions) -> Iterator[Measure]:
    w = draws().randn(6, 5)
    slope = reference.l2_loss(w, 0.3)[1]
    found = check_gradient(lambda w: reference.l2_loss(w, 0.3)[0], w, slope, name="w")
    yield Measure("dw", found.error, 1e-7, detail=found)


CHECKS = (affine, relu, leaky_relu, elu, dropout, softmax, svm, l2)
