"""A page on paper: what `page.py` says, as PDF whose letters and lines stay sharp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace
from PIL import Image

from app.core.chart import HEIGHT, WIDTH, Area, Chart, Line
from app.core.fonts import BOLD, REGULAR, drawable
from app.core.mosaic import Mosaic
from app.core.takeaway.page import Figure, Grid, Page, Section, Table

__all__ = ["Paper", "draw_chart", "draw_tiles", "page_pdf"]

# Millimetres; sizes of letters in points.
MARGIN, GAP = 18.0, 5.0
INK, QUIET, LINE_COLOUR, WASH, ACCENT = "#161b22", "#59626d", "#dfe3e8", "#f5f7f9", "#2f6fed"
# A pixel of a mosaic at zoom 1: 1/96 of an inch, as on a screen.
PIXEL = 25.4 / 96
POINT = 25.4 / 72


def page_pdf(page: Page) -> bytes:
    """Return the page as PDF, A4."""
    paper = Paper(page.title)
    paper.opening(page)
    for section in page.sections:
        paper.section(section)
    paper.closing(page.footer)
    return bytes(paper.output() or b"")


class Paper(FPDF):
    """A sheet with the program's letters; `format` as for `FPDF`, or width and height in mm."""

    def __init__(self, title: str, format: str | tuple[float, float] = "A4") -> None:
        super().__init__(format=format)
        self.add_font("dejavu", "", REGULAR)
        self.add_font("dejavu", "B", BOLD)
        self.set_title(drawable(title))
        self.set_creator("Filterscope")
        self.set_lang("en")
        self.set_margins(MARGIN, MARGIN)
        self.c_margin = 0.0
        self.set_auto_page_break(True, MARGIN + 4)
        self.add_page()

    def footer(self) -> None:
        """Write the number of a sheet at its foot."""
        self.set_y(-12)
        self.letters(8, QUIET)
        self.cell(0, 4, str(self.page_no()), align="C")

    def letters(self, size: float, colour: str = INK, *, bold: bool = False) -> None:
        """Choose size (points), colour and weight of what is written next."""
        self.set_font("dejavu", "B" if bold else "", size)
        self.set_text_color(colour)

    def write_lines(self, text: str, width: float = 0.0, height: float = 5.0) -> None:
        """Write a paragraph at the current place, and go to the line below it."""
        self.multi_cell(width, height, drawable(text), align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)

    def height_of(self, text: str, width: float, height: float) -> float:
        """Return how high a paragraph is, in mm."""
        if not text:
            return 0.0
        found = self.multi_cell(
            width,
            height,
            drawable(text),
            align="L",
            dry_run=True,
            output=MethodReturnValue.HEIGHT,
        )
        assert isinstance(found, float | int)
        return float(found)

    def keep_together(self, height: float) -> None:
        """Begin a new sheet when `height` mm are not left, unless this one is empty."""
        if self.will_page_break(height) and self.get_y() > MARGIN + 1:
            self.add_page()

    def opening(self, page: Page) -> None:
        """Write title, lead, tags and facts."""
        self.letters(17, bold=True)
        self.write_lines(page.title, height=8)
        if page.lead:
            self.letters(10, QUIET)
            self.write_lines(page.lead)
        if page.tags:
            self.letters(9, QUIET)
            self.write_lines("   ".join(f"# {tag}" for tag in page.tags))
        if page.facts:
            self._facts(page.facts)

    def _facts(self, facts: Sequence[tuple[str, str]]) -> None:
        columns = min(len(facts), 4)
        width = self.epw / columns
        self.ln(2)
        for start in range(0, len(facts), columns):
            top = self.get_y()
            self.set_fill_color(WASH)
            self.rect(MARGIN, top, self.epw, 13, style="F")
            for number, (name, value) in enumerate(facts[start : start + columns]):
                self.set_xy(MARGIN + number * width + 3, top + 1.5)
                self.letters(7.5, QUIET)
                self.cell(width - 4, 4, drawable(name))
                self.set_xy(MARGIN + number * width + 3, top + 5.5)
                self.letters(11)
                self.cell(width - 4, 6, drawable(value))
            self.set_xy(MARGIN, top + 13)

    def section(self, section: Section) -> None:
        """Write a part of the page."""
        first = self._row_height(section.figures[: section.columns], section.columns)
        self.letters(9.5)
        said = sum(self.height_of(words, self.epw, 4.8) + 1 for words in section.text)
        # A title, and what is said below it, never stand alone at a sheet's end.
        self.keep_together(14 + min(said, 40) + (min(first, 120) or 30))
        self.ln(5)
        self.set_draw_color(LINE_COLOUR)
        self.set_line_width(0.2)
        self.line(MARGIN, self.get_y(), MARGIN + self.epw, self.get_y())
        self.ln(2.5)
        self.start_section(drawable(section.title))
        self.letters(12, bold=True)
        self.write_lines(section.title, height=6)
        self.ln(1)
        self.letters(9.5)
        for words in section.text:
            self.write_lines(words, height=4.8)
            self.ln(1)
        for start in range(0, len(section.figures), section.columns):
            self._row(section.figures[start : start + section.columns], section.columns)
        for table in section.tables:
            self._table(table)

    def _figure_width(self, figure: Figure, columns: int) -> float:
        room = (self.epw - GAP * (columns - 1)) / columns
        if isinstance(figure.content, Mosaic):
            return min(room, int(figure.content.pixels.shape[1]) * figure.zoom * PIXEL)
        return room

    def _figure_height(self, figure: Figure, width: float) -> float:
        content = figure.content
        if isinstance(content, Mosaic):
            height, across = map(int, content.pixels.shape[:2])
            return width * height / across
        if isinstance(content, Chart):
            return width * HEIGHT / WIDTH
        return self._cell_height(content) * (len(content.rows) + 1) + 5 * bool(content.column_label)

    def _cell_height(self, grid: Grid) -> float:
        return min(6.5, 150 / max(len(grid.rows), 1))

    def _row_height(self, figures: Sequence[Figure], columns: int) -> float:
        most = 0.0
        for figure in figures:
            width = self._figure_width(figure, columns)
            self.letters(9, bold=True)
            height = 5.0 if figure.title else 0.0
            self.letters(8.5, QUIET)
            height += self._figure_height(figure, width) + 1.5
            height += self.height_of(figure.caption, max(width, 45), 4.2)
            most = max(most, height)
        return most

    def _row(self, figures: Sequence[Figure], columns: int) -> None:
        """Draw figures beside each other, captions below them."""
        height = self._row_height(figures, columns)
        self.keep_together(height)
        top, left = self.get_y(), MARGIN
        room = (self.epw - GAP * (columns - 1)) / columns
        for figure in figures:
            width = self._figure_width(figure, columns)
            y = top
            if figure.title:
                self.set_xy(left, y)
                self.letters(9, bold=True)
                self.cell(room, 4, drawable(figure.title))
                y += 5
            content = figure.content
            if isinstance(content, Mosaic):
                draw_tiles(self, content, left, y, width, figure.alt)
            elif isinstance(content, Chart):
                draw_chart(self, content, left, y, width)
            else:
                self._grid(content, left, y, width)
            self.set_xy(left, y + self._figure_height(figure, width) + 1.5)
            self.letters(8.5, QUIET)
            if figure.caption:
                self.write_lines(figure.caption, max(width, 45), 4.2)
            left += room + GAP
        self.set_xy(MARGIN, top + height + 3)

    def _grid(self, grid: Grid, left: float, top: float, width: float) -> None:
        high = self._cell_height(grid)
        size = min(8.5, high * 0.62 / POINT)
        self.letters(size)
        names = max(
            (self.get_string_width(drawable(n)) for n in (*grid.rows, grid.row_label)), default=0.0
        )
        names += 3
        across = min(16.0, (width - names) / max(len(grid.columns), 1))
        if grid.column_label:
            self.letters(8, QUIET)
            self.set_xy(left + names, top)
            self.cell(across * len(grid.columns), 4, drawable(grid.column_label), align="C")
            top += 5
        self.letters(size, QUIET)
        self.set_xy(left, top)
        self.cell(names, high, drawable(grid.row_label), align="R")
        for number, name in enumerate(grid.columns):
            self.set_xy(left + names + number * across, top)
            # A name that is wider than its column would be read with its neighbour's.
            self.set_font_size(
                min(size, size * across * 0.95 / max(self.get_string_width(drawable(name)), 0.1))
            )
            self.cell(across, high, drawable(name), align="C")
            self.set_font_size(size)
        shares = grid.shares()
        low, most = (np.array([int(c[n : n + 2], 16) for n in (1, 3, 5)]) for c in (WASH, ACCENT))
        for row, name in enumerate(grid.rows):
            y = top + (row + 1) * high
            self.set_xy(left, y)
            self.letters(size, QUIET)
            self.cell(names, high, drawable(name), align="R")
            for column in range(len(grid.columns)):
                share = float(shares[row, column]) * 0.85
                red, green, blue = (int(v) for v in np.rint(low + share * (most - low)))
                self.set_fill_color(red, green, blue)
                x = left + names + column * across
                self.rect(x + 0.2, y + 0.2, across - 0.4, high - 0.4, style="F")
                self.letters(size, "#ffffff" if share > 0.5 else INK)
                self.set_xy(x, y)
                self.cell(across, high, grid.words(row, column), align="C")

    def _table(self, table: Table) -> None:
        if table.caption:
            self.letters(8.5, QUIET)
            self.write_lines(table.caption, height=4.5)
        self.letters(8.5)
        self.set_draw_color(LINE_COLOUR)
        self.set_line_width(0.2)
        self.set_fill_color("#ffffff")
        headed = any(table.headings)
        cells = [tuple(row) for row in (table.headings, *table.rows)][not headed :]
        if not cells:
            return
        wanted = [
            max(self.get_string_width(drawable(row[number])) for row in cells) * 1.08 + 4
            for number in range(len(table.headings))
        ]
        # Long words share what short ones leave.
        room = self.epw
        widths = list(wanted)
        if sum(wanted) > room:
            short = [w if w < room / len(wanted) else 0.0 for w in wanted]
            left, long = (
                room - sum(short),
                sum(w for w, s in zip(wanted, short, strict=True) if not s),
            )
            widths = [s or w / long * left for w, s in zip(wanted, short, strict=True)]
        aligned = tuple(
            "RIGHT" if number in table.numbers else "LEFT" for number in range(len(widths))
        )
        with self.table(
            width=min(sum(widths), self.epw),
            col_widths=tuple(widths),
            align="LEFT",
            text_align=aligned,
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            first_row_as_headings=headed,
            headings_style=FontFace(emphasis="BOLD", color=QUIET),
            line_height=4.4,
            padding=(0.6, 1.5, 0.6, 0),
        ) as rows:
            for cell_row in cells:
                rows.row([drawable(words) for words in cell_row])
        self.ln(3)

    def closing(self, footer: Sequence[str]) -> None:
        """Write where it all comes from."""
        self.letters(7.5, QUIET)
        self.keep_together(8 + 4 * len(footer))
        self.ln(6)
        for words in footer:
            self.write_lines(words, height=3.8)


