"""Who is ahead in a race, and by what."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.core.events import Event, Finished
from app.core.history import History

__all__ = ["JUDGES", "cost_of", "ordinal", "places", "value_of"]

# By what a racer is judged: in words, and whether less of it is better. J itself moves when ρ, β
# or λ do, so that only what all have in common says who is ahead.
JUDGES: dict[str, dict[str, tuple[str, bool]]] = {
    "autoencoder": {"reconstruction": ("reconstruction error", True), "cost": ("cost J", True)},
    "cnn": {"accuracy": ("validation accuracy", False), "cost": ("cost J", True)},
}


def value_of(
    history: History, steps_per_epoch: int, judge: str, ending: Event | None = None
) -> float | None:
    """Return what a racer is judged by now, or None before there is anything.

    Of a cost that is the mean over the batches of its last epoch, and at its end the cost over
    the whole set. One of the terms goes by its name.
    """
    if judge == "accuracy":
        known = [event.validation_accuracy for event in history.evaluations[-1:]]
        return known[0] if known else None
    terms = history.newest(steps_per_epoch)
    if isinstance(ending, Finished) and ending.terms is not None:
        terms = ending.terms
    if terms is None:
        return None
    value = terms.sum() if judge == "cost" else terms[history.term_names.index(judge)]
    return float(value) if math.isfinite(value) else None


def cost_of(history: History, steps_per_epoch: int, ending: Event | None = None) -> float | None:
    """Return J, as `value_of` does."""
    return value_of(history, steps_per_epoch, "cost", ending)


def places(values: Sequence[float | None], *, least_is_best: bool) -> list[int | None]:
    """Return the place of each, from 1; who is equal shares one, and who has no value has none."""
    sign = 1 if least_is_best else -1
    known = [sign * value for value in values if value is not None]
    return [
        None if value is None else 1 + sum(other < sign * value for other in known)
        for value in values
    ]


def ordinal(place: int | None) -> str:
    """Return a place in words, up to the number of racers: ``1st``; a dash for none."""
    if place is None:
        return "–"
    return f"{place}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(place, 'th') }"
