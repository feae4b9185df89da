"""What is read from a network of layers while it trains: answers, maps, how its layers behave.

It works on copies, a network of its own and weights that a snapshot brought, so that training is
neither waited for nor disturbed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.data.image_preprocess import FittedImages
from app.core.nn.attribution import enlarged, excite, grad_cam, row_with_maps, saliency
from app.core.nn.description import first_without
from app.core.nn.layer_info import LayerInfo
from app.core.nn.looks import scores_of_looks
from app.core.nn.network import Network
from app.core.nn.passes import nothing
from app.core.predictions import Predictions, softmax
from app.core.probe import spread_rows
from app.core.specs import ConvNetSpec

__all__ = ["Histogram", "LayerReading", "Look", "NetworkReader", "View", "first_filters"]

# Images that are asked about for confusion and mistakes, and for how layers behave.
MOST_ANSWERS = 1_000
MOST_EXCITED = 36
# Standard deviation of photographs' pixels, 0 … 255, and how bright what is not lit stays.
SPREAD, DIM = 64, 0.2
BEHAVIOUR_ROWS = 50
BINS = 60

Array = NDArray[Any]
Check = Callable[[], None]
View = Literal["maps", "saliency", "cam", "excites"]


@dataclass(frozen=True)
class Histogram:
    """``counts`` (B,) over ``edges`` (B + 1,)."""

    counts: NDArray[np.int64] = field(repr=False)
    edges: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, values: Array, bins: int = BINS) -> Histogram:
        """Return how finite values are spread."""
        good = values[np.isfinite(values)]
        if not good.size:
            return cls(np.zeros(bins, np.int64), np.linspace(0, 1, bins + 1))
        counts, edges = np.histogram(good, bins)
        return cls(counts.astype(np.int64), edges.astype(np.float64))


@dataclass(frozen=True)
class LayerReading:
    """How one row of the network behaves on some images.

    Attributes
    ----------
    mean, deviation : float
        Of all values that come out.
    zeros : float
        Share of values that are exactly 0: what a ReLU holds back.
    dead : float
        Share of outputs (maps, or units) that are 0 for every image.
    """

    layer: LayerInfo
    mean: float
    deviation: float
    zeros: float
    dead: float
    histogram: Histogram = field(repr=False)


@dataclass(frozen=True)
class Look:
    """One image seen through the network.

    Attributes
    ----------
    maps : ndarray
        As ``maps``, (F, H', W') or (D,): what the row at `place` gives for it. As ``saliency`` or
        ``cam``, (2, C, H, W) in 0 … 1: where the likeliest class comes from, and the image lit
        there; empty where no row has maps. As ``excites``, (F, C, H, W): for each of the row's
        filters an image that it answers to most, as the network sees images.
    probabilities : ndarray, shape (classes,)
        Empty where not all of the network is known.
    """

    place: tuple[int, ...]
    maps: NDArray[np.float32] = field(repr=False)
    probabilities: NDArray[np.float64] = field(repr=False)
    view: View = "maps"


def first_filters(weights: Mapping[str, Array]) -> NDArray[Any] | None:
    """Return the filters of the first convolution (F, C, HH, WW) as pictures, or None.

    Only one that sees the image itself, with one or three channels, can be seen as pictures.
    """
    w = weights.get("W1")
    return w if w is not None and w.ndim == 4 and w.shape[1] in (1, 3) else None


class NetworkReader:
    """Reads a network at given weights; for one thread at a time.

    Parameters
    ----------
    fitted : FittedImages
        The images with their split and normalisation.
    spec : ConvNetSpec
        The network's layers and loss.
    threads : int
        How many threads may compute; training has the others.
    """

    def __init__(self, fitted: FittedImages, spec: ConvNetSpec, *, threads: int = 1) -> None:
        self.fitted, self.spec = fitted, spec
        self.threads = threads
        self._end: int | None = None  # the first row whose weights are not known
        self.network = Network(spec.rows, fitted.images.shape, len(fitted.classes))
        split = fitted.split
        chosen = split.validation if len(split.validation) else split.train
        self.asked: NDArray[np.int64] = chosen[spread_rows(len(chosen), MOST_ANSWERS)]
        self._behaviour = split.train[spread_rows(len(split.train), BEHAVIOUR_ROWS)]

    def load(self, weights: Mapping[str, Array], *, partly: bool = False) -> None:
        """Take up the weights of a snapshot.

        With `partly`, some arrays may be missing; then only `look` may be asked, for maps of rows
        before `first_without` them.

        Raises
        ------
        ValueError
            They are of another network.
        """
        self._end = first_without(self.network.description, weights) if partly else None
        self.network.load({**self.network.weights(), **weights} if partly else weights)

    def _sharing(self) -> contextlib.AbstractContextManager[None]:
        use: Callable[[int], contextlib.AbstractContextManager[None]] | None
        use = getattr(kernels.choose(), "use_threads", None)
        return contextlib.nullcontext() if use is None else use(self.threads)

    def answers(
        self, rows: NDArray[np.int64] | None = None, *, check: Check = nothing
    ) -> Predictions:
        """Return what the network says of `rows`; by default of some validation images.

        Where nothing is kept for validation, training images are asked about.
        """
        rows = self.asked if rows is None else rows
        scores = np.empty((len(rows), self.network.classes))
        with self._sharing():
            for start in range(0, len(rows), BEHAVIOUR_ROWS):
                check()
                part = rows[start : start + BEHAVIOUR_ROWS]
                scores[start : start + len(part)] = self._scores(self.fitted.images.x[part], check)
        return Predictions.of_scores(rows, self.fitted.labels(rows), scores)

    def _scores(self, pixels: Array, check: Check) -> Array:
        def ask(mirrored: bool) -> Array:
            turned = np.ascontiguousarray(pixels[..., ::-1]) if mirrored else pixels
            return self.network.scores(self.fitted.normalise(turned), check=check)

        return scores_of_looks(ask, self.spec.mirror_looks)

    def look(
        self, pixels: Array, place: tuple[int, ...], view: View = "maps", *, check: Check = nothing
    ) -> Look:
        """Return what the row at `place` makes of one image (C, H, W), values 0 … 255.

        `view` says how that is to be seen, see `Look`.
        """
        x = self.fitted.normalise(pixels[None])
        seen: Array = x
        scores: Array = x
        with self._sharing():
            for layer, out in self.network.outputs(x, check=check):
                check()
                if layer.place[0] == self._end:
                    # From here on its weights are not those of the snapshot.
                    break
                scores = out
                if layer.place == place:
                    seen = out
            maps = seen[0]
            if view == "excites":
                maps = self._excite(place, maps.shape[0], check)
            elif view != "maps":
                maps = self._lit(x, pixels, place, view, check)
            if self._end is None and self.spec.mirror_looks:
                scores = self._scores(pixels[None], check)
        said = softmax(np.ravel(scores)) if self._end is None else np.empty(0)
        return Look(place, np.array(maps, np.float32), said, view)

    def _excite(self, place: tuple[int, ...], count: int, check: Check) -> Array:
        """Return images for the first filters of a row; always from the same noise."""
        units = range(min(count, MOST_EXCITED))
        rng = np.random.default_rng([10, *place])
        spread = SPREAD * float(self.fitted.factor.mean())
        return excite(self.network, place, units, rng, spread=spread, check=check)

    def _lit(
        self, x: Array, pixels: Array, place: tuple[int, ...], view: View, check: Check
    ) -> Array:
        """Return where the likeliest class comes from (2, C, H, W): heat, and the image lit by it."""
        channels, height, width = self.network.input_shape
        if view == "saliency":
            heat = saliency(self.network, x, check=check)
        else:
            row = row_with_maps(self.network, place)
            if row is None:
                return np.empty((0, channels, height, width))
            heat = enlarged(grad_cam(self.network, x, row, check=check), height, width)
        # A few pixels far above all others would leave the rest black.
        top = float(np.percentile(heat, 99.5)) or float(heat.max()) or 1.0
        heat = np.broadcast_to(np.clip(heat / top, 0, 1), (channels, height, width))
        return np.stack([heat, (DIM + (1 - DIM) * heat) * np.asarray(pixels, float) / 255])

    def behaviour(self, *, check: Check = nothing) -> tuple[LayerReading, ...]:
        """Return how each row of the list behaves on some training images."""
        x = self.fitted.rows(self._behaviour)
        readings = []
        with self._sharing():
            for layer, out in self.network.outputs(x, check=check):
                check()
                silent = (out == 0).reshape(*out.shape[:2], -1)
                readings.append(
                    LayerReading(
                        layer,
                        float(out.mean(dtype=np.float64)),
                        float(out.std(dtype=np.float64)),
                        float(silent.mean()),
                        float(silent.all(axis=(0, 2)).mean()),
                        Histogram.of(out),
                    )
                )
        return tuple(readings)
