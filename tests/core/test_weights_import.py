"""Weights from a file in a network as it is built: the same outputs, or one sentence on what is other."""

from __future__ import annotations

import io

import numpy as np
import pytest
import safetensors.numpy

from app.core.data.untrusted.weights import read_weights
from app.core.data.weights_file import WeightsFile
from app.core.errors import UsageError
from app.core.export import weights_safetensors
from app.core.learners import AutoencoderLearner, ConvNetLearner
from app.core.models import autoencoder
from app.core.nn.network import Network
from app.core.specs import AutoencoderSpec
from app.core.specs.layer_list import parse_layers
from app.core.weights_import import (
    begin_with,
    network_slots,
    put_weights,
    take_weights,
    weights_info,
)
from tests.core.learners_of_images import data, spec

LAYERS = (
    "conv 4 3x3, batchnorm, relu, residual(conv 6 3x3 stride 2, groupnorm 2, relu, conv 6 3x3), "
    "pool 2, affine 5, layernorm, relu"
)
SHAPE, CLASSES = (3, 8, 8), 4


def network(layers=LAYERS, seed=0):
    made = Network(parse_layers(layers), SHAPE, CLASSES, dtype="float64")
    rng = np.random.default_rng(seed)
    for array in made.weights().values():
        array[...] = rng.uniform(0.2, 1.2, array.shape)
    return made


def file(arrays, name="w.pt"):
    return WeightsFile(f"/somewhere/{name}", "0" * 64, arrays)


def read(data, torch=None):
    return file(dict(read_weights(io.BytesIO(data), len(data), torch)))


X = np.random.default_rng(3).normal(size=(3, *SHAPE))


def test_all_arrays_have_a_slot_in_their_order():
    made = network()
    slots = network_slots(made.description)
    assert [(slot.name, slot.shape) for slot in slots] == [
        (name, array.shape) for name, array in made.weights().items()
    ]


def test_what_is_exported_comes_back():
    old, new = network(), network(seed=1)
    put_weights(new, read(weights_safetensors(old.weights())))
    np.testing.assert_allclose(new.scores(X), old.scores(X), rtol=1e-5)


@pytest.mark.parametrize("inside", ["", "state_dict", "model"])
def test_a_state_dict_that_is_exported_comes_back(inside):
    torch = pytest.importorskip("torch")
    from app.core.torch_exports import state_dict_bytes

    old, new = network(), network(seed=1)
    data = state_dict_bytes(old, spec(layers=LAYERS))
    if inside:
        out = io.BytesIO()
        torch.save({"epoch": 1, inside: torch.load(io.BytesIO(data), weights_only=True)}, out)
        data = out.getvalue()
    put_weights(new, read(data, torch))
    np.testing.assert_allclose(new.scores(X), old.scores(X), rtol=1e-5)


def test_a_network_written_with_torchs_own_batchnorm_is_understood():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    theirs = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0),
        nn.Flatten(), nn.Linear(64, CLASSES),
    ).double().eval()  # fmt: skip
    with torch.no_grad():
        theirs[1].running_mean.uniform_(-1, 1)
        theirs[1].weight.uniform_(0.5, 2)
    out = io.BytesIO()
    torch.save(theirs.state_dict(), out)
    new = network("conv 4 3x3, batchnorm, relu, pool 2")
    put_weights(new, read(out.getvalue(), torch))
    expected = theirs(torch.from_numpy(X)).detach().numpy()
    np.testing.assert_allclose(new.scores(X), expected, rtol=1e-9)


def changed(**values):
    arrays = {name: array.copy() for name, array in network().weights().items()}
    for name, value in values.items():
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
    return arrays


SAID = {
    "one is missing": (changed(b2=None), "w.pt does not fit this network: b2 is missing."),
    "many are missing": (
        changed(b1=None, b2=None, b3=None, b4=None, b5=None),
        "b1, b2, b3 and 2 more are missing.",
    ),
    "one is too many": (changed(W9=np.ones(2)), "W9 is not of this network."),
    "another shape": (
        changed(W1=np.ones((4, 3, 5, 5)), b1=np.ones(5)),
        "W1 is (4, 3, 5, 5) where (4, 3, 3, 3) is needed; b1 is (5,) where (4,) is needed.",
    ),
    "nothing that is known": ({"a": np.ones(1)}, "W1, b1, gamma1 and 17 more are missing; a is"),
}


