"""A small line chart as SVG or PNG, for files that are made without a window."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.core.fonts import font

__all__ = ["Chart", "Curve"]

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 66, 26, 52, 44
# Height of a line of the legend.
LEGEND = 18
# How much of its colour a faint line or a band has; the rest is the paper's white.
FAINT, BAND = 0.35, 0.18
# Numbers beyond this, and below its inverse on a logarithmic axis, are left out.
MOST = 1e100
INK, QUIET, GRID = "#161b22", "#626b76", "#e1e5ea"


@dataclass(frozen=True)
class Curve:
    """One line: its name, colour and points.

    A `faint` one stands behind the others; `low` and `high` (N,) are the edges of a band behind
    the line. What has no name is not in the legend.
    """

    name: str
    colour: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    faint: bool = False
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Text:
    """A word at a place; `anchor` is start, middle or end; `turned` reads upwards."""

    x: float
    y: float
    words: str
    colour: str
    anchor: str = "start"
    turned: bool = False


@dataclass(frozen=True)
class Line:
    """A broken line through points (n, 2); `dash` in pixels, 0 for none."""

    points: NDArray[np.float64]
    colour: str
    width: float = 1.0
    dash: float = 0.0


@dataclass(frozen=True)
class Area:
    """A coloured area within a ring of points (n, 2)."""

    points: NDArray[np.float64]
    colour: str


@dataclass
class Chart:
    """Curves against a common axis.

    Parameters
    ----------
    x_label, y_label : str
        Names of the axes, with units.
    log_x, log_y : bool
        Points that are not positive are left out there.
    level : tuple, optional
        A horizontal dashed line: its height and what it is.
    marks : sequence of (float, str)
        Vertical dotted lines and what happened there.
    fitted : bool
        Whether the axis upwards begins where the values do; a plain axis begins at zero.
    """

    curves: Sequence[Curve]
    x_label: str
    y_label: str
    log_x: bool = False
    log_y: bool = False
    level: tuple[float, str] | None = None
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    title: str = ""
    fitted: bool = False

    def parts(self) -> list[Line | Text | Area]:
        """Return everything to be drawn, back to front."""
        curves = [self._visible(curve, curve.y) for curve in self.curves]
        bands = [
            tuple(self._visible(curve, edge) for edge in (curve.low, curve.high))
            for curve in self.curves
            if curve.low is not None and curve.high is not None
        ]
        seen = [*curves, *(edge for band in bands for edge in band)]
        xs = np.concatenate([x for x, _ in seen]) if seen else np.empty(0)
        ys = np.concatenate([y for _, y in seen]) if seen else np.empty(0)
        if self.level is not None and self._shows(self.level[0]):
            ys = np.append(ys, math.log10(self.level[0]) if self.log_y else self.level[0])
        left, right = _ends(xs, from_zero=not self.log_x)
        low, high = _ends(ys, from_zero=not (self.log_y or self.fitted))
        pad = (high - low) * 0.05
        low, high = (low if low == 0 and not self.log_y else low - pad), high + pad
        legend = self._legend()
        top = TOP + max((part.y for part in legend if isinstance(part, Text)), default=20.0) - 20

        def place(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
            across = LEFT + (x - left) / (right - left) * (WIDTH - LEFT - RIGHT)
            down = HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - top - BOTTOM)
            return np.stack([across, down], axis=1)

        drawn: list[Line | Text | Area] = []
        colours = [curve.colour for curve in self.curves if curve.low is not None]
        for colour, (under, over) in zip(colours, bands, strict=False):
            ring = np.concatenate([place(*under), place(*over)[::-1]])
            if len(ring) > 2:
                drawn.append(Area(ring, _mixed(colour, BAND)))
        for value, words in _ticks(left, right, 8, self.log_x):
            ends = place(np.array([value, value]), np.array([low, high]))
            drawn.append(Line(ends, GRID))
            drawn.append(Text(float(ends[0, 0]), HEIGHT - BOTTOM + 16, words, QUIET, "middle"))
        for value, words in _ticks(low, high, 6, self.log_y):
            ends = place(np.array([left, right]), np.array([value, value]))
            drawn.append(Line(ends, GRID))
            drawn.append(Text(LEFT - 7, float(ends[0, 1]) + 4, words, QUIET, "end"))
        drawn.append(Text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, self.x_label, QUIET, "middle"))
        drawn.append(Text(16, (top + HEIGHT - BOTTOM) / 2, self.y_label, QUIET, "middle", True))
        drawn.extend(self._marks(place, left, right, low, high, top))
        if self.level is not None and self._shows(self.level[0]):
            height = math.log10(self.level[0]) if self.log_y else self.level[0]
            ends = place(np.array([left, right]), np.array([height, height]))
            drawn.append(Line(ends, QUIET, 1.0, 5.0))
        for curve, (x, y) in sorted(
            zip(self.curves, curves, strict=True), key=lambda pair: not pair[0].faint
        ):
            if len(x):
                colour = _mixed(curve.colour, FAINT) if curve.faint else curve.colour
                drawn.append(Line(place(x, y), colour, 1.0 if curve.faint else 1.6))
        return [*drawn, *legend]

    def _legend(self) -> list[Line | Text]:
        """Return what the colours mean, above the plot, where it covers nothing."""
        names = [(curve.name, curve.colour) for curve in self.curves if curve.name]
        if self.level is not None:
            names.append((self.level[1], QUIET))
        drawn: list[Line | Text] = []
        at, line = float(LEFT), 20.0
        for words, colour in names:
            wide = 19 + font(12).getlength(words) + 18
            if at > LEFT and at + wide > WIDTH:
                at, line = float(LEFT), line + LEGEND
            drawn.append(Line(np.array([[at, line - 4], [at + 14, line - 4]]), colour, 2.0))
            drawn.append(Text(at + 19, line, words, colour))
            at += wide
        return drawn

    def _shows(self, height: float) -> bool:
        return abs(height) < MOST and (height > 1 / MOST or not self.log_y)

    def _visible(
        self, curve: Curve, y: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x = curve.x
        if y is None:
            return np.empty(0), np.empty(0)
        good = (np.abs(x) < MOST) & (np.abs(y) < MOST)
        good &= (x > 1 / MOST) | (not self.log_x)
        good &= (y > 1 / MOST) | (not self.log_y)
        x, y = x[good], y[good]
        return np.log10(x) if self.log_x else x, np.log10(y) if self.log_y else y

    def _marks(
        self, place: object, left: float, right: float, low: float, high: float, top: float
    ) -> list[Line | Text]:
        drawn: list[Line | Text] = []
        taken: list[tuple[float, float]] = []
        for x, words in sorted(self.marks, reverse=True):
            if self.log_x and x <= 0:
                continue
            value = math.log10(x) if self.log_x else x
            ends = place(np.array([value, value]), np.array([low, high]))  # type: ignore[operator]
            drawn.append(Line(ends, "#2f6fed", 1.0, 2.0))
            centre, half = float(ends[0, 0]), 3.3 * len(words) + 6
            centre = min(max(centre, LEFT + half), WIDTH - RIGHT - half)
            if all(centre + half < a or centre - half > b for a, b in taken):
                taken.append((centre - half, centre + half))
                drawn.append(Text(centre, top - 8, words, "#2f6fed", "middle"))
        return drawn

    def svg(self) -> bytes:
        """Return the chart as SVG."""
        out = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        ]
        for part in self.parts():
            if isinstance(part, Area):
                points = " ".join(f"{x:.2f},{y:.2f}" for x, y in part.points)
                out.append(f'<polygon points="{points}" fill="{part.colour}"/>')
            elif isinstance(part, Line):
                points = " ".join(f"{x:.2f},{y:.2f}" for x, y in part.points)
                dash = f' stroke-dasharray="{part.dash} {part.dash}"' if part.dash else ""
                out.append(
                    f'<polyline points="{points}" fill="none" stroke="{part.colour}" '
                    f'stroke-width="{part.width}" stroke-linejoin="round"{dash}/>'
                )
            else:
                turn = f' transform="rotate(-90 {part.x:.1f} {part.y:.1f})"' if part.turned else ""
                out.append(
                    f'<text x="{part.x:.1f}" y="{part.y:.1f}" fill="{part.colour}" '
                    f'text-anchor="{part.anchor}"{turn}>{escape(part.words)}</text>'
                )
        out.append("</svg>\n")
        return "\n".join(out).encode()

    def png(self, scale: int = 2) -> bytes:
        """Return the chart as PNG, `scale` pixels for a pixel of the SVG."""
        # Drawn four times as large and averaged: Pillow's lines have hard edges.
        fine = 2 * scale
        image = Image.new("RGB", (WIDTH * fine, HEIGHT * fine), "#ffffff")
        pen = ImageDraw.Draw(image)
        for part in self.parts():
            if isinstance(part, Area):
                pen.polygon(
                    [(float(x) * fine, float(y) * fine) for x, y in part.points], part.colour
                )
            elif isinstance(part, Line):
                for piece in _dashes(part.points, part.dash):
                    places = [(float(x) * fine, float(y) * fine) for x, y in piece]
                    pen.line(places, part.colour, max(1, round(part.width * fine)), joint="curve")
        image = image.resize((WIDTH * scale, HEIGHT * scale), Image.Resampling.BOX)
        pen = ImageDraw.Draw(image)
        letters = font(12 * scale)
        anchors = {"start": "ls", "middle": "ms", "end": "rs"}
        for part in self.parts():
            if not isinstance(part, Text):
                continue
            if part.turned:
                length = int(letters.getlength(part.words)) + 4
                strip = Image.new("RGB", (length, 16 * scale), "#ffffff")
                ImageDraw.Draw(strip).text((2, 12 * scale), part.words, part.colour, letters, "ls")
                strip = strip.rotate(90, expand=True)
                image.paste(strip, (4 * scale, int(part.y * scale - length / 2)))
            else:
                at = (part.x * scale, part.y * scale)
                pen.text(at, part.words, part.colour, letters, anchors[part.anchor])
        out = io.BytesIO()
        image.save(out, "PNG")
        return out.getvalue()


def _mixed(colour: str, share: float) -> str:
    """Return a colour (``#rrggbb``) on white, of which `share` is left."""
    levels = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (level - 255) * share):02x}" for level in levels)


