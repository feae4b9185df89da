"""Charts for files: what is drawn lies where its numbers say, whatever the numbers."""

from __future__ import annotations

import io
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.core.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Curve, Line, Text

SVG = "{http://www.w3.org/2000/svg}"
INSIDE = (LEFT - 0.01, WIDTH - RIGHT + 0.01, TOP - 0.01, HEIGHT - BOTTOM + 0.01)


def chart(y, x=None, **more):
    x = np.arange(1.0, len(y) + 1) if x is None else np.asarray(x, float)
    return Chart([Curve("J", "#161b22", x, np.asarray(y, float))], "epoch", "cost", **more)


def lines(parts, colour):
    return [part for part in parts if isinstance(part, Line) and part.colour == colour]


def curve_points(drawn):
    (line,) = [p for p in lines(drawn.parts(), "#161b22") if p.width == 1.6]
    return line.points


def ticks(drawn, *, vertical):
    """Return what is written beside an axis, as numbers with their places."""
    found = []
    for part in drawn.parts():
        if isinstance(part, Text) and re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", part.words):
            if vertical and part.anchor == "end":
                found.append((float(part.words), part.y - 4))
            elif not vertical and part.anchor == "middle":
                found.append((float(part.words), part.x))
    return found


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("y", [[20, 3, 0.5, 0.07], [0.52, 0.53, 0.55, 0.54], [1, 2, 3, 4]])
def test_the_curve_agrees_with_the_numbers_at_the_axes(y, log):
    drawn = chart(y, log_x=log, log_y=log)
    points = curve_points(drawn)
    scale = np.log10 if log else np.asarray
    for vertical, column, values in ((False, 0, [1, 2, 3, 4]), (True, 1, y)):
        written = ticks(drawn, vertical=vertical)
        assert len(written) >= 2
        numbers, places = np.array(written).T
        slope, offset = np.polyfit(scale(numbers), places, 1)
        np.testing.assert_allclose(
            slope * scale(np.array(values)) + offset, points[:, column], atol=0.6
        )


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=12),
    st.booleans(),
    st.booleans(),
)
def test_whatever_the_numbers_everything_drawn_lies_inside(y, log_x, log_y):
    level = (y[0], "PCA") if y and math.isfinite(y[0]) else None
    drawn = chart(y, log_x=log_x, log_y=log_y, level=level)
    left, right, top, bottom = INSIDE
    for part in drawn.parts():
        if isinstance(part, Line) and part.points[0][1] != 16.0:
            assert np.isfinite(part.points).all()
            assert ((part.points[:, 0] >= left) & (part.points[:, 0] <= right)).all()
            assert ((part.points[:, 1] >= top) & (part.points[:, 1] <= bottom)).all()
    ElementTree.fromstring(drawn.svg())


@pytest.mark.parametrize(
    "y", [[], [math.nan], [math.inf, -math.inf], [0, 0, 0], [-1, -2], [5], [1e17, 1e17], [1e-320]]
)
@pytest.mark.parametrize("log", [False, True])
def test_odd_curves_are_drawn_as_pictures(y, log):
    drawn = chart(y, log_x=log, log_y=log)
    image = Image.open(io.BytesIO(drawn.png(1)))
    assert image.size == (WIDTH, HEIGHT)
    assert len(image.getcolors(1 << 20)) > 2


def test_points_without_a_logarithm_are_left_out_and_no_others():
    assert len(curve_points(chart([-1, 0, math.nan, 4, 5], log_y=True))) == 2
    assert len(curve_points(chart([-1, 0, math.nan, 4, 5]))) == 4


def test_a_fitted_axis_begins_where_the_values_do():
    words = {
        fitted: [
            float(part.words)
            for part in chart([90.0, 95.0], fitted=fitted).parts()
            if isinstance(part, Text) and part.anchor == "end"
        ]
        for fitted in (False, True)
    }
    assert min(words[False]) == 0
    assert 89 <= min(words[True]) <= 91


def test_the_level_is_drawn_at_its_height_and_named():
    drawn = chart([1, 2, 3], level=(2.0, "PCA, 64 components"))
    (level,) = [part for part in drawn.parts() if isinstance(part, Line) and part.dash == 5.0]
    assert level.points[0, 1] == level.points[1, 1] == pytest.approx(curve_points(drawn)[1, 1])
    assert "PCA, 64 components" in [p.words for p in drawn.parts() if isinstance(p, Text)]


def test_marks_stand_at_their_step_and_words_never_overlap():
    marks = [(1.0, "ρ 0.05 → 0.1"), (1.01, "β 1 → 2"), (3.0, "λ 0 → 1")]
    drawn = chart([1, 2, 3], marks=marks)
    places = sorted(line.points[0, 0] for line in lines(drawn.parts(), "#2f6fed"))
    assert len(places) == 3
    assert places[0] == pytest.approx(curve_points(drawn)[0, 0])
    assert places[2] == pytest.approx(curve_points(drawn)[2, 0])
    words = [p for p in drawn.parts() if isinstance(p, Text) and p.colour == "#2f6fed"]
    spans = sorted((p.x - 3.3 * len(p.words), p.x + 3.3 * len(p.words)) for p in words)
    assert len(words) == 2
    assert spans[0][1] < spans[1][0]
    assert spans[0][0] >= LEFT
    assert spans[1][1] <= WIDTH - RIGHT


def test_the_svg_is_well_formed_and_escapes_what_is_written():
    nasty = "<script>&\"'"
    drawn = Chart(
        [Curve(nasty, "#161b22", np.arange(1.0, 4), np.arange(3.0))],
        nasty, nasty, level=(1.0, nasty), marks=[(2.0, nasty)], title=nasty,
    )  # fmt: skip
    root = ElementTree.fromstring(drawn.svg())
    assert root.tag == f"{SVG}svg"
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert words.count(nasty) == 5
    assert root.find(f"{SVG}title").text == nasty
    assert not list(root.iter(f"{SVG}script"))


def test_the_png_shows_what_the_svg_says():
    drawn = chart([1, 3, 2])
    image = np.asarray(Image.open(io.BytesIO(drawn.png(2))).convert("L")).astype(int)
    for x, y in curve_points(drawn):
        around = image[round(y * 2) - 3 : round(y * 2) + 4, round(x * 2) - 3 : round(x * 2) + 4]
        assert around.min() < 80
    assert (image == 255).mean() > 0.8