@pytest.mark.parametrize("name", SAID)
def test_what_does_not_fit_is_named(name):
    arrays, said = SAID[name]
    made = network()
    with pytest.raises(UsageError) as caught:
        take_weights(file(arrays), network_slots(made.description))
    assert said in caught.value.message


def test_torch_shapes_are_said_as_torch_has_them():
    slots = network_slots(network("relu").description)
    given = {"2.weight": np.ones((9, 9)), "2.bias": np.ones(CLASSES)}
    names = [slot.torch_names[0] for slot in slots]
    given = dict(zip(names, given.values(), strict=True))
    with pytest.raises(UsageError, match=r"is \(9, 9\) where \(4, 192\) is needed"):
        take_weights(file(given), slots)


@pytest.mark.parametrize("engine", ["compiled", "reference", "torch"])
def test_a_learner_begins_with_them_whatever_computes(engine):
    if engine == "torch":
        pytest.importorskip("torch")
    from app.core.learners import make_convnet_learner

    images, settings = data(), spec(precision="float64")
    trained = ConvNetLearner(images, settings)
    trained.steps(np.arange(80), settings, np.zeros(1, np.int32), 3)
    learner = make_convnet_learner(images, settings.changed(engine=engine, seed=5))
    begin_with(learner, file({name: a.copy() for name, a in trained.network.weights().items()}))
    for name, array in trained.network.weights().items():
        np.testing.assert_array_equal(learner.network.weights()[name], array)
    assert learner.taken == 0
    if engine != "reference":
        ours, theirs = (one.evaluate(settings) for one in (trained, learner))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_a_checkpoint_gives_its_weights():
    images, settings = data(), spec()
    trained = ConvNetLearner(images, settings)
    trained.steps(np.arange(80), settings, np.zeros(1, np.int32), 3)
    learner = ConvNetLearner(images, settings.changed(seed=1))
    begin_with(learner, read(safetensors.numpy.save(trained.state())))
    np.testing.assert_array_equal(learner.network.theta, trained.network.theta)
    np.testing.assert_array_equal(learner.network.running, trained.network.running)
    with pytest.raises(UsageError, match=r"has 3 weights and this network"):
        begin_with(learner, file({"theta": np.ones(3)}))


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_an_autoencoder_begins_with_them(engine):
    if engine == "torch":
        pytest.importorskip("torch")
    from app.core.learners import make_autoencoder_learner

    x = np.random.default_rng(0).uniform(0.1, 0.9, (40, 16)).astype(np.float32)
    settings = AutoencoderSpec(hidden_units=5, engine=engine, device="cpu")
    old = autoencoder.initial_weights(16, settings.changed(seed=9))
    learner = make_autoencoder_learner(x, settings)
    begin_with(learner, read(weights_safetensors(old)))
    for name, array in old.items():
        np.testing.assert_allclose(learner.weights()[name], array, rtol=1e-6)
    # What computes has them too, and not only the copy that is shown: the cost is theirs.
    plain = AutoencoderLearner(x, settings)
    plain.theta[...] = autoencoder.flatten(old)
    np.testing.assert_allclose(learner.evaluate(settings), plain.evaluate(settings), rtol=1e-5)
    for one in (learner, plain):
        one.steps(np.arange(40), settings.changed(batch_size=10), np.zeros(1, np.int32), 4)
    np.testing.assert_allclose(learner.weights()["W1"], plain.weights()["W1"], atol=1e-5)
    with pytest.raises(UsageError, match=r"W1 is \(16, 6\) where \(16, 5\) is needed"):
        begin_with(learner, file({**old, "W1": np.ones((16, 6))}))


def test_a_run_keeps_where_they_are_from():
    info = weights_info(file({}, "x.pt"))
    assert info is not None
    assert (info.path, info.sha256) == ("/somewhere/x.pt", "0" * 64)
    assert weights_info(None) is None
