"""The numbers in an explanation are those of the formula."""

from __future__ import annotations

import re

import numpy as np
import pytest

from app.core.explain import Moment, explain, kl
from app.core.models.autoencoder import cost_gradient, initial_weights, parameter_count, sparsity
from app.core.params import describe
from app.core.specs import AutoencoderSpec

SPEC = AutoencoderSpec(hidden_units=5, rho=0.05, beta=0.5, lam=1e-3, solver="adam")


def moment(**values):
    given = {
        "spec": SPEC,
        "weights": initial_weights(16, SPEC),
        "rho_hat": np.array([0.1, 0.049, 0.6, 0.05, 0.3], np.float32),
        "unit": None,
        "examples": 10_240,
        "width": 16,
    }
    return Moment(**{**given, **values})


def numbers(text):
    return [float(n) for n in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)]


@pytest.mark.parametrize("rho", [0.01, 0.25, 0.8])
@pytest.mark.parametrize("mean", [0.0, 1e-12, 0.05, 0.25, 0.999, 1.0])
def test_the_divergence_is_that_of_the_cost(rho, mean):
    assert kl(rho, mean) == pytest.approx(sparsity(np.array([mean]), rho)[0], rel=1e-12)
    assert kl(rho, rho) == 0


@pytest.mark.parametrize("name", ["rho", "beta", "unit"])
def test_the_unit_that_is_furthest_off_is_shown_or_the_one_that_was_clicked(name):
    title, lines = explain(name, moment())
    assert "unit 2" in title
    distance = kl(0.05, 0.6)
    assert numbers(lines[-1]) == [
        0.5,
        *[pytest.approx(v, rel=5e-3) for v in (distance, distance / 2)],
    ]
    title, lines = explain(name, moment(unit=4))
    assert "unit 4" in title
    assert numbers(lines[0]) == [0.3, 0.05]
    assert numbers(lines[2])[-1] == pytest.approx(kl(0.05, 0.3), rel=5e-3)
    # A unit that is no more, after a smaller network was begun.
    assert "unit 2" in explain(name, moment(unit=99))[0]


def test_the_decay_is_that_of_the_cost():
    here = moment()
    x = np.random.default_rng(0).uniform(0.1, 0.9, (20, 16)).astype(np.float32)
    terms, _, _ = cost_gradient(here.weights, x, lam=1e-3, beta=0.5, rho=0.05, decoder="sigmoid")
    _, lines = explain("lam", here)
    assert numbers(lines[-1]) == [pytest.approx(terms[1], rel=5e-3)]


@pytest.mark.parametrize(
    ("solver", "said"),
    [("sgd", "η ∂J"), ("momentum", "μ v"), ("nesterov", "μ v"), ("adam", "usual size"), ("lbfgs", "not used")],
)  # fmt: skip
def test_the_rate_is_explained_for_each_solver(solver, said):
    _, lines = explain("learning_rate", moment(spec=SPEC.changed(solver=solver)))
    assert said in "\n".join(lines)
    assert ("0.006" in "\n".join(lines)) == (solver != "lbfgs")


def test_momentum_says_how_often_a_slope_counts():
    _, lines = explain("momentum", moment(spec=SPEC.changed(momentum=0.9)))
    assert numbers(lines[-1])[-1] == 10


def test_the_size_counts_every_number():
    _, lines = explain("hidden_units", moment())
    assert f"{parameter_count(16, 5)} numbers" in lines[1]
    assert parameter_count(16, 5) == sum(a.size for a in moment().weights.values())


@pytest.mark.parametrize(("solver", "steps"), [("adam", 79), ("lbfgs", 1)])
def test_the_steps_of_an_epoch_are_counted(solver, steps):
    spec = SPEC.changed(solver=solver, held_out=200, epochs=40)
    _, lines = explain("batch_size", moment(spec=spec))
    assert lines[1] == f"= {steps} steps an epoch"
    assert f"= {steps * 40:,} steps".replace(",", " ") in lines[2]
    assert "0 patches" in explain("held_out", moment(spec=spec, examples=10))[1][0]


@pytest.mark.parametrize("name", [*(p.name for p in describe(AutoencoderSpec)), "unit", "whatever"])
@pytest.mark.parametrize("known", [True, False])
def test_every_control_has_something_to_say_at_any_time(name, known):
    here = moment() if known else moment(weights=None, rho_hat=None)
    title, lines = explain(name, here)
    assert title
    assert lines
    assert all("nan" not in line and "\n" not in line for line in lines)
    assert explain(name, moment(rho_hat=np.empty(0, np.float32)))[1]
    assert all("nan" not in line for line in explain(name, moment(rho_hat=np.array([0.0, 1.0])))[1])
