"""The checks that train, on images small enough for a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core import checks
from app.core.checks import trainings
from app.core.checks.outcomes import Conditions, run_check
from app.core.errors import Cancelled
from tests.core.checks.images import stripes


@pytest.mark.parametrize("name", ["convnet_overfit", "convnet_epoch"])
def test_without_cifar_they_are_not_here_and_say_what_to_do(name, monkeypatch, tmp_path):
    outcome = run_check(checks.CHECKS[name])
    assert outcome.passed is None
    assert "--data" in outcome.note
    assert outcome.needs == "CIFAR-10"


def test_what_is_no_cifar_fails_with_its_reason(tmp_path):
    outcome = run_check(checks.CHECKS["convnet_overfit"], Conditions(data=tmp_path / "none"))
    assert outcome.passed is False
    assert "none" in outcome.note


def test_learning_by_heart_is_measured(monkeypatch):
    monkeypatch.setattr(trainings, "_cifar", lambda _: stripes())
    outcome = run_check(checks.CHECKS["convnet_overfit"], Conditions(data=Path("unused")))
    told = {one.name: one for one in outcome.measures}
    assert told["train accuracy"].value > 0.8
    # These are three classes that are easy to tell apart: no 22 % here.
    assert told["validation accuracy"].value > 0.5
    assert not told["no more than"].passed
    assert outcome.passed is False


def test_an_epoch_is_the_median_of_three_seeds_and_its_filters_have_a_shape(monkeypatch):
    monkeypatch.setattr(trainings, "_cifar", lambda _: stripes(count=4000))
    said = []
    outcome = run_check(
        checks.CHECKS["convnet_epoch"],
        Conditions(between=lambda text, share: said.append((text, share))),
    )
    told = {one.name: one for one in outcome.measures}
    assert told["train accuracy"].passed
    assert told["validation accuracy"].passed
    assert {text.split(",")[0] for text, _ in said} == {f"Seed {n} of 3" for n in (1, 2, 3)}
    shares = [share for _, share in said]
    assert shares == sorted(shares)


def test_a_training_can_be_given_up(monkeypatch):
    monkeypatch.setattr(trainings, "_cifar", lambda _: stripes())

    def between(_text, share):
        if share > 0.1:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run_check(checks.CHECKS["convnet_overfit"], Conditions(between=between))


def test_settings_are_those_of_the_exercise():
    spec = trainings.EPOCH
    assert (spec.layers, spec.batch_size, spec.epochs, spec.solver) == (
        "conv 32 7x7, relu, pool 2, affine 500, relu", 50, 1, "adam",
    )  # fmt: skip
    assert (spec.learning_rate, spec.reg, spec.weight_scale, spec.initialisation) == (
        1e-3, 1e-3, 1e-3, "normal",
    )  # fmt: skip
    assert (trainings.OVERFIT.epochs, trainings.OVERFIT.batch_size) == (15, 50)
