"""What is known of one racer by whoever looks on: its feed, its record, how it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from app.core.compare.curves import RunCurve, curve_of
from app.core.data.patches import Patches
from app.core.events import (
    Event,
    Failed,
    Finished,
    Noted,
    ParamsChanged,
    Paused,
    Resumed,
    Snapshot,
    Started,
)
from app.core.feed import Feed
from app.core.history import History
from app.core.nn.reading import first_filters
from app.core.params import describe, format_number
from app.core.race.entry import Settings
from app.core.race.lockstep import Racer
from app.core.race.standing import value_of

__all__ = ["Contestant"]


@dataclass
class Contestant:
    """One racer, as it is seen.

    Attributes
    ----------
    name, colour : str
        What it has of its own, and its colour everywhere.
    feed : Feed
        Where its events come in.
    moved : dict
        Live values that were moved, as they are now.
    racer : Racer or None
        None until its run has a folder.
    """

    name: str
    colour: str
    spec: Settings
    feed: Feed
    history: History
    steps_per_epoch: int = 1
    total_steps: int = 0
    snapshot: Snapshot | None = None
    ending: Finished | Failed | None = None
    waits: bool = False
    moved: dict[str, Any] = field(default_factory=dict)
    racer: Racer | None = None

    @property
    def out(self) -> str:
        """Why it is out of the race; empty while it is not."""
        return self.ending.message if isinstance(self.ending, Failed) else ""

    @property
    def epochs(self) -> float:
        """How far it is."""
        steps = self.history.steps
        return float(steps[-1]) / self.steps_per_epoch if len(steps) else 0.0

    @property
    def share(self) -> float:
        """How far it is, from 0 to 1; who is out or done is at the end."""
        return 1.0 if self.ending is not None else self.epochs / max(self.spec.epochs, 1)

    @property
    def path(self) -> Path | None:
        """Its run's folder."""
        return None if self.racer is None else self.racer.run.path

    @property
    def called(self) -> str:
        """Its name, with what was moved since."""
        now = ", ".join(f"{symbol} → {format_number(v)}" for symbol, v in self.moved.items())
        return f"{self.name}  ({now})" if now else self.name

    def value(self, judge: str) -> float | None:
        """Return what it is judged by; None when it is out."""
        if self.out:
            return None
        return value_of(self.history, self.steps_per_epoch, judge, self.ending)

    def curve(self, what: str) -> RunCurve | None:
        """Return a quantity of its run, against epochs."""
        if self.racer is None:
            return None
        info = self.racer.run.info
        return curve_of(info, self.history, what, "epoch", name=self.called, colour=self.colour)

    def tiles(self, data: Any) -> NDArray[Any] | None:
        """Return its filters as pictures (n, C, H, W), or None where they are none.

        `data` are the patches or images that are raced on.
        """
        if self.snapshot is None:
            return None
        weights = self.snapshot.weights
        if not isinstance(data, Patches):
            return first_filters(weights)
        pixels: NDArray[Any] = data.fitted.to_pixels(weights["W1"])
        return pixels.T.reshape(-1, *data.image_shape)

    def take(self, event: Event) -> Noted | Failed | None:
        """Take in what happened; returns what a person should be told."""
        self.history.take(event)
        if isinstance(event, Started):
            self.steps_per_epoch = max(event.steps_per_epoch, 1)
            self.total_steps = event.total_steps
        elif isinstance(event, ParamsChanged):
            for change in event.changes:
                self.moved[self._symbol(change.name)] = change.new
        elif isinstance(event, Paused):
            self.waits = True
        elif isinstance(event, Resumed):
            self.waits = False
        elif isinstance(event, Finished | Failed):
            self.ending = event
        return event if isinstance(event, Noted | Failed) else None

    def _symbol(self, name: str) -> str:
        found = next(p for p in describe(type(self.spec)) if p.name == name)
        return found.hyper.symbol or found.hyper.label
