"""What is read from a model while it trains, on a fixed handful of patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.data.patches import Patches
from app.core.models import autoencoder

__all__ = ["Probe", "Reading", "Sight", "UnitReading"]

Weights = Mapping[str, NDArray[np.float32]]

# A unit whose mean activation is beyond these does nothing that depends on the patch.
DEAD_BELOW = 1e-3
SATURATED_ABOVE = 1 - 1e-3

# Rows for what is read several times a second, and for what is read on a click.
QUICK_ROWS = 2_048
MOST_ROWS = 10_240
# While a hand moves, as many rows as need so many products: some milliseconds. But some at least.
PROMPT_PRODUCTS, LEAST_ROWS = 20_000_000, 64
BINS = 60
# Of a model that diverges the numbers are shown as they come; the trainer says that it does.
DIVERGING = np.errstate(over="ignore", invalid="ignore")


@dataclass(frozen=True)
class Reading:
    """What a model does with the probe.

    Attributes
    ----------
    rho_hat : ndarray, shape (L,)
        Mean activation of each hidden unit.
    dead, saturated : ndarray of int
        Units that are always off, or always on.
    errors : ndarray, shape (n,)
        Half the squared residual of each quick row: its share of the reconstruction cost.
    """

    rho_hat: NDArray[np.float32]
    dead: NDArray[np.intp]
    saturated: NDArray[np.intp]
    errors: NDArray[np.float32]


@dataclass(frozen=True)
class Sight:
    """All that is drawn of a model at once.

    Attributes
    ----------
    reading : Reading
    rows, output : ndarray, shape (n, D), optional
        Patches to look at, and what the model makes of them.
    counts, edges : ndarray, shape (B,) and (B + 1,), optional
        How the weights are spread.
    """

    reading: Reading
    rows: NDArray[np.float32] | None = None
    output: NDArray[np.float32] | None = None
    counts: NDArray[np.int64] | None = None
    edges: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class UnitReading:
    """What one hidden unit answers to.

    Attributes
    ----------
    activations : ndarray, shape (n,)
        Its activation on every probe row.
    strongest : ndarray of int, shape (k,)
        Probe rows that excite it most, strongest first.
    """

    activations: NDArray[np.float32]
    strongest: NDArray[np.intp]


def spread_rows(count: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` rows, spread evenly over `count`."""
    wanted = min(count, most)
    return (np.arange(wanted, dtype=np.int64) * count) // max(wanted, 1)


class Probe:
    """A copy of some training rows, and of held-out ones when there are any.

    Parameters
    ----------
    patches : Patches
        All rows of the open data.
    held_out : int
        How many of the last rows are kept from training.
    """

    def __init__(self, patches: Patches, held_out: int = 0) -> None:
        train, held = patches.split(held_out)
        rows = spread_rows(len(train.x), MOST_ROWS)
        self.count = len(train.x)
        self.x = np.ascontiguousarray(train.x[rows])
        self.held = np.ascontiguousarray(held.x[spread_rows(len(held.x), QUICK_ROWS)])
        self.image_shape = patches.image_shape
        self._quick = np.ascontiguousarray(self.x[spread_rows(len(self.x), QUICK_ROWS)])

    @DIVERGING
    def read(self, weights: Weights, decoder: str, *, prompt: bool = False) -> Reading:
        """Return mean activations and errors at `weights`; a few milliseconds.

        `prompt` keeps it to that for large models too: fewer rows are looked at.
        """
        rows = self._quick[self._few(weights)] if prompt else self._quick
        hidden = autoencoder.hidden(weights, rows)
        rho_hat = hidden.mean(axis=0)
        output = autoencoder.decode(weights, hidden, decoder)
        errors = 0.5 * np.square(output - rows).sum(axis=1)
        return Reading(
            rho_hat,
            np.flatnonzero(rho_hat < DEAD_BELOW),
            np.flatnonzero(rho_hat > SATURATED_ABOVE),
            errors,
        )

    def _few(self, weights: Weights) -> NDArray[np.int64]:
        """Return as many of the quick rows as can be looked at while a hand moves."""
        most = max(LEAST_ROWS, PROMPT_PRODUCTS // weights["W1"].size)
        return spread_rows(len(self._quick), most)

    def see(
        self,
        weights: Weights,
        decoder: str,
        *,
        which: str = "",
        count: int = 0,
        histogram: bool = False,
        prompt: bool = False,
    ) -> Sight:
        """Return what is drawn of a model: what it does, and what is asked for beside it.

        Parameters
        ----------
        which, count : str, int
            Which patches are looked at, see `choose`; none for an empty string, or where there
            are none of that kind.
        histogram : bool
            Whether to count how the weights of both layers are spread.
        prompt : bool
            Whether a hand moves and waits: see `read`.
        """
        reading = self.read(weights, decoder, prompt=prompt)
        rows = output = counts = edges = None
        if which and (which != "held out" or len(self.held)):
            rows = self.choose(which, count, reading.errors)
            output = self.reconstruct(weights, rows, decoder)
        if histogram:
            values = np.concatenate([weights["W1"].ravel(), weights["W2"].ravel()])
            counts, edges = np.histogram(values[np.isfinite(values)], BINS)
        return Sight(reading, rows, output, counts, edges)

    def choose(
        self, which: str, count: int, errors: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """Return rows (count, D) to look at: ``spread``, ``worst`` or ``held out``."""
        if which == "held out" and len(self.held):
            return self.held[spread_rows(len(self.held), count)]
        if which == "worst" and errors is not None:
            looked_at = spread_rows(len(self._quick), len(errors))
            worst = np.argsort(errors, kind="stable")[::-1][:count]
            return self._quick[looked_at[worst]]
        return self.x[spread_rows(len(self.x), count)]

    @DIVERGING
    def reconstruct(
        self, weights: Weights, rows: NDArray[np.float32], decoder: str
    ) -> NDArray[np.float32]:
        """Return what the model makes of `rows` (n, D)."""
        return autoencoder.reconstruct(weights, rows, decoder)

    @DIVERGING
    def read_unit(self, weights: Weights, unit: int, strongest: int) -> UnitReading:
        """Return what unit `unit` does on every row of the probe."""
        single = {"W1": weights["W1"][:, unit : unit + 1], "b1": weights["b1"][unit : unit + 1]}
        activations = autoencoder.hidden(single, self.x)[:, 0]
        order = np.argsort(activations, kind="stable")[::-1]
        return UnitReading(activations, order[:strongest])
