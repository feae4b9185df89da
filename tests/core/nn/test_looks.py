"""Answers that are means over an image and its mirror image, against sums done here."""

from __future__ import annotations

import json

import numpy as np
import pytest

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.devices import Device
from app.core.events import Evaluated
from app.core.learners import make_convnet_learner
from app.core.learners.device_images import DeviceImages
from app.core.nn.network import Network
from app.core.nn.reading import NetworkReader
from app.core.run_exports import export_run
from app.core.runs import RunFolder
from app.core.specs import ConvNetSpec
from app.core.takeaway.contents import ConvNetContents, contents_of
from app.core.training import train
from tests.core.learners_of_images import data, spec
from tests.core.nn.maps import maps_of
from tests.core.takeaway.cnn_runs import record_convnet

CALM = np.zeros(1, np.int32)
ENGINES = ("compiled", "reference", "torch")
# What tells left from right: a mean image that is not symmetric, and no pooling over places.
LAYERS = "conv 4 3x3, relu, affine 8, relu"


def mean_scores(network, fitted, rows):
    """Return the mean scores of images and of mirror images, from pixels, in float64."""
    pixels = fitted.images.x[rows].astype(float)
    looks = [
        network.scores((x - fitted.shift) * fitted.factor) for x in (pixels, np.flip(pixels, 3))
    ]
    assert np.abs(looks[0] - looks[1]).max() > 1e-3
    return np.mean(looks, axis=0)


def shares_of(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def make(engine, **values):
    if engine == "torch":
        pytest.importorskip("torch")
    settings = spec(
        layers=LAYERS, engine=engine, precision="float64", mirror_looks=True, epochs=2, **values
    )
    fitted = data(normalisation="mean_image")
    return make_convnet_learner(fitted, settings, threads=1), settings, fitted


@pytest.mark.parametrize("engine", ENGINES)
def test_every_answer_of_a_learner_is_the_mean_of_both_looks(engine):
    learner, settings, fitted = make(engine)
    found = learner.validate(settings, CALM)
    rows = fitted.split.validation
    labels = fitted.labels(rows)
    expected = shares_of(mean_scores(learner.network, fitted, rows))
    assert found.validation_accuracy == np.mean(expected.argmax(axis=1) == labels)
    loss = -np.log(expected[np.arange(len(rows)), labels]).mean()
    assert found.validation_loss == pytest.approx(loss, rel=1e-9)
    for part in ("train", "validation", "test"):
        answers = learner.score(part)
        expected = shares_of(mean_scores(learner.network, fitted, answers.rows))
        np.testing.assert_allclose(answers.probabilities, expected, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_training_and_its_loss_stay_as_they_are(engine):
    learner, settings, fitted = make(engine)
    plain = make_convnet_learner(fitted, settings.changed(mirror_looks=False), threads=1)
    assert learner.evaluate(settings).tolist() == plain.evaluate(settings).tolist()
    for one in (learner, plain):
        one.steps(np.arange(16), settings, CALM, 1)
    np.testing.assert_array_equal(learner.state()["theta"], plain.state()["theta"])


def test_the_best_model_is_chosen_by_both_looks():
    learner, settings, fitted = make("compiled", evaluate_every=1, learning_rate=0.01)
    events = train(learner, settings, Control(), examples=80, order=EpochOrder(80, 0), run_id="run")
    seen = [event.validation_accuracy for event in events if isinstance(event, Evaluated)]
    assert learner.best.accuracy == max(seen)
    assert learner.score("validation").accuracy == max(seen)
    rows = fitted.split.validation
    said = mean_scores(learner.best_network(), fitted, rows).argmax(axis=1)
    assert learner.best.accuracy == np.mean(said == fitted.labels(rows))


def test_images_that_lie_on_a_device_are_mirrored_there():
    pytest.importorskip("torch")
    fitted = data(normalisation="mean_image")
    cpu = Device("cpu", "cpu", "CPU", 0, 0)
    rows = fitted.split.test
    for resident in (False, True):
        images = DeviceImages(fitted, cpu, np.dtype("float64"), resident=resident)
        x, y = images.rows(rows, mirrored=True)
        expected = (fitted.images.x[rows][..., ::-1] - fitted.shift) * fitted.factor
        np.testing.assert_allclose(x.numpy(), expected, rtol=1e-12)
        assert y.tolist() == fitted.labels(rows).tolist()


def test_what_is_read_beside_the_training_says_the_same():
    settings = spec(layers=LAYERS, mirror_looks=True)
    fitted = data(normalisation="mean_image")
    network = Network(settings.rows, (3, 8, 8), 4)
    network.initialise(np.random.default_rng(0), weight_scale=0.02)
    reader = NetworkReader(fitted, settings)
    reader.load(network.weights())
    answers = reader.answers()
    expected = shares_of(mean_scores(network, fitted, answers.rows))
    np.testing.assert_allclose(answers.probabilities, expected, rtol=1e-4)
    look = reader.look(fitted.images.x[answers.rows[3]], (0,))
    np.testing.assert_allclose(look.probabilities, expected[3], rtol=1e-4)
    # The maps are those of the image itself.
    x = fitted.rows(answers.rows[3:4])
    np.testing.assert_allclose(look.maps, maps_of(network, x, (0,))[0], rtol=1e-5)


def test_what_is_taken_from_a_run_says_the_same_and_how_it_was_judged(tmp_path):
    run = record_convnet(tmp_path, spec(layers=LAYERS, mirror_looks=True, learning_rate=0.01))
    contents = contents_of(run)
    assert isinstance(contents, ConvNetContents)
    answers = contents.predictions
    expected = shares_of(mean_scores(contents.network, contents.images, answers.rows))
    np.testing.assert_allclose(answers.probabilities, expected, rtol=1e-4)
    assert answers.accuracy == run.info.best.accuracy
    _, notes = export_run(run, "weights", "npz")
    (note,) = notes
    assert note.endswith("right on validation images, each image looked at as it is and mirrored.")


def test_a_run_that_was_made_before_there_was_this_setting_looks_once(tmp_path):
    run = record_convnet(tmp_path, spec(layers=LAYERS, epochs=1))
    file = run.path / "run.json"
    written = json.loads(file.read_text())
    assert written["spec"].pop("mirror_looks") is False
    file.write_text(json.dumps(written))
    opened = RunFolder.open(run.path)
    assert opened.info.spec == run.info.spec
    assert isinstance(opened.info.spec, ConvNetSpec)
    assert not opened.info.spec.mirror_looks
