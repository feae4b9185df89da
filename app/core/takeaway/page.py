"""A page to take away: what it says, and that as one HTML file that needs nothing else.

The report of a run and the page of a study are both a `Page`. Whoever makes one says what there
is to be seen; how it looks stands in resources/report, once. `app.core.takeaway.pdf` puts the
same page on paper.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

import resources
from app.core.chart import Chart
from app.core.mosaic import Mosaic

__all__ = ["Figure", "Grid", "Page", "Section", "Table", "page_html", "render", "zoom_of"]

# Widest picture on the page, in its pixels.
WIDE = 1080
GAP = 20


@dataclass(frozen=True)
class Grid:
    """Numbers in rows and columns, darker where they are larger: a confusion matrix, a heat map.

    Attributes
    ----------
    values : ndarray, shape (m, n)
        NaN where there is nothing.
    rows, columns : sequence of str
        Names of the m rows and n columns.
    row_label, column_label : str
        What rows and columns are.
    form : str
        How a number is written, as for `format`.
    """

    values: NDArray[np.float64]
    rows: Sequence[str]
    columns: Sequence[str]
    row_label: str = ""
    column_label: str = ""
    form: str = ".3g"

    def shares(self) -> NDArray[np.float64]:
        """Return how dark each cell is, 0 … 1, shape (m, n); nothing where nothing is known."""
        values = np.asarray(self.values, np.float64)
        known = np.isfinite(values)
        if not known.any():
            return np.zeros_like(values)
        low, high = values[known].min(), values[known].max()
        low = min(low, 0.0) if low >= 0 else low
        span = high - low if high > low else 1.0
        return np.where(known, (np.where(known, values, low) - low) / span, 0.0)

    def words(self, row: int, column: int) -> str:
        """Return what stands in a cell."""
        value = float(self.values[row, column])
        return format(value, self.form) if np.isfinite(value) else ""


@dataclass(frozen=True)
class Figure:
    """Something to look at, with a caption and words for whoever cannot see it.

    `zoom` is the most pixels that a pixel of a mosaic becomes; a mosaic is never made wider than
    its share of the page.
    """

    content: Mosaic | Chart | Grid
    caption: str
    alt: str
    title: str = ""
    zoom: int = 4


@dataclass(frozen=True)
class Table:
    """Rows of words below headings; the columns in `numbers` stand to the right."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    numbers: Sequence[int] = ()


@dataclass(frozen=True)
class Section:
    """A part of a page: words, then figures `columns` beside each other, then tables."""

    title: str
    text: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    columns: int = 1


@dataclass(frozen=True)
class Page:
    """All that a page says.

    Attributes
    ----------
    title, lead : str
        Its name, and one or two sentences below it.
    facts : sequence of (str, str)
        A few numbers that matter most: what it is, and its value.
    sections : sequence of Section
    footer : sequence of str
        Where it comes from: identity, versions, checksums.
    tags : sequence of str
    """

    title: str
    lead: str = ""
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = ()
    footer: Sequence[str] = ()
    tags: Sequence[str] = field(default_factory=tuple)


def page_html(page: Page) -> bytes:
    """Return the page as one HTML file: no script, no request, light or dark as the reader likes."""
    return render("page.html.j2", page=page)


def render(template: str, **values: Any) -> bytes:
    """Return a template of resources/report filled in; all that is put in is escaped.

    A template may extend ``base.html.j2`` and use ``figures.html.j2``, as ``page.html.j2`` does.
    """
    text = _environment().get_template(template).render(**values)
    # A file's name may be no text.
    return text.encode(errors="backslashreplace")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    folder = Path(resources.__file__).with_name("report")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(figure_html=figure_html, kind_of=_kind_of, width_of=_width_of)
    return environment


def _kind_of(figure: Figure) -> str:
    return type(figure.content).__name__.lower()


def _width_of(figure: Figure, columns: int) -> int:
    """Return how many pixels wide a mosaic is on the page."""
    assert isinstance(figure.content, Mosaic)
    return int(figure.content.pixels.shape[1]) * zoom_of(figure, columns)


def figure_html(figure: Figure, columns: int = 1) -> Markup:
    """Return a mosaic or a chart as HTML; a grid is a table, which the template writes."""
    content = figure.content
    if isinstance(content, Chart):
        return _inline_svg(content, figure.alt)
    assert isinstance(content, Mosaic)
    height, width = content.pixels.shape[:2]
    zoom = zoom_of(figure, columns)
    return Markup(
        '<img class="tiles" src="data:image/png;base64,{}" width="{}" height="{}" alt="{}">'
    ).format(base64.b64encode(tiles_png(content)).decode(), width * zoom, height * zoom, figure.alt)


def zoom_of(figure: Figure, columns: int) -> int:
    """Return how many pixels a pixel of a mosaic becomes: whole, so that all are equally large."""
    assert isinstance(figure.content, Mosaic)
    width = int(figure.content.pixels.shape[1])
    room = (WIDE - GAP * (columns - 1)) // columns
    return max(1, min(figure.zoom, room // width))


def tiles_png(tiles: Mosaic) -> bytes:
    """Return the tiles as PNG with nothing between them, so that the page is seen there."""
    pixels = tiles.pixels
    colour = pixels if pixels.ndim == 3 else pixels[:, :, None].repeat(3, axis=2)
    seen = np.zeros((*pixels.shape[:2], 1), np.uint8)
    for index in range(tiles.count):
        x, y, width, height = tiles.rectangle(index)
        seen[y : y + height, x : x + width] = 255
    out = io.BytesIO()
    Image.fromarray(np.concatenate([colour * (seen > 0), seen], axis=2)).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


def _inline_svg(chart: Chart, alt: str) -> Markup:
    """Return a chart as part of a page, whose style gives it the page's colours."""
    drawn = chart.svg().decode()
    drawn = re.sub(r"^.*?<svg [^>]*(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1", drawn, flags=re.S)
    # Markup: `Chart` escapes its words.
    opening, closing = Markup(' class="chart" role="img" aria-label="{}">').format(alt), "</svg>"
    head, _, body = drawn.partition('"\n')
    return Markup(head + '"') + opening + Markup(body.rpartition(closing)[0] + closing)
