"""What in an image counts for a network, asked with gradients along the image.

    saliency(network, x)                   where a small change of a pixel changes the answer most
    grad_cam(network, x, place)            which places of a row's maps speak for the answer
    excite(network, place, units, rng)     images that a filter answers to most

All of it uses the network as it is in a test: nothing is left out, batchnorm has its running
averages, no weight moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.nn.network import Network
from app.core.nn.passes import nothing
from app.core.specs.layers import Relu

__all__ = ["answer", "enlarged", "excite", "grad_cam", "row_with_maps", "saliency"]

# How `excite` climbs: in units of the images' spread, and in pixels.
STEPS, STEP, NOISE, DECAY, JITTER = 48, 0.15, 0.1, 0.02, 2
BLUR_EVERY = 4

Array = NDArray[Any]
Check = Callable[[], None]


def saliency(
    network: Network,
    x: Array,
    classes: NDArray[np.int64] | None = None,
    *,
    check: Check = nothing,
) -> Array:
    """Return |∂ score / ∂ x|, the largest of each pixel's channels.

    Parameters
    ----------
    x : ndarray, shape (N, C, H, W)
        Images as the network sees them.
    classes : ndarray, shape (N,), optional
        Whose score is asked about; by default the class that the network names.
    check : callable
        Called between layers; what it raises ends it.

    Returns
    -------
    ndarray, shape (N, H, W)

    References
    ----------
    Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", 2014.
    """
    scores, back = network.through(x, check=check)
    slopes: Array = np.abs(back(_one_hot(scores, classes))).max(axis=1)
    return slopes


def grad_cam(
    network: Network,
    x: Array,
    place: tuple[int, ...],
    classes: NDArray[np.int64] | None = None,
    *,
    check: Check = nothing,
) -> Array:
    """Return ReLU(Σ_k α_k A_k): the maps A_k of a row, weighed by what they mean for a score.

    α_k is the mean of ∂ score / ∂ A_k over the map.

    Parameters
    ----------
    place : tuple of int
        A row of the list whose output are maps.
    x, classes, check : see `saliency`

    Returns
    -------
    ndarray, shape (N, H', W')

    Raises
    ------
    ValueError
        The row gives no maps.

    References
    ----------
    Selvaraju et al., "Grad-CAM", 2017.
    """
    maps, _ = network.through(x, 0, place[0], check=check)
    if maps.ndim != 4:
        raise ValueError(f"the row {place} gives no maps")
    last = place[0] == len(network.description.rows) - 1
    scores, back = (
        (maps.reshape(len(maps), -1), _same)
        if last
        else network.through(maps, place[0] + 1, check=check)
    )
    slopes = back(_one_hot(scores, classes)).reshape(maps.shape)
    alpha = slopes.mean(axis=(2, 3), keepdims=True)
    found: Array = np.maximum((alpha * maps).sum(axis=1), 0)
    return found


def excite(
    network: Network,
    place: tuple[int, ...],
    units: Sequence[int],
    rng: np.random.Generator,
    *,
    spread: float = 1.0,
    steps: int = STEPS,
    check: Check = nothing,
) -> Array:
    """Return an image for each of some filters that it answers to strongly, see `answer`.

    From noise, gradient ascent; before each step the image is moved by some pixels (jitter), after
    it, it shrinks a little (L2) and, now and then, is blurred: without these only noise that no
    eye can read would come out. Of a ReLU, what comes in is climbed: where it is closed, it lets
    no slope through.

    Parameters
    ----------
    place : tuple of int
        A row of the list.
    units : sequence of int
        Which of its maps, or of its numbers, n of them.
    rng : Generator
        Draws noise and jitter.
    spread : float
        How far values of images lie from zero, as the network sees them.

    Returns
    -------
    ndarray, shape (n, C, H, W)
        As the network sees images.

    References
    ----------
    Erhan et al., "Visualizing higher-layer features", 2009. Yosinski et al., 2015, for L2 and blur;
    Mordvintsev et al., 2015, for jitter.
    """
    shape = (len(units), *network.input_shape)
    kind = network.dtype
    if isinstance(network.description.rows[place[0]].row, Relu) and place[0]:
        place = (place[0] - 1,)
    # Small images would be moved all around.
    reach = min(JITTER, min(network.input_shape[1:]) // 8)
    x: Array = rng.normal(0, NOISE * spread, shape).astype(kind)
    for step in range(steps):
        moved = tuple(int(pixels) for pixels in rng.integers(-reach, reach + 1, 2))
        _, slope = answer(network, np.roll(x, moved, (2, 3)), place, units, check=check)
        slope = np.roll(slope, (-moved[0], -moved[1]), (2, 3))
        size = np.sqrt(np.square(slope).mean(axis=(1, 2, 3), keepdims=True))
        # Where nothing gets through, there is nowhere to go.
        x += kind.type(STEP * spread) * slope / np.where(size > 0, size, 1)
        x *= kind.type(1 - DECAY)
        if step % BLUR_EVERY == BLUR_EVERY - 1 and step < steps - BLUR_EVERY:
            x = _blurred(x)
    return x


def answer(
    network: Network,
    x: Array,
    place: tuple[int, ...],
    units: Sequence[int],
    *,
    check: Check = nothing,
) -> tuple[Array, Array]:
    """Return how strongly map `units[n]` answers to image n (n,), and the slope along the images.

    It is mean max(a, 0)² / 2 over the map: what is found somewhere is strengthened there, so that
    a filter's own pattern grows, where the plain mean would only find its favourite colour. Of a
    map that is nowhere above 0 it is the mean, which leads out of there.
    """
    out, back = network.through(x, 0, place[0], check=check)
    each, chosen = np.arange(len(units)), list(units)
    a = out[each, chosen].reshape(len(units), -1)
    above = np.maximum(a, 0)
    closed: NDArray[np.bool_] = above.max(axis=1) == 0
    values: Array = np.where(closed, a.mean(axis=1), np.square(above).mean(axis=1) / 2)
    slope = np.where(closed[:, None], 1, above) / a.shape[1]
    dout = np.zeros_like(out)
    dout[each, chosen] = slope.reshape(out[each, chosen].shape)
    return values, back(dout)


def row_with_maps(network: Network, place: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the row at `place`, or the last one before it whose output are maps, if there is one."""
    for row in reversed(network.description.rows[: place[0] + 1]):
        if len(row.out_shape) == 3:
            return row.place
    return None


