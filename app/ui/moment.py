"""A moment of the past, as a panel shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.core.events import Snapshot
from app.ui.widgets.cost_plot import CostPlot
from app.ui.widgets.scrub_bar import ScrubBar

__all__ = ["Moment", "See", "ShowsMoments"]

# What a panel works out of a snapshot, in another thread than the window's.
See = Callable[[Snapshot], Any]


@dataclass(frozen=True)
class Moment:
    """The model after some step, with the settings that were in force.

    Attributes
    ----------
    snapshot : Snapshot
        What was drawn when it was new.
    spec : TrainingSpec
    whole : bool
        Whether all arrays of the network are there.
    note : str
        What a person should know of it.
    prompt : bool
        Whether it was worked out while a hand moved; it is looked at better when the hand rests.
    seen : object
        What the panel's own `See` returned.
    """

    snapshot: Snapshot
    spec: Any
    whole: bool = True
    note: str = ""
    prompt: bool = False
    seen: Any = field(default=None, repr=False)


class ShowsMoments(Protocol):
    """A panel that shows the past as it shows the present."""

    scrub_bar: ScrubBar
    curves: CostPlot  # a click in it goes there

    def seer(self, prompt: bool) -> See:
        """Return what works out all that is drawn of a moment."""

    def show_moment(self, moment: Moment) -> None:
        """Show the model as it was; what is new of the training waits."""

    def show_newest(self) -> None:
        """Show the newest weights again."""
