"""What is read from a model agrees with the model, row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.data.patches import FittedPreprocess, Patches, Source
from app.core.models.autoencoder import (
    cost_gradient,
    hidden,
    initial_weights,
    reconstruct,
    strongest,
)
from app.core.probe import QUICK_ROWS, Probe, spread_rows
from app.core.specs import AutoencoderSpec, PreprocessSpec

SPEC = AutoencoderSpec(hidden_units=6)


def patches(count=300):
    x = np.random.default_rng(0).uniform(0.1, 0.9, (count, 16)).astype(np.float32)
    fitted = FittedPreprocess(PreprocessSpec(), (1, 4, 4), 0.1, 0.3)
    source = Source("p.npy", "data", "NHW", "0..1", count, (1, 4, 4), "float32", "0" * 64)
    return Patches(x, (1, 4, 4), fitted, source)


def weights():
    return initial_weights(16, SPEC)


@given(st.integers(0, 5000), st.integers(0, 3000))
def test_rows_are_spread_evenly_and_each_taken_once(count, most):
    rows = spread_rows(count, most)
    assert len(rows) == min(count, most)
    if len(rows):
        assert rows[0] == 0
        assert rows[-1] < count
        gaps = np.diff(rows)
        assert gaps.size == 0 or (gaps.min() >= 1 and gaps.max() - gaps.min() <= 1)


@pytest.mark.parametrize("decoder", ["sigmoid", "linear"])
@pytest.mark.parametrize("count", [300, QUICK_ROWS * 2 + 3])
def test_a_reading_is_that_of_the_cost(decoder, count):
    data = patches(count)
    reading = Probe(data).read(weights(), decoder)
    x = data.x[spread_rows(count, QUICK_ROWS)]
    terms, _, rho_hat = cost_gradient(weights(), x, lam=0, beta=0, rho=0.05, decoder=decoder)
    np.testing.assert_allclose(reading.rho_hat, rho_hat, rtol=1e-5)
    # Each row's share: their mean is the reconstruction term.
    assert reading.errors.mean() == pytest.approx(terms[0], rel=1e-5)
    assert len(reading.errors) == len(x)


def test_a_model_that_diverges_is_read_without_a_word():
    w = {name: array.astype(np.float32) * np.float32(1e30) for name, array in weights().items()}
    w["b2"][:] = 1e38
    probe = Probe(patches())
    for _ in range(2):
        sight = probe.see(w, "linear", which="worst", count=4, histogram=True)
        assert np.isinf(sight.reading.errors).all()
        assert sight.rows is not None
        assert sight.rows.shape == (4, 16)
        assert np.isfinite(probe.read_unit(w, 2, 3).activations).all()


def test_dead_and_saturated_units_are_named():
    w = weights()
    w["b1"][1], w["b1"][4] = -100, 100
    reading = Probe(patches()).read(w, "sigmoid")
    assert reading.dead.tolist() == [1]
    assert reading.saturated.tolist() == [4]


def test_held_out_rows_are_never_among_the_others():
    data = patches(300)
    probe = Probe(data, held_out=40)
    assert probe.count == 260
    np.testing.assert_array_equal(probe.x, data.x[:260])
    np.testing.assert_array_equal(probe.held, data.x[260:])
    np.testing.assert_array_equal(
        probe.choose("held out", 4, None), data.x[260:][spread_rows(40, 4)]
    )
    # Without any, the others are shown.
    np.testing.assert_array_equal(
        Probe(data).choose("held out", 4, None), data.x[spread_rows(300, 4)]
    )


def test_the_worst_rows_come_first():
    probe = Probe(patches())
    errors = probe.read(weights(), "sigmoid").errors
    rows = probe.choose("worst", 5, errors)
    output = reconstruct(weights(), rows, "sigmoid")
    shares = 0.5 * np.square(output - rows).sum(axis=1)
    np.testing.assert_allclose(shares, np.sort(errors)[::-1][:5], rtol=1e-5)
    np.testing.assert_array_equal(probe.choose("worst", 5, None), probe.choose("spread", 5, None))


def test_what_a_unit_answers_to_is_found():
    probe = Probe(patches())
    reading = probe.read_unit(weights(), 3, 7)
    np.testing.assert_allclose(reading.activations, hidden(weights(), probe.x)[:, 3], rtol=1e-6)
    rows, _ = strongest(weights(), probe.x, 3, 7)
    np.testing.assert_array_equal(np.sort(reading.strongest), np.sort(rows))
    assert np.all(np.diff(reading.activations[reading.strongest]) <= 0)


def test_a_probe_is_a_copy_that_outlives_its_data():
    data = patches()
    probe = Probe(data)
    assert not np.shares_memory(probe.x, data.x)
    assert Probe(patches(1)).read(weights(), "sigmoid").errors.shape == (1,)
