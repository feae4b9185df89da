"""Loss and gradient of whole networks against central differences, torch and the exercise's numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import kernels
from app.core.errors import UsageError
from app.core.models.three_layer_convnet import ThreeLayerConvNet
from app.core.nn.gradient_check import check_network
from app.core.nn.network import Network
from app.core.specs.layer_list import parse_layers
from app.core.specs.layers import (
    Affine,
    AvgPool,
    Batchnorm,
    Conv,
    Dropout,
    Elu,
    GlobalAvgPool,
    Groupnorm,
    Layernorm,
    LeakyRelu,
    Pool,
    Relu,
    Residual,
)
from tests.core.nn.maps import maps_of

ENGINES = ["reference", "compiled"] if kernels.COMPILED else ["reference"]
engines = pytest.mark.parametrize("engine", ENGINES)
SHAPE = (2, 6, 7)


def make(text, shape=SHAPE, classes=4, how="he", **options):
    network = Network(
        parse_layers(text) if isinstance(text, str) else text,
        shape,
        classes,
        **{"dtype": "float64", **options},
    )
    network.initialise(np.random.default_rng(1), how=how)
    # Biases, gammas and betas of their first values would hide where they are forgotten.
    rng = np.random.default_rng(2)
    for name, array in network.parameters.items():
        if not name.startswith("W"):
            array += rng.normal(0, 0.1, array.shape)
    return network


def batch(shape=SHAPE, count=3, classes=4, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *shape)), rng.integers(0, classes, count)


# --- gradients

maps = st.one_of(
    st.builds(Conv, filters=st.sampled_from([2, 4]), stride=st.sampled_from([1, 2])),
    st.builds(Conv, filters=st.just(2), height=st.just(1), width=st.just(2), pad=st.just(0)),
    st.sampled_from(
        [
            Relu(),
            LeakyRelu(slope=0.2),
            Elu(),
            Batchnorm(),
            Layernorm(),
            Groupnorm(groups=2),
            Dropout(),
            Dropout(keep=0.7),
            Pool(),
            Pool(size=2, stride=1),
            AvgPool(size=3, stride=1),
            Residual(rows=(Conv(filters=4), Groupnorm(groups=2), Elu())),
            Residual(rows=(Conv(filters=2, stride=2), Batchnorm())),
        ]
    ),
)
vectors = st.sampled_from(
    [Affine(units=5), Relu(), Elu(), Batchnorm(), Layernorm(), Dropout(keep=0.6)]
)
lists = st.tuples(
    st.lists(maps, max_size=4),
    st.lists(st.just(GlobalAvgPool()), max_size=1),
    st.lists(vectors, max_size=3),
).map(lambda parts: [*parts[0], *parts[1], *parts[2]])


@given(lists, st.sampled_from(["softmax", "svm"]), st.sampled_from([0.0, 0.3]))
@settings(max_examples=25, deadline=None)
def test_the_gradient_of_any_list_is_that_of_central_differences(rows, kind, reg):
    if rows and isinstance(rows[-1], Affine):
        rows = [*rows, Elu()]
    try:
        network = make(rows)
    except UsageError:
        return  # too small a picture for what comes: said in test_description
    x, y = batch()

    def loss():
        return network.loss(
            x, y, reg=reg, kind=kind, keep=0.8, rng=np.random.default_rng(5), need_dx=True
        )

    found = loss()
    checked = check_network(
        lambda: float(loss().terms.sum()),
        {**network.parameters, "x": x},
        {**network.views(found.gradient), "x": found.dx},
        bound=1e-5,
        sample=12,
    )
    for name, result in checked.items():
        assert result.faults == 0, (name, result.worst, result.error)


@engines
def test_the_engines_agree_and_pictures_one_by_one_are_the_batch(engine):
    text = (
        "conv 4, batchnorm, relu, residual(conv 6 3x3 stride 2, groupnorm 2, relu, conv 6), elu, "
        "avg_pool 2, residual(conv 6, leaky_relu), pool 2 stride 1, global_avg_pool, affine 6, "
        "batchnorm, relu, dropout keep 0.7"
    )
    x, y = batch((3, 8, 8))
    options = {"reg": 0.1, "keep": 0.5, "need_dx": True}
    network = make(text, (3, 8, 8), engine=engine)
    found = network.loss(x, y, rng=np.random.default_rng(0), **options)
    # The twins asked for the whole batch at once.
    whole = make(text, (3, 8, 8), engine="reference")
    whole.sliced = False
    expected = whole.loss(x, y, rng=np.random.default_rng(0), **options)
    np.testing.assert_allclose(found.terms, expected.terms, rtol=1e-12)
    np.testing.assert_allclose(found.gradient, expected.gradient, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.dx, expected.dx, rtol=0, atol=1e-12)
    assert found.averages.keys() == expected.averages.keys() == network.averages.keys()


# --- against torch


class Block(torch.nn.Module):
    def __init__(self, inside, shortcut):
        super().__init__()
        self.inside, self.shortcut = inside, shortcut

    def forward(self, x):
        return self.inside(x) + self.shortcut(x)


def torch_network():
    """The same network in torch's own layers, in the order in which ours names its parameters."""
    first, second, third, short = (
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.Conv2d(4, 6, 3, stride=2, padding=1),
        torch.nn.Conv2d(6, 6, 3, padding=1),
        torch.nn.Conv2d(4, 6, 1, stride=2),
    )
    norm, groups = torch.nn.BatchNorm2d(4), torch.nn.GroupNorm(3, 6)
    hidden, scores = torch.nn.Linear(24, 5), torch.nn.Linear(5, 4)
    last = torch.nn.LayerNorm(5)
    model = torch.nn.Sequential(
        first,
        norm,
        torch.nn.ReLU(),
        Block(torch.nn.Sequential(second, groups, torch.nn.ELU(), third), short),
        torch.nn.MaxPool2d(2, 1),
        torch.nn.Flatten(),
        hidden,
        last,
        torch.nn.LeakyReLU(0.2),
        scores,
    ).double()
    weighted = [first, second, third, short, hidden, scores]
    return model, weighted, [norm, groups, last]


