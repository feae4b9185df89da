"""One sheet of filters for a wall or a paper: with a scale bar, what black and white mean, settings.

Everything but the tiles is letters and lines; the tiles are pixels with hard edges. The sheet is
laid out once, in millimetres, and then written as SVG or PDF.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.core.data.synthetic import SYNTHETIC_NAME, SYNTHETIC_TITLE
from app.core.export import mosaic_png
from app.core.fonts import drawable, font
from app.core.mosaic import Mosaic, mosaic
from app.core.takeaway.contents import Contents
from app.core.takeaway.pdf import POINT, Paper, draw_tiles

__all__ = ["Poster", "poster_pdf", "poster_svg"]

INK, QUIET = "#161b22", "#59626d"
# Millimetres.
WIDTH, MARGIN = 210.0, 16.0
INNER = WIDTH - 2 * MARGIN


@dataclass(frozen=True)
class Words:
    """A line of words: left end and base line in mm, size in points."""

    x: float
    y: float
    text: str
    size: float
    colour: str = QUIET
    bold: bool = False
    anchor: str = "start"


@dataclass(frozen=True)
class Bar:
    """A filled rectangle, in mm."""

    x: float
    y: float
    width: float
    height: float
    colour: str = INK


@dataclass(frozen=True)
class Tiles:
    """Pixels at a place, `width` mm wide."""

    x: float
    y: float
    width: float
    mosaic: Mosaic

    @property
    def height(self) -> float:
        """In mm."""
        high, wide = map(int, self.mosaic.pixels.shape[:2])
        return self.width * high / wide


@dataclass(frozen=True)
class Poster:
    """A sheet: its title, its height in mm and what stands on it."""

    title: str
    height: float
    parts: tuple[Words | Bar | Tiles, ...]

    @classmethod
    def of(cls, contents: Contents, scale: str = "own") -> Poster:
        """Lay out the filters of a run; raises `UsageError` where there are none."""
        tiles = contents.filters(scale)
        info, cnn = contents.info, contents.info.kind == "cnn"
        source = Path(info.source.path).name or info.source.path
        if source == SYNTHETIC_NAME:
            source = SYNTHETIC_TITLE
        title = "First-layer filters" if cnn else "Filters of a sparse autoencoder"
        y = MARGIN + 6
        parts: list[Words | Bar | Tiles] = [Words(MARGIN, y, title, 18, INK, True)]
        channels, height, width = info.source.shape
        what = f"learned from {info.source.count:,} {'images' if cnn else 'patches'} of {source}, {channels} × {height} × {width}"
        parts.append(Words(MARGIN, y + 6.5, _fit(what, 10, INNER), 10))
        picture = Tiles(MARGIN, y + 12, INNER, tiles)
        parts.append(picture)
        # As long as one filter is wide.
        pixel = INNER / int(tiles.pixels.shape[1])
        wide = tiles.tile_shape[1] * pixel
        y = picture.y + picture.height + 4
        parts += [
            Bar(MARGIN + tiles.gap * pixel, y, wide, 0.7),
            Words(MARGIN + tiles.gap * pixel, y + 5, f"{tiles.tile_shape[1]} pixels", 8.5, INK),
        ]
        legend, ends = _legend(contents, scale, tiles)
        right = MARGIN + INNER
        parts += [
            Tiles(right - 75, y, 75, legend),
            Words(right - 75, y + 9, ends[0], 8.5, INK),
            Words(right, y + 9, ends[1], 8.5, INK, anchor="end"),
        ]
        y += 16
        lines = [*_wrapped(contents.caption(), 10, INNER), _outcome(contents)]
        lines.append(
            f"Run {info.run_id}, {info.started[:10]}, {info.engine}; data SHA-256 {info.source.sha256[:16]}…"
        )
        for number, line in enumerate(line for line in lines if line):
            last = line is lines[-1]
            parts.append(
                Words(
                    MARGIN,
                    y + 5 * number,
                    _fit(line, 7.5 if last else 10, INNER),
                    7.5 if last else 10,
                    QUIET if last else INK,
                )
            )
            y_end = y + 5 * number
        return cls(title, y_end + MARGIN, tuple(parts))


def poster_svg(poster: Poster) -> bytes:
    """Return the sheet as SVG, in millimetres."""
    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH:g}mm" height="{poster.height:.2f}mm" '
        f'viewBox="0 0 {WIDTH:g} {poster.height:.2f}" font-family="DejaVu Sans, sans-serif">',
        f"<title>{escape(poster.title)}</title>",
        f'<rect width="{WIDTH:g}" height="{poster.height:.2f}" fill="#ffffff"/>',
    ]
    for part in poster.parts:
        if isinstance(part, Words):
            weight = ' font-weight="bold"' if part.bold else ""
            out.append(
                f'<text x="{part.x:.2f}" y="{part.y:.2f}" font-size="{part.size * POINT:.3f}" '
                f'fill="{part.colour}" text-anchor="{part.anchor}"{weight}>{escape(part.text)}</text>'
            )
        elif isinstance(part, Bar):
            out.append(
                f'<rect x="{part.x:.2f}" y="{part.y:.2f}" width="{part.width:.2f}" '
                f'height="{part.height:.2f}" fill="{part.colour}"/>'
            )
        else:
            # Large: some programs smooth what they enlarge, whatever the style says.
            zoom = max(1, min(8, 2400 // int(part.mosaic.pixels.shape[1])))
            pixels = base64.b64encode(mosaic_png(part.mosaic, zoom)).decode()
            out.append(
                f'<image x="{part.x:.2f}" y="{part.y:.2f}" width="{part.width:.2f}" '
                f'height="{part.height:.3f}" preserveAspectRatio="none" '
                f'style="image-rendering:pixelated" href="data:image/png;base64,{pixels}"/>'
            )
    out.append("</svg>\n")
    # A file's name may be no text.
    return "\n".join(out).encode(errors="backslashreplace")


def poster_pdf(poster: Poster) -> bytes:
    """Return the sheet as PDF of its own size."""
    paper = _Sheet(poster.title, (WIDTH, poster.height))
    paper.set_auto_page_break(False)
    for part in poster.parts:
        if isinstance(part, Words):
            paper.letters(part.size, part.colour, bold=part.bold)
            text = drawable(part.text)
            shift = paper.get_string_width(text) if part.anchor == "end" else 0.0
            paper.text(part.x - shift, part.y, text)
        elif isinstance(part, Bar):
            paper.set_fill_color(part.colour)
            paper.rect(part.x, part.y, part.width, part.height, style="F")
        else:
            draw_tiles(paper, part.mosaic, part.x, part.y, part.width, poster.title)
    return bytes(paper.output() or b"")


class _Sheet(Paper):
    def footer(self) -> None:
        """Write nothing: it is the only sheet."""


def _legend(contents: Contents, scale: str, tiles: Mosaic) -> tuple[Mosaic, tuple[str, str]]:
    """Return a bar of all levels, and what its ends mean."""
    levels: NDArray[np.float32] = np.linspace(-1, 1, 90, dtype=np.float32).reshape(1, 1, 90)
    bar = levels.repeat(6, axis=1)
    if scale == "own":
        return mosaic(bar, gap=0), ("least weight", "greatest, of each filter")
    values = contents.tiles(contents.weights)
    low, high = float(values.min()), float(values.max())
    if scale == "diverging":
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
        colour = tiles.pixels.ndim == 3 and values.shape[1] == 1
        return mosaic(bar, gap=0, scale="diverging" if colour else "own"), (
            f"{low:.3g}",
            f"{high:.3g}",
        )
    return mosaic(bar, gap=0), (f"{low:.3g}", f"{high:.3g}")


def _outcome(contents: Contents) -> str:
    info, outcome = contents.info, contents.info.outcome
    if info.kind == "cnn":
        return "" if info.best is None else f"{info.best.accuracy:.1%} right on validation images"
    if outcome is None or outcome.terms is None:
        return ""
    return f"J {sum(outcome.terms):.4g} after {outcome.epoch:g} epochs"


def _fit(text: str, size: float, width: float) -> str:
    """Return `text`, shortened so that it is at most `width` mm long."""
    letters = font(round(size * 4))
    most = width / POINT * 4
    if letters.getlength(drawable(text)) <= most:
        return text
    while text and letters.getlength(drawable(text) + "…") > most:
        text = text[:-1]
    return text.rstrip() + "…"


def _wrapped(text: str, size: float, width: float) -> list[str]:
    """Return `text` as lines of at most `width` mm."""
    letters, most = font(round(size * 4)), width / POINT * 4
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and letters.getlength(drawable(longer)) > most:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
