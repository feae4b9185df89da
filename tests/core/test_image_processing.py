"""Filters chosen by hand against scipy, and the photographs they are shown on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resources
from app.core import kernels
from app.core.data.photographs import BUNDLED_PHOTOGRAPHS, bundled_photograph, read_photograph
from app.core.errors import RefusedInputError, ShapeError
from app.core.image_processing import FILTERS, as_pixels, filter_pictures

ENGINES = ["reference", "compiled"] if kernels.COMPILED else ["reference"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FILTERS)
def test_filters_equal_scipys_correlation(name, engine):
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is not installed")
    x = np.random.default_rng(1).integers(0, 256, (2, 3, 12, 9)).astype(np.uint8)
    chosen = FILTERS[name]
    out = filter_pictures(x, chosen.array()[None], np.array([chosen.bias]), engine)
    assert out.shape == (2, 1, 12, 9)
    for picture, found in zip(x.astype(float), out, strict=True):
        expected = chosen.bias + sum(
            ndimage.correlate(channel, weights, mode="constant")
            for channel, weights in zip(picture, chosen.array(), strict=True)
        )
        assert np.abs(found[0] - expected).max() < 1e-9


def test_the_exercises_two_filters_are_there():
    assert FILTERS["grayscale"].array()[:, 1, 1].tolist() == [0.3, 0.6, 0.1]
    assert np.count_nonzero(FILTERS["grayscale"].array()) == 3
    assert FILTERS["edges"].array()[2].tolist() == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    assert not FILTERS["edges"].array()[:2].any()
    assert FILTERS["edges"].bias == 128


def test_a_filter_of_another_odd_size_keeps_the_picture_and_an_even_one_is_refused():
    x = np.ones((1, 3, 6, 7))
    assert filter_pictures(x, np.ones((2, 3, 5, 1)), np.zeros(2)).shape == (1, 2, 6, 7)
    with pytest.raises(ShapeError, match="2×3"):
        filter_pictures(x, np.ones((1, 3, 2, 3)), np.zeros(1))


def test_a_plane_becomes_black_to_white_and_a_flat_one_grey():
    assert as_pixels(np.array([[-5.0, 0.0], [2.5, 5.0]])).tolist() == [[0, 128], [191, 255]]
    assert (as_pixels(np.full((2, 2), 7.0)) == 128).all()


@pytest.mark.parametrize("name", BUNDLED_PHOTOGRAPHS)
def test_bundled_photographs_are_there_and_small(name):
    pixels = bundled_photograph(name)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (3, 200, 200))
    assert pixels.std() > 30
    folder = Path(resources.__path__[0])
    sizes = [(folder / file).stat().st_size for file in BUNDLED_PHOTOGRAPHS.values()]
    assert sum(sizes) <= 150_000


def test_bundled_photographs_are_those_of_scikit_image():
    data = pytest.importorskip("skimage.data", reason="scikit-image is not installed")
    # The astronaut is square: the mean of all pixels survives resizing.
    ours, theirs = bundled_photograph("astronaut"), data.astronaut()
    assert np.abs(ours.mean(axis=(1, 2)) - theirs.mean(axis=(0, 1))).max() < 1.5


def test_a_persons_photograph_is_cropped_to_its_middle_square(tmp_path):
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    pixels = read_photograph(tmp_path / "wide.png", 20)
    assert pixels.shape == (3, 20, 20)
    assert (pixels == 200).all()


def test_what_is_no_photograph_is_refused(tmp_path):
    file = tmp_path / "words.png"
    file.write_bytes(hashlib.sha256(b"no picture").digest() * 10)
    with pytest.raises(RefusedInputError, match=r"words\.png"):
        read_photograph(file)
    with pytest.raises(RefusedInputError):
        read_photograph(tmp_path / "missing.png")