TWIN = (
    "conv 4, batchnorm, relu, residual(conv 6 3x3 stride 2, groupnorm 3, elu, conv 6), "
    "pool 2 stride 1, affine 5, layernorm, leaky_relu 0.2"
)


@engines
@pytest.mark.parametrize("kind", ["softmax", "svm"])
def test_one_step_of_gradient_descent_is_that_of_torch(engine, kind):
    network = make(TWIN, (2, 6, 6), engine=engine)
    model, weighted, normed = torch_network()
    with torch.no_grad():
        for number, layer in enumerate(weighted, 1):
            w = torch.from_numpy(network.parameters[f"W{number}"].copy())
            layer.weight.copy_(w if w.ndim == 4 else w.T)
            layer.bias.copy_(torch.from_numpy(network.parameters[f"b{number}"]))
        for number, layer in enumerate(normed, 1):
            layer.weight.copy_(torch.from_numpy(network.parameters[f"gamma{number}"]))
            layer.bias.copy_(torch.from_numpy(network.parameters[f"beta{number}"]))
    x, y = batch((2, 6, 6), count=5)
    scores = model(torch.from_numpy(x))
    labels = torch.from_numpy(y)
    if kind == "softmax":
        data = torch.nn.functional.cross_entropy(scores, labels)
    else:
        right = scores.gather(1, labels[:, None])
        margins = torch.clamp(scores - right + 1, min=0)
        data = (margins.sum() - len(y)) / len(y)
    reg, rate = 0.1, 0.3
    loss = data + reg / 2 * sum((layer.weight**2).sum() for layer in weighted)
    loss.backward()

    found = network.loss(x, y, reg=reg, kind=kind)
    assert found.terms.sum() == pytest.approx(loss.item(), rel=1e-12)
    assert found.accuracy == (scores.argmax(1) == labels).double().mean().item()
    network.theta -= rate * found.gradient
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= rate * parameter.grad
    for number, layer in enumerate(weighted, 1):
        w = layer.weight.detach().numpy()
        ours = network.parameters[f"W{number}"]
        np.testing.assert_allclose(ours, w if w.ndim == 4 else w.T, rtol=0, atol=1e-9)
        np.testing.assert_allclose(
            network.parameters[f"b{number}"], layer.bias.detach().numpy(), rtol=0, atol=1e-9
        )
    for number, layer in enumerate(normed, 1):
        for ours, theirs in (("gamma", layer.weight), ("beta", layer.bias)):
            np.testing.assert_allclose(
                network.parameters[f"{ours}{number}"], theirs.detach().numpy(), rtol=0, atol=1e-9
            )
    # Running averages: torch keeps 0.9 too, and averages the variance over N − 1.
    network.keep_averages(found.averages)
    pixels = 5 * 6 * 6
    unbiased = (network.averages["running_var1"] - 0.9) * pixels / (pixels - 1) + 0.9
    np.testing.assert_allclose(unbiased, normed[0].running_var.numpy(), rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        network.averages["running_mean1"], normed[0].running_mean.numpy(), rtol=0, atol=1e-9
    )


