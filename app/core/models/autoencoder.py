"""The sparse autoencoder of the exercise, written to be read; every array is (rows, features).

    h = sigmoid(x W1 + b1)                  x (N, D), W1 (D, L), b1 (L,)
    o = sigmoid(h W2 + b2)  or  h W2 + b2   W2 (L, D), b2 (D,)
    J = 1/(2N) Σ‖x − o‖² + λ/2 (ΣW1² + ΣW2²) + β Σ_b KL(ρ‖ρ̂_b),   ρ̂ = mean of h over the N rows

The compiled kernels compute the same; this is what they are tested against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import Cancelled
from app.core.specs import AutoencoderSpec
from app.core.waiting import Cancel

__all__ = [
    "CLAMP",
    "DECODERS",
    "NAMES",
    "TERM_NAMES",
    "cost_gradient",
    "decode",
    "flatten",
    "hidden",
    "initial_weights",
    "parameter_count",
    "pca_bound",
    "reconstruct",
    "sigmoid",
    "sparsity",
    "strongest",
    "unflatten",
]

NAMES = ("W1", "b1", "W2", "b2")
DECODERS = ("sigmoid", "linear")
TERM_NAMES = ("reconstruction", "decay", "sparsity")

# KL and its slope are infinite where a unit is always off or always on, which float32 reaches:
# ρ̂ is held this far off 0 and 1.
CLAMP = 1e-8

Weights = Mapping[str, NDArray[Any]]


def sigmoid(a: NDArray[Any]) -> NDArray[Any]:
    """Return 1 / (1 + exp(−a)) without overflow, in the type of `a`."""
    e = np.exp(-np.abs(a))
    h: NDArray[Any] = np.where(a >= 0, 1 / (1 + e), e / (1 + e)).astype(a.dtype, copy=False)
    return h


def initial_weights(width: int, spec: AutoencoderSpec) -> dict[str, NDArray[Any]]:
    """Return weights and biases drawn uniformly from [−w0, w0], w0 = √(6 / (L_pre + L_post)).

    Parameters
    ----------
    width : int
        D, numbers in a row.
    spec : AutoencoderSpec
        Its `hidden_units`, `seed` and `precision` count. The same seed gives the same weights
        in both precisions, within rounding.
    """
    units = spec.hidden_units
    w0 = np.sqrt(6 / (width + units))
    rng = np.random.default_rng([spec.seed, 1])
    shapes = {"W1": (width, units), "b1": (units,), "W2": (units, width), "b2": (width,)}
    return {
        name: rng.uniform(-w0, w0, shape).astype(spec.precision) for name, shape in shapes.items()
    }


def parameter_count(width: int, units: int) -> int:
    """Return how many numbers are learned: 2 D L + L + D."""
    return 2 * width * units + units + width


def flatten(weights: Weights) -> NDArray[Any]:
    """Return W1, b1, W2, b2 one after the other, as one vector."""
    return np.concatenate([np.ravel(weights[name]) for name in NAMES])


def unflatten(theta: NDArray[Any], width: int, units: int) -> dict[str, NDArray[Any]]:
    """Return the parts of a vector as views; writing into them writes into `theta`."""
    parts, at = {}, 0
    for name, shape in zip(
        NAMES, ((width, units), (units,), (units, width), (width,)), strict=True
    ):
        size = int(np.prod(shape))
        parts[name] = theta[at : at + size].reshape(shape)
        at += size
    return parts


def hidden(weights: Weights, x: NDArray[Any]) -> NDArray[Any]:
    """Return the activations (N, L) of the hidden units."""
    return sigmoid(x @ weights["W1"] + weights["b1"])


def decode(weights: Weights, h: NDArray[Any], decoder: str) -> NDArray[Any]:
    """Return the output (N, D) for activations (N, L)."""
    if decoder not in DECODERS:
        raise ValueError(f"there is no decoder {decoder}")
    a = h @ weights["W2"] + weights["b2"]
    return a if decoder == "linear" else sigmoid(a)


def reconstruct(weights: Weights, x: NDArray[Any], decoder: str) -> NDArray[Any]:
    """Return what the network makes of rows (N, D)."""
    return decode(weights, hidden(weights, x), decoder)


def sparsity(rho_hat: NDArray[Any], rho: float) -> tuple[float, NDArray[np.float64]]:
    """Return Σ_b KL(ρ‖ρ̂_b) and its slope (L,) with respect to each ρ̂_b."""
    mean = np.clip(np.asarray(rho_hat, np.float64), CLAMP, 1 - CLAMP)
    cost = rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))
    return float(cost.sum()), (1 - rho) / (1 - mean) - rho / mean


def cost_gradient(
    weights: Weights, x: NDArray[Any], *, lam: float, beta: float, rho: float, decoder: str
) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]], NDArray[np.float64]]:
    """Return the cost over the rows `x` in its three terms, and its gradient.

    Parameters
    ----------
    weights : mapping
        W1 (D, L), b1 (L,), W2 (L, D), b2 (D,), all of one type.
    x : ndarray, shape (N, D)
        Rows; the target is the input.
    lam, beta, rho : float
        λ, β and ρ.
    decoder : {"sigmoid", "linear"}

    Returns
    -------
    terms : ndarray, shape (3,)
        Reconstruction, decay, sparsity; J is their sum.
    gradient : dict
        ∂J/∂W1 … ∂J/∂b2, shaped like the weights.
    rho_hat : ndarray, shape (L,)
    """
    count = len(x)
    w1, w2 = weights["W1"], weights["W2"]
    h = hidden(weights, x)
    o = decode(weights, h, decoder)
    rho_hat = h.mean(axis=0, dtype=np.float64)
    divergence, slope = sparsity(rho_hat, rho)

    difference = o - x
    reconstruction = np.square(difference, dtype=np.float64).sum() / (2 * count)
    squares = np.square(w1, dtype=np.float64).sum() + np.square(w2, dtype=np.float64).sum()

    # Through the decoder: ∂J/∂a2 = (o − d) σ'(a2) / N with σ' = o (1 − o), or 1 when linear.
    delta2 = difference / count
    if decoder == "sigmoid":
        delta2 *= o * (1 - o)
    # Into the hidden units: what the decoder says, and the pull of ρ on each mean ρ̂.
    pull = (beta / count * slope).astype(x.dtype)
    delta1 = (delta2 @ w2.T + pull) * (h * (1 - h))
    gradient = {
        "W1": x.T @ delta1 + x.dtype.type(lam) * w1,
        "b1": delta1.sum(axis=0),
        "W2": h.T @ delta2 + x.dtype.type(lam) * w2,
        "b2": delta2.sum(axis=0),
    }
    return np.array([reconstruction, lam / 2 * squares, beta * divergence]), gradient, rho_hat


def _blocks(x: NDArray[Any], cancel: Cancel | None) -> Iterator[NDArray[np.float64]]:
    """Yield float64 copies of some thousand rows at a time."""
    for start in range(0, len(x), 4096):
        if cancel is not None and cancel():
            raise Cancelled("Given up.")
        yield np.asarray(x[start : start + 4096], np.float64)


def pca_bound(
    x: NDArray[Any],
    components: int,
    *,
    cancel: Cancel | None = None,
    release: Callable[[], None] | None = None,
) -> float:
    """Return the least 1/(2N) Σ‖d − o‖² that a linear code with `components` numbers reaches.

    It is half the sum of the eigenvalues of the covariance that principal component analysis
    leaves out. Rows are read in blocks, so `x` may be a memory map; `release` is called now
    and then to let its pages go.
    """
    count, width = x.shape
    if components >= width:
        return 0.0
    total, products = np.zeros(width), np.zeros((width, width))
    for number, block in enumerate(_blocks(x, cancel)):
        total += block.sum(axis=0)
        products += block.T @ block
        if release is not None and number % 32 == 31:
            release()
    mean = total / count
    values = np.linalg.eigvalsh(products / count - np.outer(mean, mean))
    left_out = values[: width - components]
    return float(np.maximum(left_out, 0).sum() / 2)


def strongest(
    weights: Weights, x: NDArray[Any], unit: int, count: int
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the rows that excite one unit most, strongest first, and their activations."""
    activations = sigmoid(x @ weights["W1"][:, unit] + weights["b1"][unit])
    rows = np.argsort(-activations, kind="stable")[:count]
    return rows, activations[rows]
