"""A grid of numbers and three weights do to a picture what arithmetic on its pixels does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate

from app.core import kernels
from app.core.errors import ShapeError
from app.core.filter_design import DESIGNS, SIZES, explain_place, filtered, short, to_pixels
from app.core.image_processing import FILTERS


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 12, 15), np.uint8)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_is_what_scipy_makes_of_each_channel(
    name: str, compiled: bool, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compiled:
        monkeypatch.setattr(kernels, "COMPILED", False)
    design = DESIGNS[name]
    kernel = np.array(design.kernel)
    planes = [
        weight * correlate(plane.astype(float), kernel, mode="constant")
        for weight, plane in zip(design.channels, picture, strict=True)
    ]
    expected = np.stack(planes) if design.colour else np.sum(planes, axis=0)[None]
    assert filtered(picture, design) == pytest.approx(expected + design.bias, abs=1e-9)


def test_known_filters_stay_what_they_are() -> None:
    for name in ("grayscale", "edges", "laplace"):
        expected = FILTERS[name].array()
        assert DESIGNS[name].weights()[0] == pytest.approx(expected, abs=1e-4)
        assert DESIGNS[name].bias == FILTERS[name].bias


@pytest.mark.parametrize("name", DESIGNS)
def test_a_larger_grid_does_the_same(name: str, picture: NDArray[np.uint8]) -> None:
    design = DESIGNS[name]
    for size in SIZES:
        other = design.with_size(size)
        assert other.size == size
        if size >= design.size:
            assert filtered(picture, other) == pytest.approx(filtered(picture, design), abs=1e-9)
            assert other.with_size(design.size) == design


def test_a_grid_without_a_middle_is_refused() -> None:
    with pytest.raises(ShapeError, match="4×4"):
        DESIGNS["blur"].with_size(4)


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("place", [(0, 0), (5, 7), (11, 14)])
def test_a_value_is_explained(
    name: str, place: tuple[int, int], picture: NDArray[np.uint8]
) -> None:
    design = DESIGNS[name]
    found = explain_place(picture, design, *place)
    assert found.values == pytest.approx(filtered(picture, design)[(slice(None), *place)])
    assert f"= {short(found.values[0])}" in found.sentence(design)


def test_pixels_are_cut_off_or_stretched() -> None:
    result = np.array([[[-50.0, 100.0, 300.0]]])
    assert to_pixels(result, stretch=False).tolist() == [[[0, 100, 255]]]
    assert to_pixels(result, stretch=True).tolist() == [[[0, 109, 255]]]
    assert DESIGNS["identity"].with_value(0, 2, 3.0).kernel[0] == (0.0, 0.0, 3.0)


def test_sums_are_written_with_the_digits_that_matter() -> None:
    assert [short(value) for value in (0.0, 12.345, -3.5, 47281.4)] == [
        "0",
        "12.35",
        "−3.5",
        "47281",
    ]
