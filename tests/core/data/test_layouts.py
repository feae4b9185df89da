"""What the axes of an array mean, held against arrays whose every pixel says where it belongs."""

from __future__ import annotations

import numpy as np
import pytest

from app.core.data.layouts import LAYOUTS, batch_axis, image_shape, possible_layouts, to_nchw

N, C, H, W = 5, 3, 4, 6
# The value of a pixel is its place.
WANTED = np.arange(N * C * H * W).reshape(N, C, H, W)


def laid_out(layout, images=WANTED):
    """Return the images in a layout, made by the letters alone."""
    if layout in ("NHW", "NWH", "WHN"):
        return images[:, 0].transpose(["NHW".index(axis) for axis in layout])
    if "D" in layout.upper():
        # d: rows innermost, then columns, then channels, as MATLAB's img(:) is.
        ordered = images if "D" in layout else images.transpose(0, 1, 3, 2)
        rows = ordered.reshape(len(images), -1)
        return rows if layout[0] == "N" else rows.T
    return images.transpose(["NCHW".index(axis) for axis in layout])


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if "D" not in name.upper()])
def test_every_order_of_axes_comes_out_as_nchw(layout):
    array = laid_out(layout)
    wanted = WANTED if "C" in layout else WANTED[:, :1]
    assert image_shape(layout, array.shape) == wanted.shape[1:]
    assert array.shape[batch_axis(layout)] == N
    found = to_nchw(array, layout)
    assert np.array_equal(found, wanted)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("layout", ["ND", "DN", "Nd", "dN"])
@pytest.mark.parametrize("channels", [1, 3])
def test_patches_that_are_rows_of_numbers(layout, channels):
    images = np.arange(7 * channels * 25).reshape(7, channels, 5, 5)
    array = laid_out(layout, images)
    assert image_shape(layout, array.shape) == (channels, 5, 5)
    assert np.array_equal(to_nchw(array, layout), images)


@pytest.mark.parametrize(
    "matlab", ["HxWxCxN", "NxHxWxC", "NxCxHxW", "HxWxN", "NxHxW", "DxN", "NxD"]
)
def test_what_matlab_writes_has_a_layout(matlab):
    """MATLAB's array in its own order of bytes, then read as HDF5 does: axes reversed."""
    images = WANTED[:, :, :, :4]
    letters = matlab.replace("x", "")
    if "D" in letters:
        columns = np.stack([image.transpose(1, 2, 0).flatten(order="F") for image in images])
        array = columns if letters == "ND" else columns.T
    elif "C" in letters:
        array = images.transpose(["NCHW".index(axis) for axis in letters])
    else:
        array = images[:, 0].transpose(["NHW".index(axis) for axis in letters])
    in_file = np.frombuffer(array.tobytes(order="F"), array.dtype).reshape(array.shape[::-1])
    wanted = images if "C" in letters or "D" in letters else images[:, :1]
    found = [to_nchw(in_file, name) for name in possible_layouts(in_file.shape, matlab=True)]
    assert any(np.array_equal(one, wanted) for one in found)


@pytest.mark.parametrize(
    ("shape", "likeliest"),
    [
        ((10240, 3, 16, 16), "NCHW"),
        ((10240, 1, 8, 8), "NCHW"),
        ((10240, 16, 16, 3), "NHWC"),
        ((10240, 16, 16), "NHW"),
        ((10240, 256), "ND"),
        ((10240, 768), "ND"),
        ((256, 10240), "DN"),
        ((16, 16, 3, 10240), "WHCN"),
        ((16, 16, 10240), "WHN"),
        ((3, 16, 16, 10240), "CWHN"),
    ],
)
def test_the_guess_is_what_a_person_would_say(shape, likeliest):
    guess = possible_layouts(shape)[0]
    # Two readings that differ in the order of rows and columns alone cannot be told apart.
    assert guess.replace("d", "D") == likeliest


def test_a_file_of_matlab_turns_the_guess():
    assert possible_layouts((900, 3, 16, 16), matlab=True)[0] == "NCWH"
    assert possible_layouts((900, 16, 16), matlab=True)[0] == "NWH"
    assert possible_layouts((900, 256), matlab=True)[0] == "Nd"
    assert possible_layouts((900, 16, 16, 3), matlab=True)[0] == "NHWC"


@pytest.mark.parametrize(
    "shape", [(), (7,), (10, 7, 4, 5), (10, 5, 7, 9), (10, 600, 600), (10, 7), (2, 2, 3, 4, 4)]
)
def test_what_cannot_be_patches_has_no_layout(shape):
    assert possible_layouts(shape) == ()
