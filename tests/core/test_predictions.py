"""Answers of a network, against counting by hand and scipy."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.predictions import Predictions, softmax


@pytest.fixture
def answers() -> Predictions:
    """Return four images of three classes: right, 0 for 1 surely, 2 for 1 barely, right."""
    probabilities = np.array([[0.8, 0.1, 0.1], [0.9, 0.1, 0.0], [0.1, 0.44, 0.46], [0.2, 0.1, 0.7]])
    return Predictions(np.array([10, 11, 12, 13]), np.array([0, 1, 1, 2]), probabilities)


def test_probabilities_are_scipys() -> None:
    special = pytest.importorskip("scipy.special")
    scores = np.random.default_rng(0).normal(0, 50, (20, 7)).astype(np.float32)
    np.testing.assert_allclose(
        softmax(scores), special.softmax(scores.astype(float), axis=1), rtol=1e-12
    )
    assert np.isfinite(softmax(np.array([[1e30, -1e30]]))).all()


def test_accuracy_confusion_and_loss_are_counted(answers: Predictions) -> None:
    assert answers.accuracy == 0.5
    assert answers.said.tolist() == [0, 0, 2, 2]
    np.testing.assert_array_equal(answers.confusion(), [[1, 0, 0], [1, 0, 1], [0, 0, 1]])
    assert answers.loss == pytest.approx(-np.log([0.8, 0.1, 0.44, 0.7]).mean())


def test_mistakes_begin_with_the_surest(answers: Predictions) -> None:
    assert answers.mistakes().tolist() == [1, 2]
    assert answers.rows[answers.mistakes()].tolist() == [11, 12]


def test_a_cell_holds_its_images_the_surest_first() -> None:
    probabilities = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8]])
    found = Predictions(np.arange(3), np.ones(3, np.int64), probabilities)
    assert found.cell(1, 0).tolist() == [1, 0]
    assert found.cell(1, 1).tolist() == [2]
    assert found.cell(0, 1).tolist() == []


def test_of_no_image_nothing_is_said() -> None:
    none = Predictions(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4)))
    assert (none.accuracy, none.loss) == (0.0, 0.0)
    assert none.confusion().sum() == 0
    assert len(none.mistakes()) == 0


def test_scores_make_the_same_answers() -> None:
    scores = np.random.default_rng(3).normal(size=(30, 5))
    labels = np.random.default_rng(4).integers(0, 5, 30)
    found = Predictions.of_scores(np.arange(30), labels, scores)
    assert found.said.tolist() == scores.argmax(axis=1).tolist()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
