"""Checks of what is looked at: convolution as image processing, and the grid of filters."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.core.checks.common import draws, engines
from app.core.checks.outcomes import Conditions, Measure, check
from app.core.data.photographs import BUNDLED_PHOTOGRAPHS, bundled_photograph
from app.core.image_processing import FILTERS, filter_pictures
from app.core.mosaic import mosaic
from app.core.nn.gradient_check import relative_error

__all__ = ["CHECKS"]

GROUP = "Pictures"


@check(
    GROUP,
    "A convolution turns two photographs grey and finds their horizontal edges, as arithmetic on "
    "the pixels does",
    code=("conv_forward",),
)
def image_processing(_: Conditions) -> Iterator[Measure]:
    x = np.stack([bundled_photograph(name) for name in BUNDLED_PHOTOGRAPHS]).astype(np.float64)
    chosen = [FILTERS["grayscale"], FILTERS["edges"]]
    weights = np.stack([one.array() for one in chosen])
    bias = np.array([one.bias for one in chosen])
    red, green, blue = x[:, 0], x[:, 1], x[:, 2]
    grey = 0.3 * red + 0.6 * green + 0.1 * blue
    around = np.pad(blue, ((0, 0), (1, 1), (1, 1)))
    rows = around[:, :, :-2] + 2 * around[:, :, 1:-1] + around[:, :, 2:]
    edges = rows[:, :-2] - rows[:, 2:] + 128
    for layers in engines("conv_forward"):
        # The loops take a second for a photograph: of theirs a part will do.
        part = slice(0, 40) if layers.NAME == "NumPy" else slice(None)
        out = filter_pictures(x[:, :, part, :], weights, bias, _name(layers.NAME))
        # The last row of a part has no neighbour below.
        inside = slice(0, out.shape[2] - 1)
        yield Measure(
            "grey", relative_error(out[:, 0], grey[:, part]), 1e-12, "picture", engine=layers.NAME
        )
        yield Measure(
            "edges",
            float(np.abs(out[:, 1, inside] - edges[:, part][:, inside]).max()),
            1e-10,
            "picture",
            engine=layers.NAME,
        )


def _name(title: str) -> str:
    return "reference" if title == "NumPy" else "compiled"


@check(
    GROUP,
    "In the grid of RGB filters each filter has its own black and white, and keeps its hue",
)
def filter_grid(_: Conditions) -> Iterator[Measure]:
    w = draws().randn(32, 3, 7, 7) * np.logspace(-4, 2, 32)[:, None, None, None]
    grid = mosaic(w, scale="own")
    darkest, brightest, hues = [], [], []
    for index in range(len(w)):
        left, top, width, height = grid.rectangle(index)
        tile = grid.pixels[top : top + height, left : left + width].astype(np.float64)
        darkest.append(tile.min())
        brightest.append(255 - tile.max())
        low, high = w[index].min(), w[index].max()
        expected = (w[index].transpose(1, 2, 0) - low) / (high - low) * 255
        hues.append(np.abs(tile - expected).max())
    yield Measure("darkest", float(max(darkest)), 0.0, "picture")
    yield Measure("brightest short of white", float(max(brightest)), 0.0, "picture")
    yield Measure("levels off", float(max(hues)), 0.51, "picture")


CHECKS = (image_processing, filter_grid)
