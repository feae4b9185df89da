"""Views with gradients along the image, against torch's autograd and central differences."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.errors import Cancelled
from app.core.nn.attribution import (
    answer,
    enlarged,
    excite,
    grad_cam,
    row_with_maps,
    saliency,
)
from app.core.nn.network import Network
from app.core.specs.layer_list import parse_layers
from tests.core.nn.maps import maps_of

LISTS = [
    "conv 4 3x3, relu, pool 2, affine 6, relu",
    "conv 4 3x3, batchnorm, relu, residual(conv 4, relu, conv 4), relu, pool 2, dropout",
    "conv 6 3x3, layernorm, leaky_relu, avg_pool 2, conv 3, global_avg_pool",
]


def made(text: str, engine: str | None = None) -> Network:
    network = Network(parse_layers(text), (3, 8, 8), 3, dtype="float64", engine=engine)
    rng = np.random.default_rng(3)
    network.initialise(rng, how="he")
    for name, array in network.weights().items():
        if not name.startswith("W"):
            array += rng.uniform(0.05, 0.3, array.shape)
    return network


def pictures(count: int = 5) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (count, 3, 8, 8))


def differences(function, x: np.ndarray, at: list[tuple[int, ...]], h: float = 1e-5) -> np.ndarray:
    slopes = []
    for place in at:
        moved = x.copy()
        moved[place] += h
        up = function(moved)
        moved[place] -= 2 * h
        slopes.append((up - function(moved)) / (2 * h))
    return np.array(slopes)


@pytest.mark.parametrize("engine", [None, "reference"])
@pytest.mark.parametrize("text", LISTS)
def test_rows_one_after_the_other_are_the_network(text: str, engine: str | None) -> None:
    network, x = made(text, engine), pictures()
    scores, back = network.through(x)
    np.testing.assert_allclose(scores.reshape(5, 3), network.scores(x), rtol=1e-10)
    out, _ = network.through(x, 0, 1)
    np.testing.assert_allclose(out, maps_of(network, x, (1,)))
    rest, back_rest = network.through(out, 2)
    np.testing.assert_allclose(rest, scores)
    dout = np.random.default_rng(0).normal(size=scores.shape)
    _, back_first = network.through(x, 0, 1)
    np.testing.assert_allclose(back_first(back_rest(dout)), back(dout), atol=1e-12)


@pytest.mark.parametrize("text", LISTS)
def test_saliency_is_the_slope_of_the_score(text: str) -> None:
    network, x = made(text), pictures()
    classes = network.scores(x).argmax(axis=1)
    found = saliency(network, x)
    assert found.shape == (5, 8, 8)
    np.testing.assert_array_equal(found, saliency(network, x, classes))
    for n, i, j in ((0, 2, 3), (3, 7, 0), (4, 5, 5)):
        at = [(n, c, i, j) for c in range(3)]
        slopes = differences(lambda x: network.scores(x)[n, classes[n]], x, at)  # noqa: B023
        assert found[n, i, j] == pytest.approx(np.abs(slopes).max(), rel=1e-6, abs=1e-9)
    other = saliency(network, x, (classes + 1) % 3)
    assert not np.allclose(found, other)


def test_saliency_and_grad_cam_are_those_of_autograd() -> None:
    torch = pytest.importorskip("torch")
    network, x = made(LISTS[0]), pictures()
    w = {name: torch.tensor(array) for name, array in network.weights().items()}
    images = torch.tensor(x, requires_grad=True)
    maps = torch.relu(torch.conv2d(images, w["W1"], w["b1"], padding=1))
    maps.retain_grad()
    hidden = torch.relu(torch.max_pool2d(maps, 2).flatten(1) @ w["W2"] + w["b2"])
    scores = hidden @ w["W3"] + w["b3"]
    classes = np.array([0, 2, 1, 1, 0])
    scores[torch.arange(5), torch.tensor(classes)].sum().backward()
    np.testing.assert_allclose(
        saliency(network, x, classes), images.grad.abs().amax(dim=1).numpy(), atol=1e-12
    )
    alpha = maps.grad.mean(dim=(2, 3), keepdim=True)
    cam = torch.relu((alpha * maps).sum(dim=1)).detach().numpy()
    assert cam.any()
    np.testing.assert_allclose(grad_cam(network, x, (1,), classes), cam, atol=1e-12)


@pytest.mark.parametrize("text", LISTS)
def test_grad_cam_of_every_row_with_maps(text: str) -> None:
    network, x = made(text), pictures(2)
    for row in network.description.rows:
        if len(row.out_shape) == 3:
            found = grad_cam(network, x, row.place)
            assert found.shape == (2, *row.out_shape[1:])
            assert (found >= 0).all()
        else:
            with pytest.raises(ValueError, match="no maps"):
                grad_cam(network, x, row.place)


def test_of_maps_that_are_averaged_grad_cam_is_the_map_itself() -> None:
    """∂ mean_p A_k / ∂ A_k is 1/P: of the named class's own map, its positive part is left."""
    network, x = made("conv 3 3x3, global_avg_pool"), pictures()
    maps = maps_of(network, x, (0,))
    classes = network.scores(x).argmax(axis=1)
    expected = np.maximum(maps[np.arange(5), classes], 0) / 64
    np.testing.assert_allclose(grad_cam(network, x, (0,)), expected, atol=1e-12)