# --- what a look at a network leaves behind


def test_a_pass_changes_nothing():
    network = make("conv 4, batchnorm, relu, dropout keep 0.5, affine 5, relu")
    before = network.theta.copy(), network.running.copy()
    x, y = batch()
    network.loss(x, y, rng=np.random.default_rng(0))
    network.scores(x)
    maps_of(network, x, (1,))
    np.testing.assert_array_equal(network.theta, before[0])
    np.testing.assert_array_equal(network.running, before[1])


def test_scores_are_those_of_the_last_row_without_dropout():
    network = make("conv 4, batchnorm, relu, dropout keep 0.5, pool 2, affine 5, relu")
    x, _ = batch(count=4)
    outputs = {layer.place: out for layer, out in network.outputs(x)}
    np.testing.assert_array_equal(outputs[(7,)], network.scores(x))
    np.testing.assert_array_equal(outputs[(3,)], outputs[(2,)])


@pytest.mark.parametrize("text", ["conv 4, relu, affine 5, relu", "conv 4, relu, global_avg_pool"])
def test_dropout_acts_before_the_scores_where_no_row_says_where(text):
    network = make(text)
    x, y = batch(count=2)
    drawn = [
        network.loss(x, y, keep=0.4, rng=np.random.default_rng(seed)).terms[0] for seed in range(9)
    ]
    assert len(set(drawn)) > 1
    assert network.loss(x, y).terms[0] == network.loss(x, y, keep=1.0).terms[0]
    # Nothing is drawn for a share of 1, and a row of its own is not seen twice.
    assert len(list(network.outputs(x))) == len(network.description.layers)


def test_weights_can_be_taken_to_an_equal_network_only():
    network, other = make("conv 4, batchnorm"), make("conv 4, batchnorm", how="normal")
    x, _ = batch()
    assert not np.array_equal(network.scores(x), other.scores(x))
    other.load(network.weights())
    np.testing.assert_array_equal(network.scores(x), other.scores(x))
    with pytest.raises(ValueError, match="W1 is missing or of another network"):
        make("conv 5").load(network.weights())


def test_a_check_that_raises_ends_a_pass_between_two_pictures():
    network = make("conv 4, relu", engine="reference")
    x, y = batch(count=6)
    heard = []

    def check():
        heard.append(1)
        if len(heard) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.loss(x, y, check=check)
    assert len(heard) == 4


