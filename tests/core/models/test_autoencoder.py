"""The readable network against central differences, the singular values, and the formula itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.models import autoencoder
from app.core.specs import AutoencoderSpec


def cost_by_the_formula(weights, x, lam, beta, rho, decoder):
    """SPEC B, loop by loop, sharing no line with the program."""
    n = len(x)
    total = 0.0
    means = np.zeros(weights["W1"].shape[1])
    for row in x:
        h = 1 / (1 + np.exp(-(weights["W1"].T @ row + weights["b1"])))
        a = weights["W2"].T @ h + weights["b2"]
        o = a if decoder == "linear" else 1 / (1 + np.exp(-a))
        total += ((row - o) ** 2).sum()
        means += h / n
    kl = sum(rho * np.log(rho / m) + (1 - rho) * np.log((1 - rho) / (1 - m)) for m in means)
    squares = (weights["W1"] ** 2).sum() + (weights["W2"] ** 2).sum()
    return total / (2 * n), lam / 2 * squares, beta * kl


problem = st.fixed_dictionaries(
    {
        "width": st.integers(2, 9),
        "units": st.integers(1, 6),
        "rows": st.integers(1, 7),
        "lam": st.floats(0, 0.1),
        "beta": st.floats(0, 10),
        "rho": st.floats(0.01, 0.99),
        "decoder": st.sampled_from(["sigmoid", "linear"]),
        "seed": st.integers(0, 1000),
    }
)


def make(p):
    spec = AutoencoderSpec(hidden_units=p["units"], seed=p["seed"], precision="float64")
    weights = autoencoder.initial_weights(p["width"], spec)
    x = np.random.default_rng(p["seed"]).uniform(0.1, 0.9, (p["rows"], p["width"]))
    keys = {name: p[name] for name in ("lam", "beta", "rho", "decoder")}
    return weights, x, keys


@given(problem)
def test_terms_are_those_of_the_formula(p):
    weights, x, keys = make(p)
    terms, _, _ = autoencoder.cost_gradient(weights, x, **keys)
    expected = cost_by_the_formula(weights, x, **keys)
    np.testing.assert_allclose(terms, expected, rtol=1e-11, atol=1e-13)


@given(problem)
@settings(max_examples=40)
def test_gradient_equals_central_differences(p):
    weights, x, keys = make(p)
    _, gradient, _ = autoencoder.cost_gradient(weights, x, **keys)
    step = 1e-5
    for name, array in weights.items():
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            sides = []
            # Five points: the error of the difference itself is far below the bound.
            for shift in (2, 1, -1, -2):
                array[index] = kept + shift * step
                sides.append(autoencoder.cost_gradient(weights, x, **keys)[0].sum())
            array[index] = kept
            far_up, up, down, far_down = sides
            numeric[index] = (8 * (up - down) - (far_up - far_down)) / (12 * step)
        scale = max(np.abs(numeric).max(), np.abs(gradient[name]).max(), 1e-3)
        assert np.abs(gradient[name] - numeric).max() / scale < 1e-7, name


def test_initial_weights_fill_the_interval_of_the_exercise():
    weights = autoencoder.initial_weights(256, AutoencoderSpec(hidden_units=64))
    w0 = np.sqrt(6 / 320)
    assert w0 == pytest.approx(0.13693, abs=5e-6)
    for array in weights.values():
        assert np.abs(array).max() <= w0
    assert np.abs(weights["W1"]).max() > 0.999 * w0
    assert abs(float(weights["W1"].std()) - w0 / np.sqrt(3)) < 1e-3


def test_same_seed_same_weights_and_another_seed_others():
    first = autoencoder.initial_weights(8, AutoencoderSpec(hidden_units=3, seed=5))
    again = autoencoder.initial_weights(8, AutoencoderSpec(hidden_units=3, seed=5))
    other = autoencoder.initial_weights(8, AutoencoderSpec(hidden_units=3, seed=6))
    np.testing.assert_array_equal(first["W1"], again["W1"])
    assert not np.array_equal(first["W1"], other["W1"])


def test_sigmoid_never_overflows():
    with np.errstate(all="raise", under="ignore"):
        values = autoencoder.sigmoid(np.array([-1e4, -700.0, 0.0, 700.0, 1e4]))
    np.testing.assert_allclose(values, [0, 0, 0.5, 1, 1], atol=1e-300)


def test_saturated_units_give_finite_cost_and_slope():
    cost, slope = autoencoder.sparsity(np.array([0.0, 1.0, 0.3]), 0.05)
    assert np.isfinite(cost)
    assert np.isfinite(slope).all()
    assert slope[0] < 0 < slope[1]


def test_flat_and_shaped_weights_are_the_same_memory():
    weights = autoencoder.initial_weights(5, AutoencoderSpec(hidden_units=3))
    theta = autoencoder.flatten(weights)
    parts = autoencoder.unflatten(theta, 5, 3)
    for name, array in weights.items():
        np.testing.assert_array_equal(parts[name], array)
    parts["W2"][0, 0] = 42
    assert 42 in theta


@pytest.mark.parametrize("components", [0, 1, 5, 12])
def test_pca_bound_is_what_the_singular_values_leave(components):
    rng = np.random.default_rng(3)
    x = (rng.standard_normal((500, 12)) @ rng.standard_normal((12, 12))).astype(np.float32)
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    singular = np.linalg.svd(centred, compute_uv=False)
    expected = (singular[components:] ** 2).sum() / (2 * len(x))
    assert autoencoder.pca_bound(x, components) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_no_linear_code_beats_the_pca_bound():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((300, 10)) @ rng.standard_normal((10, 10))
    bound = autoencoder.pca_bound(x, 3)
    centred = x - x.mean(axis=0)
    for _ in range(20):
        basis, _ = np.linalg.qr(rng.standard_normal((10, 3)))
        loss = ((centred - centred @ basis @ basis.T) ** 2).sum() / (2 * len(x))
        assert loss >= bound - 1e-9


def test_strongest_patches_are_ordered_by_activation():
    weights = autoencoder.initial_weights(6, AutoencoderSpec(hidden_units=4, precision="float64"))
    x = np.random.default_rng(0).random((50, 6))
    rows, values = autoencoder.strongest(weights, x, 2, 5)
    every = autoencoder.hidden(weights, x)[:, 2]
    np.testing.assert_allclose(values, np.sort(every)[::-1][:5])
    np.testing.assert_allclose(every[rows], values)
