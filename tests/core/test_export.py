"""Exported bytes hold exactly what was on the screen, with the settings that made it."""

from __future__ import annotations

import csv
import io
import json
from base64 import b64decode
from xml.etree import ElementTree

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from PIL import Image

from app.core.events import Change
from app.core.export import (
    curves_csv,
    mosaic_png,
    mosaic_svg,
    settings_text,
    weights_npz,
    weights_safetensors,
)
from app.core.history import History
from app.core.models.autoencoder import initial_weights
from app.core.mosaic import mosaic
from app.core.specs import AutoencoderSpec, PreprocessSpec

HREF = "href"


def picture(channels=1):
    tiles = np.random.default_rng(0).standard_normal((5, channels, 4, 3))
    return mosaic(tiles, columns=3)


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("zoom", [1, 2, 8])
def test_each_pixel_is_a_square_of_whole_pixels(channels, zoom):
    shown = picture(channels)
    pixels = np.asarray(opened(mosaic_png(shown, zoom)))
    assert pixels.shape[:2] == tuple(zoom * side for side in shown.pixels.shape[:2])
    for dy in range(zoom):
        for dx in range(zoom):
            np.testing.assert_array_equal(pixels[dy::zoom, dx::zoom], shown.pixels)


def test_the_settings_are_in_the_picture():
    spec = AutoencoderSpec(rho=0.025, solver="nesterov", seed=7)
    text = settings_text(spec, PreprocessSpec(grayscale=False), run_id="Größe ρ")
    found = opened(mosaic_png(picture(), 2, text)).text
    assert found["rho"] == "0.025"
    assert found["solver"] == "nesterov"
    assert found["grayscale"] == "False"
    assert found["run_id"] == "Größe ρ"
    assert found["Software"] == "Filterscope"
    assert json.loads(found["filterscope"]) == text
    for cls in (AutoencoderSpec, PreprocessSpec):
        assert set(cls.model_fields) <= set(found)
    # The spec can be made again from what the picture says.
    values = {name: found[name] for name in AutoencoderSpec.model_fields}
    assert AutoencoderSpec.build(values) == spec


def test_the_same_picture_gives_the_same_bytes():
    assert mosaic_png(picture(), 3, {"a": "b"}) == mosaic_png(picture(), 3, {"a": "b"})


@pytest.mark.parametrize("channels", [1, 3])
def test_the_svg_holds_the_exact_pixels(channels):
    shown = picture(channels)
    root = ElementTree.fromstring(mosaic_svg(shown, 5, "<Filters>", "ρ & λ <b>"))
    height, width = shown.pixels.shape[:2]
    assert (root.get("width"), root.get("height")) == (str(width * 5), str(height * 5 + 24))
    space = "{http://www.w3.org/2000/svg}"
    image = root.find(f"{space}image")
    assert "pixelated" in image.get("style")
    kind, _, data = image.get(HREF).partition(",")
    assert kind == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(opened(b64decode(data))), shown.pixels)
    assert root.find(f"{space}title").text == "<Filters>"
    assert root.find(f"{space}text").text == "ρ & λ <b>"
    assert ElementTree.fromstring(mosaic_svg(shown, 2)).find(f"{space}text") is None


def test_the_table_has_every_step_and_what_was_in_force():
    history = History(("reconstruction", "decay", "sparsity"))
    terms = np.random.default_rng(0).uniform(0.1, 2, (6, 3))
    history.append(1, terms)
    history.changes = [
        (0, Change("beta", 0.5, 1.0)),
        (2, Change("rho", 0.05, 0.1)),
        (2, Change("lam", 1e-4, 0.0)),
        (4, Change("rho", 0.1, 0.2)),
        (6, Change("rho", 0.2, 0.3)),
    ]
    text = curves_csv(history, AutoencoderSpec(rho=0.05, beta=0.5), 4).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == [
        "step", "epoch", "J", "reconstruction", "decay", "sparsity",
        "learning_rate", "momentum", "rho", "beta", "lam", "changed",
    ]  # fmt: skip
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [float(row["epoch"]) for row in rows] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5]
    # As many digits as it takes: nothing is lost.
    for name, column in zip(history.term_names, terms.T, strict=True):
        assert [float(row[name]) for row in rows] == column.tolist()
    np.testing.assert_allclose([float(row["J"]) for row in rows], terms.sum(axis=1), rtol=1e-15)
    assert [float(row["rho"]) for row in rows] == [0.05, 0.05, 0.1, 0.1, 0.2, 0.2]
    assert [float(row["lam"]) for row in rows] == [1e-4, 1e-4, 0, 0, 0, 0]
    assert {float(row["beta"]) for row in rows} == {1.0}
    assert rows[2]["changed"] == "rho 0.05 -> 0.1; lam 0.0001 -> 0.0"
    assert rows[1]["changed"] == ""
    assert text.count("\r") == 0


def test_an_empty_run_is_a_table_with_a_head():
    empty = History(("reconstruction", "decay", "sparsity"))
    assert curves_csv(empty, AutoencoderSpec(), 0).decode().count("\n") == 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_weights_are_read_back_as_they_were(precision):
    weights = initial_weights(16, AutoencoderSpec(hidden_units=5, precision=precision))
    # A view that is not contiguous is written in the order its indices say.
    weights["W2"] = np.asfortranarray(weights["W2"])
    with np.load(io.BytesIO(weights_npz(weights)), allow_pickle=False) as file:
        back = dict(file)
    data = weights_safetensors(weights, {"rho": "0.05"})
    again = safetensors.numpy.load(data)
    shapes = {"W1": (16, 5), "b1": (5,), "W2": (5, 16), "b2": (16,)}
    for found in (back, again):
        assert {name: array.shape for name, array in found.items()} == shapes
        for name, array in found.items():
            assert array.dtype == precision
            np.testing.assert_array_equal(array, weights[name])
    length = int.from_bytes(data[:8], "little")
    assert json.loads(data[8 : 8 + length])["__metadata__"] == {"rho": "0.05"}
