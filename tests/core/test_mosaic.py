"""Every pixel of a mosaic is where it must be and means what it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.mosaic import fitting, interleaved, mosaic


def tiles(count=5, height=3, width=4, channels=None, seed=0):
    shape = (count, height, width) if channels is None else (count, channels, height, width)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def tile_of(picture, index):
    x, y, width, height = picture.rectangle(index)
    return picture.pixels[y : y + height, x : x + width]


def test_the_picture_is_as_large_as_its_tiles_and_gaps():
    picture = mosaic(tiles(5), columns=3, gap=2)
    assert picture.pixels.shape == (2 * 3 + 3 * 2, 3 * 4 + 4 * 2)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.flags.c_contiguous
    assert mosaic(tiles(10)).columns == 4
    assert mosaic(tiles(2), columns=9).columns == 2


@given(
    st.integers(1, 12), st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.integers(1, 13)
)
def test_each_tile_stands_in_its_rectangle_and_all_else_is_background(count, h, w, gap, columns):
    values = tiles(count, h, w)
    picture = mosaic(values, columns=columns, gap=gap, scale="common", background=(7, 7, 7))
    low, high = values.min(), values.max()
    rest = picture.pixels.copy()
    for index in range(count):
        share = (values[index] - low) / (high - low) if high > low else np.full((h, w), 0.5)
        assert np.abs(tile_of(picture, index).astype(float) - share * 255).max() <= 0.51
        x, y, width, height = picture.rectangle(index)
        for px, py in ((x, y), (x + width - 1, y + height - 1)):
            assert picture.tile_at(px, py) == index
        rest[y : y + height, x : x + width] = 7
    assert (rest == 7).all()
    tall, wide = picture.pixels.shape
    hits = {picture.tile_at(px, py) for px in range(-2, wide + 2) for py in range(-2, tall + 2)}
    assert hits - {None} == set(range(count))


def test_a_gap_is_no_tile():
    picture = mosaic(tiles(4), columns=2, gap=1)
    assert picture.tile_at(0, 0) is None
    assert picture.tile_at(5, 2) is None
    assert picture.tile_at(6, 2) == 1
    assert picture.tile_at(-3, 2) is None
    assert picture.tile_at(1000, 2) is None


def test_its_own_scale_takes_each_tile_from_black_to_white():
    picture = mosaic(tiles(6) * np.arange(1, 7)[:, None, None], scale="own")
    for index in range(6):
        tile = tile_of(picture, index)
        assert (tile.min(), tile.max()) == (0, 255)


def test_the_own_scale_of_a_colour_keeps_its_hue():
    red = np.zeros((1, 3, 2, 2), np.float32)
    red[0, 0] = [[0, 1], [2, 4]]
    picture = mosaic(red)
    np.testing.assert_array_equal(tile_of(picture, 0)[..., 0], [[0, 64], [128, 255]])
    assert not tile_of(picture, 0)[..., 1:].any()


def test_the_diverging_scale_is_white_at_zero_and_even_on_both_sides():
    values = np.array([[[-2.0, -1.0, 0.0, 1.0, 2.0]]])
    picture = mosaic(values, scale="diverging")
    row = tile_of(picture, 0)[0]
    np.testing.assert_array_equal(row[2], (247, 247, 247))
    np.testing.assert_array_equal(row[0], (33, 102, 172))
    np.testing.assert_array_equal(row[4], (178, 24, 43))
    np.testing.assert_array_equal(row[1], (140, 174, 210))
    # The greatest magnitude of all tiles is the end of the scale, not each tile's own.
    two = mosaic(np.stack([values[0], values[0] / 2]), scale="diverging")
    np.testing.assert_array_equal(tile_of(two, 1)[0, 0], row[1])


def test_the_unit_scale_is_absolute():
    picture = mosaic(np.array([[[-1.0, 0.0, 0.5, 1.0, 9.0]]]), scale="unit")
    np.testing.assert_array_equal(tile_of(picture, 0)[0], [0, 0, 128, 255, 255])


@pytest.mark.parametrize("scale", ["own", "common", "diverging", "unit"])
def test_flat_tiles_are_drawn_without_dividing_by_zero(scale):
    picture = mosaic(np.zeros((3, 2, 2)), scale=scale)
    assert len(np.unique(tile_of(picture, 0).reshape(-1))) == 1
    if scale in ("own", "common"):
        assert tile_of(picture, 0)[0, 0] == 128


@pytest.mark.parametrize("scale", ["own", "common", "diverging", "unit"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_drawn_in_the_middle_and_spoils_nothing(scale, bad):
    values = tiles(3)
    values[1, 0, 0] = 0  # not an extreme: nothing else changes when it is gone
    clean = mosaic(values, scale=scale)
    hurt = values.copy()
    hurt[1, 0, 0] = bad
    picture = mosaic(hurt, scale=scale)
    np.testing.assert_array_equal(tile_of(picture, 0), tile_of(clean, 0))
    middle = tile_of(picture, 1)[0, 0]
    np.testing.assert_array_equal(middle, (247,) * 3 if scale == "diverging" else 128)
    assert mosaic(np.full((2, 2, 2), bad), scale=scale).count == 2


@pytest.mark.parametrize("scale", ["own", "common", "diverging"])
@pytest.mark.parametrize("size", [1e-42, 1e-30, 1.0, 3e38])
def test_the_size_of_numbers_does_not_matter(scale, size):
    values = (np.array([[[-1.0, 0.0, 1.0]]]) * size).astype(np.float32)
    expected = mosaic(np.array([[[-1.0, 0.0, 1.0]]]), scale=scale)
    np.testing.assert_allclose(
        mosaic(values, scale=scale).pixels.astype(int), expected.pixels.astype(int), atol=1
    )


def test_doubles_beyond_float32_are_no_numbers_rather_than_a_warning():
    picture = mosaic(np.array([[[1e300, 0.0, 1.0]]]))
    np.testing.assert_array_equal(tile_of(picture, 0)[0], [128, 0, 255])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64, bool])
def test_any_kind_of_number_can_be_tiled(dtype):
    picture = mosaic(np.array([[[0, 1]]], dtype))
    np.testing.assert_array_equal(tile_of(picture, 0)[0], [0, 255])


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3), (2, 2, 3, 3), (4,), (2, 2), (1, 4, 2, 2)])
def test_what_cannot_be_tiled_is_refused(shape):
    with pytest.raises(ValueError, match="cannot be arranged"):
        mosaic(np.zeros(shape))


def test_a_zoom_repeats_pixels_exactly():
    picture = mosaic(tiles(3))
    np.testing.assert_array_equal(
        picture.zoomed(3), np.kron(picture.pixels, np.ones((3, 3), np.uint8))
    )
    for zoom in (0, -1):
        with pytest.raises(ValueError, match="zoom"):
            picture.zoomed(zoom)


def test_a_coloured_background_makes_the_picture_coloured():
    picture = mosaic(tiles(2), background=(10, 20, 30))
    assert picture.pixels.shape[-1] == 3
    np.testing.assert_array_equal(picture.pixels[0, 0], (10, 20, 30))


def test_columns_fill_the_room_that_there_is():
    # Nine square tiles: 3 × 3 in a square, one row or one column in a strip.
    assert fitting((4, 4), 9, (100, 100)) == (3, 9)
    assert fitting((4, 4), 9, (10, 500)) == (9, 9)
    assert fitting((4, 4), 9, (500, 10)) == (1, 9)
    # Three bands, each with its row: whole rows alone are shown.
    columns, shown = fitting((4, 4), 100, (200, 300), bands=3)
    assert shown % columns == 0
    assert 8 <= shown <= 100


@pytest.mark.parametrize("count", [1, 2, 7, 64])
@pytest.mark.parametrize("room", [(1.0, 1.0), (90.0, 400.0), (333.0, 77.0)])
def test_no_other_number_of_columns_gives_larger_tiles(count, room):
    def zoom(columns):
        rows = -(-count // columns)
        found = min(room[0] / (rows * 6 + 1), room[1] / (columns * 8 + 1))
        return np.floor(found) if found >= 1 else found

    columns, shown = fitting((5, 7), count, room)
    assert shown == count
    assert zoom(columns) == max(zoom(other) for other in range(1, count + 1))


def test_bands_take_turns_row_by_row():
    bands = np.array([[[0], [1], [2], [3]], [[10], [11], [12], [13]]])
    found = interleaved(bands, 2)
    np.testing.assert_array_equal(found[:, 0], [0, 1, 10, 11, 2, 3, 12, 13])
    np.testing.assert_array_equal(interleaved(bands[:1], 3), bands[0])