def draw_tiles(paper: FPDF, tiles: Mosaic, x: float, y: float, width: float, alt: str = "") -> None:
    """Draw a mosaic `width` mm wide; each of its pixels is a square with hard edges."""
    # Viewers smooth what they enlarge: it is handed to them large.
    zoom = max(1, min(8, 2400 // tiles.pixels.shape[1]))
    paper.image(Image.fromarray(tiles.zoomed(zoom)), x, y, w=width, alt_text=drawable(alt) or None)


def draw_chart(paper: FPDF, chart: Chart, x: float, y: float, width: float) -> None:
    """Draw a chart `width` mm wide, in lines and letters."""
    scale = width / WIDTH
    for part in chart.parts():
        if isinstance(part, Area):
            ring = [(x + px * scale, y + py * scale) for px, py in part.points.tolist()]
            paper.set_fill_color(part.colour)
            paper.polygon(ring, style="F")
            continue
        if isinstance(part, Line):
            paper.set_draw_color(part.colour)
            paper.set_line_width(part.width * scale)
            paper.set_dash_pattern(part.dash * scale, part.dash * scale)
            paper.polyline([(x + px * scale, y + py * scale) for px, py in part.points.tolist()])
            paper.set_dash_pattern()
            continue
        paper.set_font("dejavu", "", 12 * scale / POINT)
        paper.set_text_color(part.colour)
        words = drawable(part.words)
        long = paper.get_string_width(words)
        shift = {"start": 0.0, "middle": long / 2, "end": long}[part.anchor]
        at_x, at_y = x + part.x * scale, y + part.y * scale
        if part.turned:
            with paper.rotation(90, at_x, at_y):
                paper.text(at_x - shift, at_y, words)
        else:
            paper.text(at_x - shift, at_y, words)
