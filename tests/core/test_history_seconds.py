"""How long the steps took is recorded with them."""

from __future__ import annotations

import numpy as np

from app.core.events import Steps
from app.core.history import History
from app.core.runs.log import replay

TERMS = ("a", "b")


def test_seconds_add_up_step_by_step() -> None:
    history = History(TERMS)
    history.take(Steps("r", 1, np.ones((4, 2)), 4, 2.0))
    history.take(Steps("r", 5, np.ones((1, 2)), 1, 3.0))
    np.testing.assert_allclose(history.seconds, [0.5, 1, 1.5, 2, 5])


def test_a_record_without_them_leaves_them_open() -> None:
    history = History(TERMS)
    replay(history, {"type": "steps", "first": 1, "terms": [[1.0, 1.0]], "seconds": 1.0})
    replay(history, {"type": "steps", "first": 2, "terms": [[1.0, 1.0]]})
    np.testing.assert_array_equal(history.seconds, [1.0, np.nan])
