"""Update rules against torch and closed forms; L-BFGS against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from app.core.data.batches import EpochOrder
from app.core.learners import AutoencoderLearner
from app.core.models.autoencoder import flatten, initial_weights
from app.core.solvers.first_order import MEMORY, update
from app.core.solvers.lbfgs import LBFGS
from app.core.specs import AutoencoderSpec


@pytest.mark.parametrize("reg", [0.0, 0.2])
@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad"])
def test_rules_equal_torchs(solver, reg):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(20)
    theirs = torch.tensor(theta.copy(), requires_grad=True)
    rate, mu = 0.03, 0.8
    optimizer = {
        "sgd": lambda: torch.optim.SGD([theirs], lr=rate, weight_decay=reg),
        # Torch keeps velocity in units of the gradient, which is the same for a constant rate.
        "momentum": lambda: torch.optim.SGD([theirs], lr=rate, momentum=mu, weight_decay=reg),
        "nesterov": lambda: torch.optim.SGD(
            [theirs], lr=rate, momentum=mu, nesterov=True, weight_decay=reg
        ),
        "adam": lambda: torch.optim.Adam([theirs], lr=rate, weight_decay=reg),
        "rmsprop": lambda: torch.optim.RMSprop([theirs], lr=rate, weight_decay=reg),
        "adagrad": lambda: torch.optim.Adagrad([theirs], lr=rate, eps=1e-8, weight_decay=reg),
    }[solver]()
    memory = np.zeros((MEMORY[solver], 20))
    for step in range(1, 30):
        gradient = rng.standard_normal(20)
        update(solver, theta, gradient, memory, step, rate, mu, reg)
        theirs.grad = torch.tensor(gradient)
        optimizer.step()
        np.testing.assert_allclose(theta, theirs.detach().numpy(), rtol=1e-7, atol=1e-10)


def test_first_step_of_adam_is_the_rate():
    theta = np.zeros(3)
    update("adam", theta, np.array([5.0, -0.1, 1e-3]), np.zeros((2, 3)), 1, 0.01, 0.0)
    np.testing.assert_allclose(theta, [-0.01, 0.01, -0.01], rtol=1e-4)


def test_momentum_reaches_its_terminal_speed():
    theta, memory = np.zeros(1), np.zeros((1, 1))
    for step in range(400):
        update("momentum", theta, np.ones(1), memory, step + 1, 0.1, 0.9)
    assert memory[0, 0] == pytest.approx(-0.1 / (1 - 0.9))


def test_an_unknown_solver_is_refused():
    with pytest.raises(ValueError, match="no first-order solver"):
        update("newton", np.zeros(1), np.zeros(1), np.zeros((0, 1)), 1, 0.1, 0.0)


def rosenbrock(theta):
    a, b = theta[:-1], theta[1:]
    cost = (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum()
    gradient = np.zeros_like(theta)
    gradient[:-1] += -400 * a * (b - a**2) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a**2)
    return float(cost), gradient


def test_lbfgs_finds_the_end_of_rosenbrocks_valley():
    theta = np.full(10, -1.2)
    solver = LBFGS()
    costs = [solver.step(theta, rosenbrock)[0] for _ in range(200)]
    np.testing.assert_allclose(theta, 1, atol=1e-6)
    assert all(later <= earlier for earlier, later in itertools.pairwise(costs))
    assert solver.converged


def test_lbfgs_solves_a_quadratic_like_conjugate_gradients():
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    hessian = basis @ np.diag(np.linspace(1, 50, 8)) @ basis.T
    target = rng.standard_normal(8)

    def function(theta):
        difference = theta - target
        return float(difference @ hessian @ difference / 2), hessian @ difference

    theta, solver = np.zeros(8), LBFGS()
    for _ in range(40):
        solver.step(theta, function)
    np.testing.assert_allclose(theta, target, atol=1e-6)


def problem(rows=600):
    rng = np.random.default_rng(5)
    basis = rng.standard_normal((12, 36))
    x = 1 / (1 + np.exp(-(rng.standard_normal((rows, 12)) @ basis) / 4))
    spec = AutoencoderSpec(
        hidden_units=10, solver="lbfgs", precision="float64", rho=0.1, beta=0.3, lam=1e-4
    )
    return x.astype(np.float32), spec


def test_lbfgs_is_as_good_as_scipys_on_the_same_problem():
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    x, spec = problem()
    learner = AutoencoderLearner(x, spec)
    calm, rows = np.zeros(1, np.int32), np.arange(len(x))
    start = flatten(initial_weights(36, spec))

    def function(theta):
        terms, gradient, _ = learner._whole(theta, spec, gradient=True)
        return float(terms.sum()), gradient

    theirs = optimize.minimize(
        function, start, jac=True, method="L-BFGS-B", options={"maxiter": 150, "maxcor": 20}
    )
    for _ in range(150):
        learner.steps(rows, spec, calm, 1)
    ours = learner.evaluate(spec).sum()
    first = function(start)[0]
    assert ours - theirs.fun < 0.02 * (first - theirs.fun)
    assert learner.lbfgs.evaluations < 1.5 * theirs.nfev + 20


def test_a_live_value_drops_the_curvature():
    x, spec = problem(100)
    learner = AutoencoderLearner(x, spec)
    calm, rows = np.zeros(1, np.int32), np.arange(len(x))
    for _ in range(5):
        learner.steps(rows, spec, calm, 1)
    assert len(learner.lbfgs.pairs) == 5
    learner.params_changed(spec, spec.changed(rho=0.3))
    assert not learner.lbfgs.pairs
    before = learner.evaluate(spec.changed(rho=0.3)).sum()
    learner.steps(rows, spec.changed(rho=0.3), calm, 1)
    assert learner.evaluate(spec.changed(rho=0.3)).sum() < before


def test_lbfgs_terms_are_those_of_the_point_it_started_from():
    x, spec = problem(100)
    learner = AutoencoderLearner(x, spec)
    calm, rows = np.zeros(1, np.int32), np.arange(len(x))
    for _ in range(4):
        before = learner.evaluate(spec)
        outcome = learner.steps(rows, spec, calm, 1)
        np.testing.assert_allclose(outcome.terms[0], before, rtol=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "adam", "lbfgs"])
def test_a_restored_state_goes_on_exactly(solver):
    x, spec = problem(200)
    spec = spec.changed(solver=solver, batch_size=32, learning_rate=0.01)
    calm = np.zeros(1, np.int32)
    order = EpochOrder(200, 3)
    whole = AutoencoderLearner(x, spec)
    for epoch in range(6):
        whole.steps(order.epoch(epoch), spec, calm, 10**6)
        if epoch == 2:
            state = whole.state()
    again = AutoencoderLearner(x, spec.changed(seed=9))
    again.restore(state)
    for epoch in range(3, 6):
        again.steps(order.epoch(epoch), spec, calm, 10**6)
    np.testing.assert_array_equal(again.theta, whole.theta)


def test_a_state_of_another_network_is_refused():
    x, spec = problem(50)
    learner = AutoencoderLearner(x, spec)
    state = learner.state()
    other = AutoencoderLearner(x, spec.changed(hidden_units=4))
    with pytest.raises(ValueError, match="another network"):
        other.restore(state)
