"""An epoch of the sparse autoencoder against torch, the exercise's loop and its matrix products."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.bench.compare import Say, compare, torch_here
from app.core.data.batches import EpochOrder
from app.core.learners import AutoencoderLearner
from app.core.models.autoencoder import decode, hidden, sparsity
from app.core.specs import AutoencoderSpec
from app.core.threads import cores

__all__ = ["BENCHES"]

COUNT, WIDTH, UNITS, BATCH = 10_240, 256, 64, 128


def _rows() -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 0.9, (COUNT, WIDTH)).astype(np.float32)


def _epoch(threads: int) -> Callable[[], object]:
    """Return an epoch of the compiled kernel, plain gradient descent as in the exercise's report."""
    x = _rows()
    spec = AutoencoderSpec(
        solver="sgd",
        learning_rate=0.01,
        rho=0.25,
        beta=0.008,
        lam=5e-4,
        hidden_units=UNITS,
        batch_size=BATCH,
    )
    learner = AutoencoderLearner(x, spec, threads=threads)
    order = EpochOrder(COUNT, 0).epoch(0)
    calm = np.zeros(1, np.int32)
    return lambda: learner.steps(order, spec, calm, COUNT // BATCH)


def _products() -> Callable[[], object]:
    """Return an epoch of the five matrix products of each mini-batch and nothing else, by BLAS."""
    x = _rows()
    rng = np.random.default_rng(1)
    w1 = rng.standard_normal((WIDTH, UNITS), np.float32)
    w2 = rng.standard_normal((UNITS, WIDTH), np.float32)
    h, a = np.empty((BATCH, UNITS), np.float32), np.empty((BATCH, UNITS), np.float32)
    g = np.empty((BATCH, WIDTH), np.float32)
    d1, d2 = np.empty_like(w1), np.empty_like(w2)

    def epoch() -> None:
        for start in range(0, COUNT, BATCH):
            batch = x[start : start + BATCH]
            np.matmul(batch, w1, out=h)
            np.matmul(h, w2, out=g)
            np.matmul(g, w2.T, out=a)
            np.matmul(h.T, g, out=d2)
            np.matmul(batch.T, a, out=d1)

    return epoch


def _report_loop() -> Callable[[], object]:
    """Return an epoch the exercise's way: float64 NumPy, and the whole cost at its end."""
    x = _rows().astype(np.float64)
    rng = np.random.default_rng(2)
    weights = {
        "W1": rng.uniform(-0.137, 0.137, (WIDTH, UNITS)),
        "b1": rng.uniform(-0.137, 0.137, UNITS),
        "W2": rng.uniform(-0.137, 0.137, (UNITS, WIDTH)),
        "b2": rng.uniform(-0.137, 0.137, WIDTH),
    }
    lam, beta, rho, rate = 5e-4, 0.008, 0.25, 0.01

    def epoch() -> None:
        order = rng.permutation(COUNT)
        for start in range(0, COUNT, BATCH):
            batch = x[order[start : start + BATCH]]
            n = len(batch)
            h = 1 / (1 + np.exp(-(batch @ weights["W1"] + weights["b1"])))
            o = 1 / (1 + np.exp(-(h @ weights["W2"] + weights["b2"])))
            mean = h.mean(axis=0)
            delta2 = (o - batch) / n * o * (1 - o)
            pull = beta / n * ((1 - rho) / (1 - mean) - rho / mean)
            delta1 = (delta2 @ weights["W2"].T + pull) * h * (1 - h)
            weights["W1"] -= rate * (batch.T @ delta1 + lam * weights["W1"])
            weights["b1"] -= rate * delta1.sum(axis=0)
            weights["W2"] -= rate * (h.T @ delta2 + lam * weights["W2"])
            weights["b2"] -= rate * delta2.sum(axis=0)
        h = hidden(weights, x)
        o = decode(weights, h, "sigmoid")
        _ = np.square(o - x).sum() / (2 * COUNT) + beta * sparsity(h.mean(axis=0), rho)[0]

    return epoch


def _torch_epoch(say: Say, afterwards: ExitStack) -> Callable[[], object] | None:
    """Return an epoch of torch's eager autograd and its SGD, all cores; None without torch."""
    torch = torch_here(say, afterwards)
    if torch is None:
        return None
    x = torch.from_numpy(_rows())
    w1 = (torch.rand(WIDTH, UNITS) * 0.27 - 0.137).requires_grad_()
    w2 = (torch.rand(UNITS, WIDTH) * 0.27 - 0.137).requires_grad_()
    b1, b2 = torch.zeros(UNITS, requires_grad=True), torch.zeros(WIDTH, requires_grad=True)
    lam, beta, rho = 5e-4, 0.008, 0.25
    optimizer = torch.optim.SGD([w1, b1, w2, b2], lr=0.01)
    order = torch.randperm(COUNT)

    def epoch() -> None:
        for start in range(0, COUNT, BATCH):
            batch = x[order[start : start + BATCH]]
            h = torch.sigmoid(batch @ w1 + b1)
            o = torch.sigmoid(h @ w2 + b2)
            mean = h.mean(0)
            kl = rho * torch.log(rho / mean) + (1 - rho) * torch.log((1 - rho) / (1 - mean))
            cost: Any = ((o - batch) ** 2).sum() / (2 * len(batch))
            cost = cost + lam / 2 * ((w1**2).sum() + (w2**2).sum()) + beta * kl.sum()
            optimizer.zero_grad()
            cost.backward()
            optimizer.step()

    return epoch


def _autoencoder_epoch(say: Say) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    peers: dict[str, Callable[[], object]] = {"report_loop": _report_loop()}
    with ExitStack() as afterwards:
        torch_epoch = _torch_epoch(say, afterwards)
        if torch_epoch is not None:
            peers["torch"] = torch_epoch
        afterwards.enter_context(threadpool_limits(cores(), "blas"))
        row: dict[str, Any] = compare(_epoch(cores()), peers)
    row["threads"] = cores()
    return row


def _autoencoder_products(threads: int) -> Callable[[Say], dict[str, Any]]:
    def bench(_say: Say) -> dict[str, Any]:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(threads, "blas"):
            row: dict[str, Any] = compare(_epoch(threads), {"products": _products()})
        row["threads"] = threads
        return row

    return bench


BENCHES: dict[str, Callable[[Say], dict[str, Any]]] = {
    "autoencoder-epoch": _autoencoder_epoch,
    "autoencoder-products-1-thread": _autoencoder_products(1),
    "autoencoder-products-all-cores": _autoencoder_products(cores()),
}