def enlarged(maps: Array, height: int, width: int) -> Array:
    """Return maps (N, H', W') as (N, height, width), between their values along straight lines."""
    for axis, size in ((1, height), (2, width)):
        length = maps.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        below = np.floor(at).astype(np.int64)
        above = np.minimum(below + 1, length - 1)
        share = (at - below).reshape([-1 if axis == n else 1 for n in range(3)])
        maps = maps.take(below, axis) * (1 - share) + maps.take(above, axis) * share
    return maps


def _same(dout: Array) -> Array:
    return dout


def _one_hot(scores: Array, classes: NDArray[np.int64] | None) -> Array:
    """Return the slope of each image's chosen score along all scores (N, classes)."""
    chosen = scores.reshape(len(scores), -1).argmax(axis=1) if classes is None else classes
    slope = np.zeros_like(scores)
    slope[np.arange(len(scores)), chosen] = 1
    return slope


def _blurred(x: Array) -> Array:
    """Return images, each pixel a quarter from each side, along both axes."""
    for axis in (2, 3):
        padded = np.pad(x, [(1, 1) if axis == n else (0, 0) for n in range(4)], mode="edge")
        length = x.shape[axis]
        before, after = (padded.take(range(s, s + length), axis) for s in (0, 2))
        x = ((before + 2 * x + after) / 4).astype(x.dtype)
    return x
