"""The sanity ladder: what is sound climbs it, each kind of trouble stops at its step."""

from __future__ import annotations

import pytest

from app.core.checks import ladder
from app.core.checks.ladder import STEPS, climb
from app.core.checks.training import few_images, train_briefly
from app.core.errors import Cancelled, FilterscopeError
from app.core.nn.network import Network
from app.core.specs import ConvNetSpec
from tests.core.checks.images import stripes

SOUND = ConvNetSpec(
    layers="conv 6 3x3, relu, pool 2, affine 16, relu",
    initialisation="he",
    learning_rate=0.01,
    batch_size=20,
    reg=1e-3,
)


def silent(_text, _share):
    """Take progress and say nothing."""


def steps(data, spec, **more):
    return {step.name: step for step in climb(data, spec, **more)}


def test_a_sound_network_climbs_all_steps():
    seen = []
    found = steps(stripes(), SOUND, between=lambda text, share: seen.append(share))
    assert list(found) == list(STEPS)
    for step in found.values():
        assert step.passed, step
        assert step.title
        assert step.reason
        assert step.expected
        assert step.remedy == ""
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] <= 1
    gradients = found["gradient"].gradients
    assert list(gradients) == ["W1", "b1", "W2", "b2", "W3", "b3"]


@pytest.mark.parametrize(
    "layers",
    [
        "conv 4 3x3, batchnorm, relu, pool 2",
        "conv 4, leaky_relu, dropout, residual(conv 4, relu, conv 4), groupnorm 2, avg_pool 2",
        "affine 12, layernorm, elu",
    ],
)
@pytest.mark.parametrize("loss", ["softmax", "svm"])
def test_gradients_of_any_network_agree(layers, loss):
    spec = SOUND.changed(layers=layers, loss=loss, dropout=0.3)
    step = ladder._gradient(stripes(100), spec, silent, None)
    assert step.passed, step.gradients


def test_weights_that_are_too_large_are_told_by_the_first_loss():
    spec = SOUND.changed(initialisation="normal", weight_scale=5.0)
    step = ladder._first_loss(stripes(100), spec, silent, None)
    assert not step.passed
    assert "weight scale" in step.remedy


def test_a_wrong_backward_is_told_by_the_gradient(monkeypatch):
    right = Network.loss

    def wrong(self, *arguments, **options):
        outcome = right(self, *arguments, **options)
        self.views(outcome.gradient)["W2"][...] *= 1.01
        return outcome

    monkeypatch.setattr(Network, "loss", wrong)
    step = ladder._gradient(stripes(100), SOUND, silent, None)
    assert not step.passed
    assert "W2" in step.reason
    assert "W1" not in step.reason
    assert not step.gradients["W2"].passed


def test_a_rate_that_moves_nothing_is_told_by_the_last_steps():
    found = steps(stripes(), SOUND.changed(learning_rate=1e-9))
    assert [name for name, step in found.items() if not step.passed] == ["overfit", "epoch"]
    assert "learning rate" in found["overfit"].remedy


def test_labels_that_mean_nothing_are_learned_by_heart_and_hold_for_nothing():
    found = steps(stripes(guessable=False), SOUND.changed(layers="conv 16, relu, affine 64, relu"))
    assert found["overfit"].passed
    assert not found["epoch"].passed


def test_a_training_that_breaks_off_is_a_failed_step_and_the_next_is_tried():
    # Infinite from the second step on.
    spec = SOUND.changed(solver="sgd", learning_rate=1e9)
    found = steps(stripes(), spec)
    assert list(found) == list(STEPS)
    assert not found["overfit"].passed
    assert not found["epoch"].passed
    assert found["overfit"].reason


def test_it_can_be_given_up():
    calls = []

    def between(text, share):
        calls.append(text)
        if len(calls) == 10:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        list(climb(stripes(), SOUND, between))
    assert len(calls) == 10


def test_an_impossible_network_is_said_with_its_row():
    found = steps(stripes(), SOUND.changed(layers="pool 2, pool 2, pool 2, pool 2"))
    assert not any(step.passed for step in found.values())
    assert "Row 4" in found["first_loss"].reason


def test_a_short_training_stops_when_it_is_good_enough():
    data = few_images(stripes(), 40, 0)
    assert (len(data.split.train), len(data.split.validation)) == (40, 0)
    trained = train_briefly(data, SOUND.changed(epochs=500), silent, enough=0.9)
    assert trained.train_accuracy >= 0.9
    assert trained.validation_accuracy is None
    assert trained.learner.taken < 500
    assert trained.first_loss > trained.last_loss


def test_few_images_can_do_without_augmentation():
    data = stripes(flip=True, crop=2)
    assert few_images(data, 10).spec.flip
    plain = few_images(data, 10, augment=False)
    assert (plain.spec.flip, plain.spec.crop) == (False, 0)
    assert (plain.shift == data.shift).all()


def test_a_training_that_diverges_is_said():
    with pytest.raises(FilterscopeError):
        train_briefly(stripes(), SOUND.changed(solver="sgd", learning_rate=1e9), silent)
