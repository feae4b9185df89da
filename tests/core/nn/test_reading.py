"""What is read from a network beside its training, against the network itself."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import Cancelled
from app.core.nn.attribution import enlarged, grad_cam, saliency
from app.core.nn.network import Network
from app.core.nn.reading import Histogram, NetworkReader, first_filters
from app.core.specs import ConvNetSpec
from tests.core.nn.maps import maps_of
from tests.core.small_images import small_fitted

SPEC = ConvNetSpec.build({"layers": "conv 4 3x3, relu, pool 2, affine 6, relu"})


@pytest.fixture
def network() -> Network:
    network = Network(SPEC.rows, (3, 8, 8), 3)
    network.initialise(np.random.default_rng(0), how="he")
    return network


@pytest.fixture
def reader(network: Network) -> NetworkReader:
    reader = NetworkReader(small_fitted(), SPEC)
    reader.load(network.weights())
    return reader


def test_answers_are_the_networks_for_all_validation_images(
    reader: NetworkReader, network: Network
) -> None:
    answers = reader.answers()
    split = reader.fitted.split
    assert answers.rows.tolist() == split.validation.tolist()
    scores = network.scores(reader.fitted.rows(split.validation))
    assert answers.said.tolist() == scores.argmax(axis=1).tolist()


def test_without_validation_images_those_that_train_are_asked(network: Network) -> None:
    reader = NetworkReader(small_fitted(validation_count=0), SPEC)
    reader.load(network.weights())
    assert set(reader.answers().rows) <= set(reader.fitted.split.train)


def test_a_look_shows_what_the_row_gives(reader: NetworkReader, network: Network) -> None:
    pixels = reader.fitted.images.x[7]
    x = reader.fitted.rows(np.array([7]))
    for place in ((0,), (1,), (2,), (3,)):
        look = reader.look(pixels, place)
        np.testing.assert_allclose(look.maps, maps_of(network, x, place)[0], rtol=1e-5)
    assert look.probabilities.sum() == pytest.approx(1)
    assert look.probabilities.argmax() == network.scores(x).argmax()


def test_behaviour_counts_zeros_and_silent_maps(reader: NetworkReader, network: Network) -> None:
    weights = {name: array.copy() for name, array in network.weights().items()}
    weights["W1"][2], weights["b1"][2] = 0, -1  # a filter whose ReLU never opens
    reader.load(weights)
    rows = reader.behaviour()
    assert [row.layer.row.text for row in rows] == [
        "conv 4 3x3", "relu", "pool 2", "affine 6", "relu", "affine 3",
    ]  # fmt: skip
    relu = rows[1]
    assert relu.dead == 0.25
    assert 0.25 <= relu.zeros < 1
    assert rows[0].zeros == 0
    assert relu.histogram.counts.sum() == 45 * 4 * 8 * 8
    assert relu.mean > 0


def test_weights_of_another_network_are_refused(reader: NetworkReader) -> None:
    other = Network(ConvNetSpec.build({"layers": "conv 5 3x3"}).rows, (3, 8, 8), 3)
    with pytest.raises(ValueError, match="W1"):
        reader.load(other.weights())


def test_reading_can_be_given_up(reader: NetworkReader) -> None:
    def check() -> None:
        raise Cancelled("Given up.")

    for read in (reader.answers, reader.behaviour):
        with pytest.raises(Cancelled):
            read(check=check)


def test_only_filters_that_see_the_image_are_pictures() -> None:
    assert first_filters({"W1": np.zeros((4, 3, 5, 5))}) is not None
    assert first_filters({"W1": np.zeros((4, 16, 5, 5))}) is None
    assert first_filters({"W1": np.zeros((192, 10))}) is None
    assert first_filters({}) is None


def test_a_histogram_of_nothing_finite_is_flat() -> None:
    assert Histogram.of(np.array([np.nan, np.inf])).counts.sum() == 0
    assert Histogram.of(np.array([1.0, 2.0, np.nan])).counts.sum() == 2


def test_saliency_and_grad_cam_are_heat_and_the_image_lit_by_it(
    reader: NetworkReader, network: Network
) -> None:
    pixels = reader.fitted.images.x[7]
    x = reader.fitted.rows(np.array([7]))
    heats = {
        "saliency": saliency(network, x)[0],
        "cam": enlarged(grad_cam(network, x, (2,)), 8, 8)[0],
    }
    for view, heat in heats.items():
        look = reader.look(pixels, (4,), view)
        assert look.view == view
        assert look.maps.shape == (2, 3, 8, 8)
        assert (look.maps >= 0).all()
        assert (look.maps <= 1).all()
        shown = look.maps[0]
        np.testing.assert_array_equal(shown[0], shown[2])
        # The order of places is that of the heat.
        assert np.corrcoef(shown[0].ravel(), heat.ravel())[0, 1] > 0.95
        np.testing.assert_allclose(look.maps[1], (0.2 + 0.8 * shown) * pixels / 255, atol=1e-6)
        assert look.probabilities.argmax() == network.scores(x).argmax()


def test_without_maps_there_is_no_grad_cam() -> None:
    flat = NetworkReader(small_fitted(), SPEC.changed(layers="affine 6, relu"))
    assert flat.look(flat.fitted.images.x[0], (0,), "cam").maps.size == 0


def test_what_excites_a_row_is_an_image_for_each_filter(reader: NetworkReader) -> None:
    look = reader.look(reader.fitted.images.x[0], (1,), "excites")
    assert look.maps.shape == (4, 3, 8, 8)
    again = reader.look(reader.fitted.images.x[5], (1,), "excites")
    np.testing.assert_array_equal(look.maps, again.maps)
    assert reader.look(reader.fitted.images.x[0], (3,), "excites").maps.shape == (6, 3, 8, 8)
