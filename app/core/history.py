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
        """Return `changes` as a hand made them: one drag of a slider is one change, at its end.

        Of changes that were read from disk, the time is that which training had taken by then.
        """
        found: list[tuple[int, Change]] = []
        newest: dict[str, tuple[int, tuple[bool, float]]] = {}  # place in `found`, and when
        for place, (step, change) in enumerate(self.changes):
            now = self._when(place, step)
            at, before = newest.get(change.name, (-1, (now[0], -np.inf)))
            # Two clocks say nothing of what lies between them.
            if now[0] == before[0] and now[1] - before[1] <= ONE_MOVE_SECONDS:
                first = found[at][1]
                found[at] = (step, Change(change.name, first.old, change.new))
                newest[change.name] = (at, now)
            else:
                newest[change.name] = (len(found), now)
                found.append((step, change))
        return [(step, change) for step, change in found if change.old != change.new]

    def _when(self, place: int, step: int) -> tuple[bool, float]:
        """Return by which clock a change has its time, the live one or training's, and the time."""
        if place in self._seconds:
            return True, self._seconds[place]
        done = self.count_until(step)
        if done:
            return False, float(self.seconds[done - 1])
        return False, np.nan if step else 0.0

    def newest(self, steps: int, until: int | None = None) -> NDArray[np.float64] | None:
        """Return the mean terms (T,) of the last so many steps, or None before the first.

        With `until`, as it was when that many steps were done.
        """
        end = self.count_until(until)
        terms = self.terms[max(end - max(steps, 1), 0) : end]
        return terms.mean(axis=0) if len(terms) else None

    def count_until(self, step: int | None) -> int:
        """Return how many recorded steps are among the first `step`; all of them for None."""
        if step is None:
            return self._count
        return int(np.searchsorted(self.steps, step, side="right"))

    def until(self, step: int) -> History:
        """Return a copy of what was recorded when `step` steps were done."""
        copy = History(self.term_names, self._clock)
        count = copy._count = self.count_until(step)
        copy._steps = self._steps[: max(count, 1)].copy()
        copy._terms = self._terms[: max(count, 1)].copy()
        copy._accuracies = self._accuracies[: max(count, 1)].copy()
        copy._clocked = self._clocked[: max(count, 1)].copy()
        copy.changes = [(at, change) for at, change in self.changes if at <= step]
        copy.epoch_steps = [at for at in self.epoch_steps if at <= step]
        copy.evaluations = [event for event in self.evaluations if event.step <= step]
        return copy

    def extend(self, later: History) -> None:
        """Add what another history recorded of the steps after these."""
        before = self._clocked[self._count - 1] if self._count else 0.0
        new = self._more(len(later))
        self._steps[new], self._terms[new] = later.steps, later.terms
        self._accuracies[new], self._clocked[new] = later.accuracies, before + later.seconds
        self.changes.extend(later.changes)
        self.epoch_steps.extend(later.epoch_steps)
        self.evaluations.extend(later.evaluations)

    def _more(self, count: int) -> slice:
        """Make room for so many steps more; returns their places."""
        start, end = self._count, self._count + count
        if end > len(self._steps):
            room = max(end, 2 * len(self._steps))
            self._steps = np.resize(self._steps, room)
            self._accuracies = np.resize(self._accuracies, room)
            self._clocked = np.resize(self._clocked, room)
            grown = np.empty((room, len(self.term_names)))
            grown[:start] = self._terms[:start]
            self._terms = grown
        self._count = end
        return slice(start, end)

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
        before = self._clocked[self._count - 1] if self._count else 0.0
        new = self._more(len(terms))
        self._steps[new] = np.arange(first_step, first_step + len(terms))
        self._terms[new] = terms
        self._accuracies[new] = np.nan if accuracies is None else accuracies
        shares = np.arange(1, len(terms) + 1) / max(len(terms), 1)
        self._clocked[new] = before + seconds * shares
