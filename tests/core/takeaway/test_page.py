"""The page: what it says is escaped, nothing is loaded, every figure has words; on paper too."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from app.core.chart import Chart, Curve
from app.core.mosaic import mosaic
from app.core.takeaway.page import Figure, Grid, Page, Section, Table, page_html, tiles_png, zoom_of
from app.core.takeaway.pdf import page_pdf

NASTY = "<script>alert('x')</script> & \"“ρ”\" 日本 {{ 7 * 7 }}"


def chart(words: str = "J") -> Chart:
    x = np.linspace(1, 40, 50)
    curve = Curve(words, "#161b22", x, 20 / x)
    band = Curve("", "#2f6fed", x, 30 / x, faint=True, low=25 / x, high=40 / x)
    return Chart([curve, band], "epoch", "cost", True, True, (2.5, words), [(10, words)], words)


def a_page(words: str = NASTY) -> Page:
    rng = np.random.default_rng(0)
    tiles = mosaic(rng.normal(size=(7, 3, 8, 8)))
    grid = Grid(np.array([[3.0, np.nan], [0, 9]]), [words, "b"], ["a", words], words, words, ".0f")
    figures = [
        Figure(tiles, words, words, words),
        Figure(chart(words), words, words),
        Figure(grid, words, words),
    ]
    table = Table((words, "Value"), [(words, "1"), ("b", words)], words, numbers=(1,))
    return Page(
        words,
        words,
        [(words, words)],
        [Section(words, [words], figures, [table], 2)],
        [words],
        [words],
    )


class Reader(HTMLParser):
    """Gathers a page's elements and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_everything_is_escaped() -> None:
    text = page_html(a_page()).decode()
    reader = Reader(text)
    assert reader.open == []
    assert not {"script", "iframe", "object", "style2"} & {tag for tag, _ in reader.found}
    assert "<script" not in text
    assert "{{ 7 * 7 }}" in text  # a template's words from outside are only words
    assert "日本" in text


def test_nothing_is_loaded() -> None:
    text = page_html(a_page("plain")).decode()
    assert "http" not in re.sub('http-equiv="Content-Security-Policy"', "", text)
    assert not re.search(r"@import|url\(|//[a-z]", re.sub(r'data:[^"]*', "", text))
    for tag, given in Reader(text).found:
        assert not any(name.startswith("on") for name in given), tag
        for name in ("src", "href"):
            assert (given.get(name) or "data:").startswith("data:")
    policy = next(g for t, g in Reader(text).found if g.get("http-equiv"))
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_each_figure_has_a_caption_and_words_for_whoever_cannot_see_it() -> None:
    text = page_html(a_page("some words")).decode()
    found = Reader(text).found
    tags = [tag for tag, _ in found]
    assert tags.count("figure") == tags.count("figcaption") == 3
    for tag, given in found:
        if tag == "img":
            assert given["alt"] == "some words"
        if tag == "svg":
            assert given["role"] == "img"
            assert given["aria-label"] == "some words"
        if tag == "table" and given.get("class") == "grid":
            assert given["aria-label"] == "some words"
    assert text.count("prefers-color-scheme: dark") <= 2
    assert text.count("@media print") == 1


def test_a_picture_on_the_page_shows_the_page_between_its_tiles() -> None:
    tiles = mosaic(np.random.default_rng(1).normal(size=(3, 4, 4)), columns=2)
    with Image.open(BytesIO(tiles_png(tiles))) as image:
        levels = np.asarray(image)
    x, y, width, height = tiles.rectangle(2)
    inside = levels[y : y + height, x : x + width]
    assert (inside[:, :, 3] == 255).all()
    np.testing.assert_array_equal(inside[:, :, 0], tiles.pixels[y : y + height, x : x + width])
    assert int((levels[:, :, 3] > 0).sum()) == 3 * 16  # not the fourth place, not the gaps


def test_pixels_are_whole_and_pictures_beside_each_other_fit() -> None:
    tiles = mosaic(np.zeros((100, 16, 16)))
    assert zoom_of(Figure(tiles, "", "", zoom=8), 1) == 6
    assert zoom_of(Figure(tiles, "", "", zoom=8), 3) == 2
    assert zoom_of(Figure(mosaic(np.zeros((1, 2000, 2000))), "", ""), 1) == 1


def test_shares_of_a_grid() -> None:
    grid = Grid(np.array([[0.0, 5], [10, np.nan]]), "ab", "cd")
    np.testing.assert_allclose(grid.shares(), [[0, 0.5], [1, 0]])
    assert grid.words(1, 1) == ""
    negative = Grid(np.array([[-1.0, 1]]), "a", "bc")
    np.testing.assert_allclose(negative.shares(), [[0, 1]])
    assert (Grid(np.full((1, 2), np.nan), "a", "bc").shares() == 0).all()


@pytest.mark.parametrize("words", [NASTY, "plain", "", "long " * 200, "x" * 500, "a\nb\tc"])
def test_the_same_page_on_paper(words: str, caplog: pytest.LogCaptureFixture) -> None:
    data = page_pdf(a_page(words))
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert not caplog.records


def test_a_long_table_goes_on_the_next_sheet() -> None:
    rows = [(f"setting {n}", str(n)) for n in range(200)]
    data = page_pdf(Page("Long", sections=[Section("Settings", tables=[Table(("a", "b"), rows)])]))
    assert 4 <= len(re.findall(rb"/Type /Page\b", data)) <= 7