@pytest.mark.parametrize("place", [(0,), (2,), (3,)])
def test_the_slope_of_an_answer(place: tuple[int, ...]) -> None:
    network, x = made(LISTS[0]), pictures(2)
    units = [1, 3]
    values, slope = answer(network, x, place, units)
    out = maps_of(network, x, place)
    for n, unit in enumerate(units):
        a = out[n, unit]
        expected = np.mean(np.maximum(a, 0) ** 2) / 2 if (a > 0).any() else a.mean()
        assert values[n] == pytest.approx(expected)
    at = [(0, 1, 2, 3), (1, 2, 6, 1), (1, 0, 0, 0)]
    found = differences(lambda x: answer(network, x, place, units)[0].sum(), x, at)
    np.testing.assert_allclose([slope[one] for one in at], found, rtol=1e-6, atol=1e-9)


def test_a_map_that_is_nowhere_open_is_led_out_of_there() -> None:
    network, x = made("conv 2 3x3"), pictures(2)
    network.parameters["b1"][...] = -1e3
    values, slope = answer(network, x, (0,), [0, 1])
    assert (values < 0).all()
    assert slope.any()


@pytest.mark.parametrize("place", [(0,), (2,), (4,)])
def test_an_image_that_excites_does_so_more_than_noise_and_than_others_images(
    place: tuple[int, ...],
) -> None:
    network = made(LISTS[0])
    units = [0, 1, 2, 3]
    found = excite(network, place, units, np.random.default_rng(7), spread=1.0)
    assert found.shape == (4, 3, 8, 8)
    assert np.isfinite(found).all()
    noise = np.random.default_rng(0).normal(0, found.std(), found.shape)
    own, _ = answer(network, found, place, units)
    assert (own > answer(network, noise, place, units)[0]).all()
    again = excite(network, place, units, np.random.default_rng(7), spread=1.0)
    np.testing.assert_array_equal(found, again)
    assert not np.array_equal(found, excite(network, place, units, np.random.default_rng(8)))


def test_the_image_that_excites_a_filter_alone_is_the_filter() -> None:
    """Over one window, w·x is largest along w itself (the slope is the same wherever x is)."""
    network = Network(parse_layers("conv 2 5x5 pad 0, affine 3"), (1, 5, 5), 3, dtype="float64")
    down, across = np.mgrid[-2:3, -2:3]
    network.parameters["W1"][0, 0], network.parameters["W1"][1, 0] = down, across * np.abs(down)
    found = excite(network, (0,), [0, 1], np.random.default_rng(0), steps=200)
    w = network.parameters["W1"].reshape(2, -1)
    x = found.reshape(2, -1)
    alike = (w * x).sum(axis=1) / np.linalg.norm(w, axis=1) / np.linalg.norm(x, axis=1)
    # Jitter and blur take something away.
    assert (alike > 0.5).all()


def test_the_last_row_with_maps() -> None:
    network = made(LISTS[0])
    assert row_with_maps(network, (1,)) == (1,)
    assert row_with_maps(network, (5,)) == (2,)
    assert row_with_maps(made("affine 4, relu"), (1,)) is None


def test_maps_are_enlarged_along_straight_lines() -> None:
    maps = np.arange(6, dtype=float).reshape(1, 2, 3)
    assert enlarged(maps, 2, 3).tolist() == maps.tolist()
    large = enlarged(maps, 4, 6)[0]
    np.testing.assert_allclose(large[:, 0], [0, 0.75, 2.25, 3])
    np.testing.assert_allclose(large[0], [0, 0.25, 0.75, 1.25, 1.75, 2])
    torch = pytest.importorskip("torch")
    rough = np.random.default_rng(0).normal(size=(2, 5, 7))
    expected = torch.nn.functional.interpolate(
        torch.tensor(rough)[:, None], size=(16, 32), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(enlarged(rough, 16, 32), expected[:, 0].numpy(), atol=1e-12)


def test_it_can_be_given_up() -> None:
    def check() -> None:
        raise Cancelled("Given up.")

    network, x = made(LISTS[0]), pictures(1)
    for look in (
        lambda: saliency(network, x, check=check),
        lambda: grad_cam(network, x, (1,), check=check),
        lambda: excite(network, (1,), [0], np.random.default_rng(0), check=check),
    ):
        with pytest.raises(Cancelled):
            look()