def _dashes(points: NDArray[np.float64], dash: float) -> list[NDArray[np.float64]]:
    """Return a straight line as dashes, or the line itself."""
    if not dash:
        return [points]
    start, end = points[0], points[-1]
    count = max(1, int(np.hypot(*(end - start)) / (2 * dash)))
    shares = np.arange(count)[:, None] / count
    return [
        np.stack([start + (end - start) * share, start + (end - start) * (share + 0.5 / count)])
        for share in shares
    ]


def _ends(values: NDArray[np.float64], *, from_zero: bool) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if from_zero and low > 0:
        low = 0.0
    # A span that rounding would swallow is no span.
    least = 1e-9 * max(abs(low), abs(high))
    if high - low > least:
        return low, high
    pad = max(0.5, 0.1 * abs(high))
    return low - pad, high + pad


def _ticks(low: float, high: float, most: int, logarithmic: bool) -> list[tuple[float, str]]:
    """Return at most about `most` places with what is written there."""
    if logarithmic:
        decades = [float(n) for n in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
        if len(decades) >= 2:
            every = -(-len(decades) // most)
            return [(n, f"{10.0**n:g}") for n in decades[::every]]
        fine = [math.floor(low) + d + math.log10(k) for d in (0, 1) for k in (1, 2, 5)]
        found = [(n, f"{10.0**n:.3g}") for n in fine if low <= n <= high]
        if len(found) >= 2:
            return found
        # Less than that is a nearly even scale.
        even = _ticks(10.0**low, 10.0**high, max(2, most // 2), False)
        return [(math.log10(float(words)), words) for _, words in even]
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(k for k in (1, 2, 5, 10) if (high - low) / (step * k) <= most)
    first = math.ceil(low / step - 1e-9)
    return [(n * step, f"{n * step:.6g}") for n in range(first, math.floor(high / step + 1e-9) + 1)]
