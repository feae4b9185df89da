"""What is counted before a training, against data whose faults are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.core.data.health import examine
from app.core.errors import Cancelled
from tests.core.data.test_preprocess import photographs_like, raw_of


def test_sound_data_is_called_sound():
    data = np.random.default_rng(0).integers(0, 256, (500, 3, 4, 4), dtype=np.uint8)
    health = examine(raw_of(data))
    assert (health.not_finite, health.constant, health.duplicates) == (0, 0, 0)
    assert (health.low, health.high) == (data.min(), data.max())
    assert not health.outside
    wanted, edges = np.histogram(data, 64, (0, 255))
    assert np.array_equal(health.histogram, wanted)
    assert np.array_equal(health.bin_edges, edges)
    assert health.sentence == "Values 0 … 255; no NaN, no constant patch, no duplicate"


def test_each_fault_is_counted_once():
    data = np.random.default_rng(0).random((500, 3, 4, 4))
    data[3, 0, 0, 0] = np.nan
    data[4, 2, 3, 3] = -np.inf
    data[5, 2, 3, 3] = 1e300
    data[10] = 0.25
    data[11] = 0.5
    data[20:23] = data[30]
    data[40] = data[41]
    health = examine(raw_of(data, "0..1"))
    assert (health.not_finite, health.constant, health.duplicates) == (3, 2, 4)
    assert 0 <= health.low < health.high <= 1
    for words in ("3 with NaN", "2 constant", "4 duplicates"):
        assert words in health.sentence
    assert "\n" not in health.sentence


def test_values_outside_of_what_was_said_are_noticed():
    health = examine(raw_of(photographs_like().astype(np.float32), "0..1"))
    assert health.outside
    assert "outside the range" in health.sentence
    assert health.bin_edges[-1] == health.high


@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_data_with_nothing_in_it_has_a_histogram_all_the_same(value):
    health = examine(raw_of(np.full((8, 1, 4, 4), value), "0..1"))
    assert np.isfinite(health.bin_edges).all()
    assert (np.diff(health.bin_edges) > 0).all()


@pytest.mark.parametrize("shape", [(1, 3, 3), (3, 5, 5), (1, 2, 2)])
def test_duplicates_are_found_whatever_the_length_of_a_patch(shape):
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, (9000, *shape), dtype=np.uint8)
    known = len(data) - len(np.unique(data.reshape(len(data), -1), axis=0))
    data[8999] = data[0]
    assert examine(raw_of(data)).duplicates == known + 1


def test_it_can_be_given_up():
    with pytest.raises(Cancelled):
        examine(raw_of(photographs_like()), cancel=lambda: True)


def test_a_note_that_is_a_sentence_ends_once():
    health = examine(raw_of(np.zeros((2, 1, 2, 2), np.uint8)))
    notes = ("notpic.png is not opened: it cannot be decoded.", "tiny.png is too small.")
    said = dataclasses.replace(health, notes=notes).sentence
    assert said.endswith("; notpic.png is not opened: it cannot be decoded; tiny.png is too small")
