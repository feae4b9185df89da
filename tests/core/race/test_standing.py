"""Who is ahead, and by what."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.events import Evaluated, Finished, Steps
from app.core.history import History
from app.core.race.standing import cost_of, ordinal, places, value_of

NAMES = ("reconstruction", "decay", "sparsity")


def history(rows) -> History:
    found = History(NAMES)
    found.take(Steps("run", 1, np.array(rows, np.float64), 1, 0.1))
    return found


def test_a_value_is_the_mean_of_the_last_epoch() -> None:
    found = history([[9, 9, 9], [2, 1, 0], [4, 1, 2]])
    assert value_of(found, 2, "reconstruction") == 3
    assert value_of(found, 2, "cost") == cost_of(found, 2) == 5
    assert value_of(History(NAMES), 2, "cost") is None


def test_at_the_end_it_is_the_cost_over_the_whole_set() -> None:
    found = history([[9.0, 9, 9]])
    ending = Finished("run", 1, 1.0, "done", np.array([1.0, 2.0, 4.0]), 0.1)
    assert value_of(found, 1, "reconstruction", ending) == 1
    assert cost_of(found, 1, ending) == 7
    assert cost_of(found, 1, Finished("run", 1, 1.0, "stopped", None, 0.1)) == 27


def test_what_is_no_number_is_no_value() -> None:
    assert cost_of(history([[np.inf, 0, 0]]), 1) is None


def test_networks_of_layers_are_judged_by_validation() -> None:
    found = History(("data", "l2"))
    assert value_of(found, 1, "accuracy") is None
    for accuracy in (0.3, 0.6):
        found.take(Evaluated("run", 1, 1.0, 0.9, accuracy, 1.0, True))
    assert value_of(found, 1, "accuracy") == 0.6


@pytest.mark.parametrize(
    ("values", "least", "expected"),
    [
        ([0.3, 0.1, 0.2], True, [3, 1, 2]),
        ([0.3, 0.1, 0.2], False, [1, 3, 2]),
        ([0.1, None, 0.1, 0.2], True, [1, None, 1, 3]),
        ([], True, []),
    ],
)
def test_places(values, least, expected) -> None:
    assert places(values, least_is_best=least) == expected


def test_places_in_words() -> None:
    assert [ordinal(place) for place in (1, 2, 3, 4, None)] == ["1st", "2nd", "3rd", "4th", "–"]
