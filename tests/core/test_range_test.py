"""The range test happens on a copy, and its band lies where the loss falls."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.data.batches import EpochOrder
from app.core.errors import Cancelled, UsageError
from app.core.learners import AutoencoderLearner, ConvNetLearner, StepOutcome
from app.core.range_test import RangeBand, RangePoint, RangeTest, suggest_band
from app.core.specs import AutoencoderSpec
from tests.core.learners_of_images import data, spec

CALM = np.zeros(1, np.int32)


def same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def trained(settings, steps=7):
    learner = ConvNetLearner(data(flip=True, crop=1), settings, threads=1)
    learner.steps(EpochOrder(80, 0).epoch(0), settings, CALM, steps)
    learner.validate(settings, CALM)
    return learner


@pytest.mark.parametrize("solver", ["nesterov", "adam"])
def test_the_original_stays_bit_for_bit_and_goes_on_as_if_nothing_had_been(solver):
    settings = spec(solver=solver, dropout=0.2)
    learner, twin = trained(settings), trained(settings)
    before, np_state = learner.state(), np.random.get_state()  # noqa: NPY002
    test = RangeTest(
        lambda s: ConvNetLearner(learner.data, s, threads=1),
        settings,
        EpochOrder(80, 0),
        state=before,
        steps=40,
    )
    test.run()
    assert len(test.seen) > 20
    same(learner.state(), before)
    np.testing.assert_array_equal(np_state[1], np.random.get_state()[1])  # noqa: NPY002
    order = EpochOrder(80, 0).epoch(1)
    outcomes = [one.steps(order, settings, CALM, 4).terms for one in (learner, twin)]
    np.testing.assert_array_equal(*outcomes)
    same(learner.state(), twin.state())


@pytest.mark.parametrize("solver", ["momentum", "adam"])
def test_on_pytorch_nothing_of_the_original_moves_either(solver):
    torch = pytest.importorskip("torch")
    from app.core.learners.torch_convnet import TorchConvNetLearner

    settings = spec(engine="torch", device="cpu", solver=solver, dropout=0.2)

    def begun():
        learner = TorchConvNetLearner(data(flip=True, crop=1), settings, threads=1)
        learner.steps(EpochOrder(80, 0).epoch(0), settings, CALM, 7)
        learner.validate(settings, CALM)
        return learner

    learner, twin = begun(), begun()
    before = learner.state()
    assert np.any(before["running"])
    assert np.any(before["memory"])
    tensors = {name: one.clone() for name, one in learner.model.weights.items()}
    torch_state, np_state = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    test = RangeTest(
        lambda s: TorchConvNetLearner(learner.data, s, threads=1),
        settings,
        EpochOrder(80, 0),
        state=before,
        steps=40,
    )
    test.run()
    assert len(test.seen) > 20
    same(learner.state(), before)
    for name, one in tensors.items():
        assert torch.equal(learner.model.weights[name], one), name
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np_state[1], np.random.get_state()[1])  # noqa: NPY002
    order = EpochOrder(80, 0).epoch(1)
    outcomes = [one.steps(order, settings, CALM, 4).terms for one in (learner, twin)]
    np.testing.assert_array_equal(*outcomes)
    same(learner.state(), twin.state())


def test_the_copy_begins_where_the_original_is():
    settings = spec()
    learner = trained(settings, steps=5)
    test = RangeTest(
        lambda s: ConvNetLearner(learner.data, s, threads=1),
        settings,
        EpochOrder(80, 0),
        state=learner.state(),
    )
    point = next(test.points())
    rows = EpochOrder(80, 0).epoch(0)[:16]
    assert point.loss == learner.steps(rows, settings, CALM, 1).terms.sum()


def test_a_schedule_does_not_change_the_rates():
    losses = []
    for schedule in ("constant", "one_cycle"):
        test = RangeTest(
            lambda s: ConvNetLearner(data(), s, threads=1),
            spec(schedule=schedule),
            EpochOrder(80, 0),
            steps=30,
        )
        test.run()
        losses.append([point.loss for point in test.seen])
    assert losses[0] == losses[1]


def test_a_network_that_learns_gets_a_band_at_which_it_learns():
    settings = spec(layers="affine 12, relu", solver="adam")
    band = RangeTest(
        lambda s: ConvNetLearner(data(), s, threads=1), settings, EpochOrder(80, 0)
    ).run()
    assert band is not None
    assert 1e-5 < band.low < band.high < 1
    ends = {}
    for rate in (band.high, 1e4 * band.high, 1e-4 * band.high):
        moved = settings.changed(learning_rate=rate)
        learner = ConvNetLearner(data(), moved, threads=1)
        for epoch in range(4):
            learner.steps(EpochOrder(80, 0).epoch(epoch), moved, CALM, 5)
        ends[rate] = learner.evaluate(moved).sum()
    assert min(ends, key=ends.get) == band.high


def test_an_autoencoder_is_tested_alike():
    x = np.random.default_rng(0).uniform(0.1, 0.9, (150, 16)).astype(np.float32)
    settings = AutoencoderSpec(hidden_units=5, batch_size=32)
    learner = AutoencoderLearner(x, settings, threads=1)
    before = learner.state()
    test = RangeTest(
        lambda s: AutoencoderLearner(x, s, threads=1), settings, EpochOrder(150, 0), state=before
    )
    assert test.run() is not None
    same(learner.state(), before)


class Bowl:
    """A learner whose loss is w², and whose step is gradient descent with some noise."""

    def __init__(self, settings):
        self.w, self.told, self.rng = 3.0, [], np.random.default_rng(0)

    def steps_per_epoch(self, settings):
        return 4

    def params_changed(self, old, new):
        self.told.append(new.learning_rate)

    def steps(self, order, settings, interrupt, most):
        self.told.append(settings.learning_rate)
        loss = self.w**2
        self.w -= settings.learning_rate * (2 * self.w + self.rng.normal())
        finite = np.isfinite(loss)
        return StepOutcome(np.array([[loss]])[: int(finite)], bool(finite))


def test_the_rates_grow_and_the_test_ends_where_the_loss_explodes():
    made = []

    def make(settings):
        made.append(Bowl(settings))
        return made[-1]

    test = RangeTest(make, spec(), EpochOrder(8, 0), steps=141)
    band = test.run()
    rates = [point.rate for point in test.seen]
    assert rates[0] == pytest.approx(1e-6)
    np.testing.assert_allclose(np.diff(np.log10(rates)), 7 / 140)
    # Steps on w² grow from a rate of 1 on.
    assert 1 < rates[-1] < 10
    assert band is not None
    assert 0.01 < band.low < band.high < 1
    # The learner is told of each rate before its step.
    assert made[0].told == [rate for rate in rates for _ in "ab"]


def points(losses):
    rates = np.geomspace(1e-5, 1, len(losses))
    return [RangePoint(float(r), float(v), float(v)) for r, v in zip(rates, losses, strict=True)]


def test_where_nothing_falls_nothing_is_suggested():
    rng = np.random.default_rng(0)
    assert suggest_band(points(1 + 0.1 * rng.standard_normal(100))) is None
    assert suggest_band(points(np.linspace(1, 9, 100))) is None
    assert suggest_band(points([1.0] * 5)) is None
    assert suggest_band([]) is None


def test_the_band_ends_before_the_lowest_loss():
    at = np.linspace(0, 1, 101)
    losses = 2 - np.where(at < 0.5, 0, np.where(at < 0.75, 4 * (at - 0.5), 1 - 40 * (at - 0.75)))
    losses[70:75] = 1.2  # most of the fall comes at once
    band = suggest_band(points(losses))
    rates = np.geomspace(1e-5, 1, 101)
    assert band.high == pytest.approx(rates[75] / 3)
    # A tenth of the fall is done a tenth of the way from where it begins.
    assert band.low == pytest.approx(rates[52])


def test_where_it_falls_on_and_on_the_band_ends_when_most_is_done():
    losses = np.geomspace(2, 0.01, 101)
    losses[:30] = 2
    band = suggest_band(points(losses))
    done = np.flatnonzero(losses <= 2 - 0.9 * 1.99)[0]
    assert band.high == pytest.approx(np.geomspace(1e-5, 1, 101)[done])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(3.1e-4, 2.9e-3, "3e-4 … 3e-3"), (0.012, 0.12, "0.01 … 0.1"), (0.4, 4.2, "0.4 … 4")],
)
def test_a_band_is_said_in_one_line(low, high, said):
    assert RangeBand(low, high).sentence == f"range test suggests {said}"


def test_it_can_be_given_up():
    asked = []
    test = RangeTest(
        Bowl, spec(), EpochOrder(8, 0), cancel=lambda: len(asked) >= 3 or asked.append(1)
    )
    with pytest.raises(Cancelled):
        test.run()
    assert len(test.seen) == 3


@pytest.mark.parametrize(
    ("values", "more"), [({"solver": "lbfgs"}, {}), ({}, {"lowest": 1.0, "highest": 0.1}), ({}, {"steps": 1})]
)  # fmt: skip
def test_what_cannot_be_tested_is_one_sentence(values, more):
    with pytest.raises(UsageError):
        RangeTest(Bowl, spec(**values), EpochOrder(8, 0), **more)
