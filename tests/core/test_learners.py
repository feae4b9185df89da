"""What the trainer asks of a learner: calls, threads and engines change nothing; states are whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import kernels
from app.core.data.batches import EpochOrder
from app.core.learners import AutoencoderLearner
from app.core.models.autoencoder import cost_gradient, flatten, initial_weights
from app.core.solvers.first_order import MEMORY, update
from app.core.specs import AutoencoderSpec

ROWS, WIDTH = 150, 16
FIRST_ORDER = ("sgd", "momentum", "nesterov", "adam")
CALM = np.zeros(1, np.int32)


def rows():
    return np.random.default_rng(0).uniform(0.1, 0.9, (ROWS, WIDTH)).astype(np.float32)


def spec(**values):
    return AutoencoderSpec(hidden_units=5, batch_size=32, learning_rate=0.01).changed(**values)


def take(learner, settings, calls, order=None):
    order = EpochOrder(ROWS, 0).epoch(0) if order is None else order
    terms, done = [], 0
    for most in calls:
        outcome = learner.steps(order[done * settings.batch_size :], settings, CALM, most)
        terms.append(outcome.terms)
        done += len(outcome.terms)
    return np.concatenate(terms)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_the_steps_are_those_of_the_formulas(solver, precision):
    """The readable cost, gradient and rule, step by step, are the independent source."""
    settings = spec(solver=solver, precision=precision)
    learner = AutoencoderLearner(rows(), settings)
    terms = take(learner, settings, [5])
    weights = initial_weights(WIDTH, settings)
    theta = flatten(weights)
    memory = np.zeros((MEMORY[solver], theta.size), theta.dtype)
    x, order = rows().astype(precision), EpochOrder(ROWS, 0).epoch(0)
    expected = []
    for step in range(5):
        batch = x[order[step * 32 : step * 32 + 32]]
        parts = {}
        at = 0
        for name, array in weights.items():
            parts[name] = theta[at : at + array.size].reshape(array.shape)
            at += array.size
        cost, gradient, rho_hat = cost_gradient(
            parts, batch, lam=settings.lam, beta=settings.beta, rho=settings.rho, decoder="sigmoid"
        )
        expected.append(cost)
        update(solver, theta, flatten(gradient), memory, step + 1, 0.01, settings.momentum)
    bound = 1e-12 if precision == "float64" else 2e-5
    np.testing.assert_allclose(terms, expected, rtol=bound, atol=bound)
    np.testing.assert_allclose(learner.theta, theta, rtol=bound, atol=bound)
    np.testing.assert_allclose(learner.rho_hat, rho_hat, rtol=bound, atol=bound)
    assert len(order) % 32  # the last batch was a smaller one


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.sampled_from(FIRST_ORDER))
def test_the_division_into_calls_changes_nothing(calls, solver):
    settings = spec(solver=solver)
    whole, parts = (AutoencoderLearner(rows(), settings) for _ in range(2))
    together = take(whole, settings, [5])
    left = 5
    divided = []
    for most in calls:
        if left:
            divided.append(min(most, left))
            left -= divided[-1]
    if left:
        divided.append(left)
    np.testing.assert_array_equal(take(parts, settings, divided), together)
    np.testing.assert_array_equal(parts.theta, whole.theta)


@pytest.mark.parametrize("solver", [*FIRST_ORDER, "lbfgs"])
def test_the_number_of_threads_changes_nothing(solver):
    settings = spec(solver=solver)
    found = []
    for threads in (1, 2, 3):
        learner = AutoencoderLearner(rows(), settings, threads=threads)
        found.append(
            (take(learner, settings, [5] if solver != "lbfgs" else [1] * 4), learner.theta)
        )
    for terms, theta in found[1:]:
        np.testing.assert_array_equal(terms, found[0][0])
        np.testing.assert_array_equal(theta, found[0][1])


@pytest.mark.skipif(not kernels.COMPILED, reason="no compiled kernels here")
@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_both_engines_agree(solver):
    settings = spec(solver=solver, precision="float64")
    compiled, twin = (
        AutoencoderLearner(rows(), settings, engine=engine) for engine in ("compiled", "reference")
    )
    assert "compiled" in compiled.engine
    assert "NumPy" in twin.engine
    np.testing.assert_allclose(take(compiled, settings, [5]), take(twin, settings, [5]), rtol=1e-12)


def test_at_least_one_step_is_taken_whatever_interrupts():
    settings = spec()
    learner = AutoencoderLearner(rows(), settings)
    order = EpochOrder(ROWS, 0).epoch(0)
    outcome = learner.steps(order, settings, np.ones(1, np.int32), 5)
    assert len(outcome.terms) == 1


@pytest.mark.parametrize("solver", FIRST_ORDER)
def test_divergence_returns_to_the_last_finite_cost(solver):
    """A bad row in the fourth batch: the weights are those before it, however calls divide."""
    settings = spec(solver=solver)
    x = rows()
    order = EpochOrder(ROWS, 0).epoch(0)
    x[order[3 * 32 + 5]] = np.nan
    good = AutoencoderLearner(rows(), settings)
    take(good, settings, [2])
    for calls in ([5], [3, 2], [1, 1, 1, 1], [2, 3]):
        learner = AutoencoderLearner(x, settings)
        done, outcomes = 0, []
        for most in calls:
            outcomes.append(learner.steps(order[done * 32 :], settings, CALM, most))
            done += len(outcomes[-1].terms)
        assert [o.finite for o in outcomes[:-1]] == [True] * (len(outcomes) - 1)
        assert not outcomes[-1].finite
        assert done == 3
        # The third cost was the last finite one: it was seen at the weights after two steps.
        np.testing.assert_array_equal(learner.theta, good.theta)
        assert learner.taken == 2


@pytest.mark.parametrize("solver", [*FIRST_ORDER, "lbfgs"])
def test_a_state_holds_all_that_counts_and_shares_nothing(solver):
    settings = spec(solver=solver)
    learner = AutoencoderLearner(rows(), settings)
    calls = [1, 1, 1] if solver == "lbfgs" else [3]
    take(learner, settings, calls)
    state = learner.state()
    rest = EpochOrder(ROWS, 0).epoch(0)[3 * 32 :]
    ahead = take(learner, settings, [1], rest)
    other = AutoencoderLearner(rows(), settings.changed(seed=9))
    other.restore(state)
    np.testing.assert_array_equal(take(other, settings, [1], rest), ahead)
    np.testing.assert_array_equal(other.theta, learner.theta)
    # What was taken out is not changed by going on.
    again = AutoencoderLearner(rows(), settings)
    again.restore(state)
    np.testing.assert_array_equal(take(again, settings, [1], rest), ahead)
    assert all(isinstance(array, np.ndarray) for array in state.values())


@pytest.mark.parametrize(
    "other", [{"hidden_units": 6}, {"precision": "float64"}, {"solver": "sgd"}]
)
def test_a_state_of_another_network_is_refused(other):
    state = AutoencoderLearner(rows(), spec(**other)).state()
    learner = AutoencoderLearner(rows(), spec())
    before = learner.theta.copy()
    with pytest.raises(ValueError, match="another network or solver"):
        learner.restore(state)
    np.testing.assert_array_equal(learner.theta, before)


def test_a_rate_to_try_is_a_tenth():
    learner = AutoencoderLearner(rows(), spec())
    assert "0.001" in learner.suggestion(spec())
    assert "solver" in learner.suggestion(spec(solver="lbfgs"))


def test_a_moved_value_drops_the_curvature_and_leads_down_still():
    settings = spec(solver="lbfgs")
    learner = AutoencoderLearner(rows(), settings)
    take(learner, settings, [1] * 6)
    assert learner.lbfgs.pairs
    moved = settings.changed(lam=0.1)
    learner.params_changed(settings, moved)
    assert not learner.lbfgs.pairs
    terms = take(learner, moved, [1] * 5).sum(axis=1)
    assert np.all(np.diff(terms) <= 0)
    assert learner.evaluate(moved).sum() < terms[0]
