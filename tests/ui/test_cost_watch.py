"""One figure for the cost, with its name; and a warning when it rises far."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.events import Change, Finished, ParamsChanged
from app.core.history import History
from app.core.one_training import Training
from app.core.recipes import AutoencoderRecipe
from app.core.specs import AutoencoderSpec
from app.ui.cost_watch import CostWatch, newest_cost

from .conftest import make_patches


@pytest.fixture
def training() -> Training:
    recipe = AutoencoderRecipe()
    history = History(recipe.term_names)
    return Training(recipe, make_patches(), AutoencoderSpec(), history, steps_per_epoch=4)


def costs(*values: float) -> np.ndarray:
    """Return terms (n, 3) that sum to `values`."""
    return np.array(values)[:, None] * [0.5, 0.25, 0.25]


def test_the_newest_cost_is_of_the_last_epoch_and_then_of_the_whole_set(
    training: Training,
) -> None:
    assert newest_cost(training)[0] is None
    training.history.append(1, costs(100, 1, 2, 3, 6))
    terms, meaning = newest_cost(training)
    assert terms is not None
    assert terms.sum() == pytest.approx(3)
    assert "last epoch" in meaning
    training.ending = Finished("run", 5, 1.25, "done", np.array([1.0, 2.0, 3.0]), 1.0)
    terms, meaning = newest_cost(training)
    assert terms is not None
    assert terms.sum() == 6
    assert "whole training set" in meaning


def test_a_cost_that_rises_far_is_told_once(training: Training) -> None:
    watch, history = CostWatch(), training.history
    history.append(1, costs(10, 2, 3))
    assert watch.look(training) is None
    history.append(4, costs(*[2e12] * 40))
    said = watch.look(training)
    assert said == ("The cost has risen 1e12-fold since step 2.", "Lower η, then Reset.")
    history.append(44, costs(3e12))
    assert watch.look(training) is None
    again = Training(training.recipe, training.data, training.spec, history, steps_per_epoch=4)
    assert watch.look(again) is not None


def test_noise_and_another_cost_are_no_alarm(training: Training) -> None:
    watch, history = CostWatch(), training.history
    history.append(1, costs(*np.random.default_rng(0).uniform(1, 50, 200)))
    assert watch.look(training) is None
    history.take(ParamsChanged("run", 200, (Change("beta", 1e-3, 1e4),)))
    history.append(201, costs(*[1e6] * 50))
    assert watch.look(training) is None
