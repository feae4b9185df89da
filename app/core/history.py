"""Every step that was taken, in arrays that grow by doubling; nothing is thinned."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.core.events import Change, EpochEnded, Evaluated, Event, ParamsChanged, Steps

__all__ = ["History"]

# Changes of one value that follow each other within so many seconds are one move of a hand.
ONE_MOVE_SECONDS = 1.0


class History:
    """The terms of the cost at every step, and what was changed when.

    Parameters
    ----------
    term_names : tuple of str
        Names of the T terms.
    clock : callable
        Seconds, monotonic.

    Attributes
    ----------
    changes : list of (int, Change)
        Live values that moved, with the number of steps that were done by then.
    epoch_steps : list of int
        Step at which each epoch ended.
    evaluations : list of Evaluated
        How well the network named images, in order.
    """

    def __init__(
        self, term_names: tuple[str, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.term_names = term_names
        self._clock = clock
        # When each of `changes` came in, by its place; nothing of those that were read from disk.
        self._seconds: dict[int, float] = {}
        self.changes: list[tuple[int, Change]] = []
        self.epoch_steps: list[int] = []
        self.evaluations: list[Evaluated] = []
        self._steps: NDArray[np.int64] = np.empty(256, np.int64)
        self._terms: NDArray[np.float64] = np.empty((256, len(term_names)))
        self._accuracies: NDArray[np.float64] = np.empty(256)
        self._clocked: NDArray[np.float64] = np.empty(256)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def steps(self) -> NDArray[np.int64]:
        """(N,) numbers of the recorded steps, counted from 1."""
        return self._steps[: self._count]

    @property
    def terms(self) -> NDArray[np.float64]:
        """(N, T) terms that each step saw."""
        return self._terms[: self._count]

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """(N,) shares of each step's batch that were named rightly; NaN where nothing is named."""
        return self._accuracies[: self._count]

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(N,) seconds that all steps took until the end of each; NaN where nobody took the time."""
        return self._clocked[: self._count]

    def take(self, event: Event) -> None:
        """Keep what `event` says; events of other kinds are ignored."""
        if isinstance(event, Steps):
            self.append(event.first_step, event.terms, event.accuracies, event.seconds)
        elif isinstance(event, ParamsChanged):
            for place in range(len(self.changes), len(self.changes) + len(event.changes)):
                self._seconds[place] = self._clock()
            self.changes.extend((event.step, change) for change in event.changes)
        elif isinstance(event, EpochEnded):
            self.epoch_steps.append(event.step)
        elif isinstance(event, Evaluated):
            self.evaluations.append(event)

    def moves(self) -> list[tuple[int, Change]]:
        """Return `changes` as a hand made them: one drag of a slider is one change, at its end."""
        found: list[tuple[int, Change]] = []
        newest: dict[str, tuple[int, float]] = {}  # place in `found`, and when
        for place, (step, change) in enumerate(self.changes):
            now = self._seconds.get(place, -np.inf)
            at, before = newest.get(change.name, (-1, -np.inf))
            if now - before <= ONE_MOVE_SECONDS:
                first = found[at][1]
                found[at] = (step, Change(change.name, first.old, change.new))
                newest[change.name] = (at, now)
            else:
                newest[change.name] = (len(found), now)
                found.append((step, change))
        return [(step, change) for step, change in found if change.old != change.new]

    def newest(self, steps: int) -> NDArray[np.float64] | None:
        """Return the mean terms (T,) of the last so many steps, or None before the first."""
        terms = self.terms[-max(steps, 1) :]
        return terms.mean(axis=0) if len(terms) else None

    def append(
        self,
        first_step: int,
        terms: NDArray[np.float64],
        accuracies: NDArray[np.float64] | None = None,
        seconds: float = np.nan,
    ) -> None:
        """Add the terms (n, T) of consecutive steps, and the accuracies (n,) of their batches.

        `seconds` is how long they took, all in all.
        """
        end = self._count + len(terms)
        if end > len(self._steps):
            room = max(end, 2 * len(self._steps))
            self._steps = np.resize(self._steps, room)
            self._accuracies = np.resize(self._accuracies, room)
            self._clocked = np.resize(self._clocked, room)
            grown = np.empty((room, len(self.term_names)))
            grown[: self._count] = self._terms[: self._count]
            self._terms = grown
        self._steps[self._count : end] = np.arange(first_step, first_step + len(terms))
        self._terms[self._count : end] = terms
        self._accuracies[self._count : end] = np.nan if accuracies is None else accuracies
        before = self._clocked[self._count - 1] if self._count else 0.0
        shares = np.arange(1, len(terms) + 1) / max(len(terms), 1)
        self._clocked[self._count : end] = before + seconds * shares
        self._count = end