def test_first_weights_of_he_keep_the_strength_of_signals():
    network = Network(parse_layers("[conv 64, relu] x 6"), (64, 12, 12), 10)
    network.initialise(np.random.default_rng(0), how="he")
    x = np.random.default_rng(1).normal(size=(4, 64, 12, 12)).astype(np.float32)
    strengths = [float((out**2).mean()) for layer, out in network.outputs(x) if layer.row == Relu()]
    assert all(0.3 < strength < 2 for strength in strengths)
    deviation = network.parameters["W2"].std()
    assert deviation == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.02)


# --- the exercise's numbers


@engines
def test_the_loss_of_small_weights_is_ln_10_and_higher_with_l2(engine):
    """SPEC: 2.30259 and 2.50826, with the exercise's own draws."""
    np_rng = np.random.RandomState(231)
    size = 32 if engine == "compiled" else 8
    count = 50 if engine == "compiled" else 4
    model = ThreeLayerConvNet(
        (3, size, size), dtype=np.float64, rng=np.random.default_rng(0), engine=engine
    )
    x, y = np_rng.randn(count, 3, size, size), np_rng.randint(10, size=count)
    loss, _ = model.loss(x, y)
    assert loss == pytest.approx(math.log(10), abs=1e-4)
    model.reg = 0.5
    held, _ = model.loss(x, y)
    squares = sum(float((model.params[name] ** 2).sum()) for name in ("W1", "W2", "W3"))
    assert held - loss == pytest.approx(0.25 * squares, rel=1e-9)
    if size == 32:
        # 824,404 weights of variance 1e-6: 0.25 · 0.824 within what a draw differs.
        assert held == pytest.approx(2.50826, abs=2e-3)


def test_the_named_network_is_that_of_a_notebook():
    model = ThreeLayerConvNet((3, 16, 16), 3, 3, 7, dtype=np.float64)
    assert {name: array.shape for name, array in model.params.items()} == {
        "W1": (3, 3, 3, 3),
        "b1": (3,),
        "W2": (192, 7),
        "b2": (7,),
        "W3": (7, 10),
        "b3": (10,),
    }
    x, y = batch((3, 16, 16), 2, 10)
    assert model.loss(x).shape == (2, 10)
    loss, gradients = model.loss(x, y)
    assert gradients.keys() == model.params.keys()
    # As a notebook's solver does it: a new array in the place of the old.
    model.params["W3"] = model.params["W3"] - 10 * gradients["W3"]
    assert model.loss(x, y)[0] < loss
    with pytest.raises(UsageError, match="4×4 cannot keep"):
        ThreeLayerConvNet(filter_size=4)


# --- first weights, and labels that are spread


def test_uniform_first_weights_lie_within_one_over_the_root_of_their_inputs():
    network = make("conv 16 3x3, relu, affine 40, relu", how="uniform")
    for name in sorted(network.decayed):
        inputs = {p.name: p.fan_in for p in network.description.parameters}[name]
        w = network.parameters[name] * np.sqrt(inputs)
        assert 0.9 < np.abs(w).max() <= 1
        # The variance of what is even between −1 and 1.
        assert abs(w.var() - 1 / 3) < 0.06


def test_smoothed_labels_give_the_cross_entropy_with_them_and_its_slope():
    rng = np.random.default_rng(5)
    network = make("affine 4", classes=4, dtype="float64")
    scores, y = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    wanted = 0.8 * np.eye(4)[y] + 0.2 / 4

    def formula(s):
        logs = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
        return -(wanted * logs).sum() / len(s)

    loss, slope = network.data_loss(scores, y, "softmax", 0.2)
    assert loss == pytest.approx(formula(scores), rel=1e-12)
    h = 1e-6
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = h
        numeric = (formula(scores + step) - formula(scores - step)) / (2 * h)
        assert slope[place] == pytest.approx(numeric, abs=1e-8)
