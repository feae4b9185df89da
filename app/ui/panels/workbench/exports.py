"""What the workbench offers to take away."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.core.checks.table import outcomes_csv, outcomes_json, ways_csv
from app.core.error_map import errors_csv
from app.core.export import mosaic_png
from app.core.mosaic import Mosaic
from app.core.network_code import LEVELS, TITLES, CodeLevel
from app.ui.export_items import Item
from app.ui.pictures import widget_png, widget_svg

if TYPE_CHECKING:
    from app.ui.panels.workbench_panel import WorkbenchPanel

__all__ = ["workbench_items"]

# A cell of a heat map is one pixel: at the zoom of other pictures nobody would see it.
CELL = 4


def _whole(pixels: NDArray[np.uint8]) -> Mosaic:
    """Return a picture as a mosaic of one tile."""
    height, width = pixels.shape[:2]
    return Mosaic(np.ascontiguousarray(pixels), 1, 1, (height, width), 0)


def workbench_items(panel: WorkbenchPanel, zoom: Callable[[], int]) -> list[Item]:
    """Return what can be exported of the workbench."""
    text = {"Software": "Filterscope"}

    def errors_png() -> bytes:
        check, pixels = panel.gradient.check, panel.gradient.map.pixels
        assert check is not None
        assert pixels is not None
        told = text | {"array": check.name, "h": f"{check.h:g}", "bound": f"{check.bound:g}"}
        return mosaic_png(_whole(pixels), zoom() * CELL, told)

    def errors_table() -> bytes:
        assert panel.gradient.check is not None
        return errors_csv(panel.gradient.check)

    def times_table() -> bytes:
        assert panel.time.comparison is not None
        return panel.time.comparison.as_csv()

    def filtered_png() -> bytes:
        shown, design = panel.playground.after.pixels, panel.playground.design
        assert shown is not None
        told = text | {
            "kernel": str(design.kernel),
            "channels": str(design.channels),
            "bias": f"{design.bias:g}",
        }
        pixels = np.moveaxis(shown, 0, -1)
        return mosaic_png(_whole(pixels if len(shown) == 3 else pixels[..., 0]), zoom(), told)

    ways = panel.five_ways

    def ways_table() -> bytes:
        compared = ways.found.ways
        assert compared is not None
        told = list(ways.found.told.values())
        return ways_csv(told, ways.precision.value, compared.images)

    outcomes = panel.checks.outcomes
    bars = panel.time.bars
    return [
        Item(
            panel,
            "checks",
            "Results of the checks",
            {
                "csv": lambda: outcomes_csv(list(outcomes.values())),
                "json": lambda: outcomes_json(list(outcomes.values())),
            },
            lambda: bool(outcomes),
        ),
        Item(
            panel,
            "gradient_errors",
            "Errors of the gradient",
            {"png": errors_png, "csv": errors_table},
            lambda: panel.gradient.map.pixels is not None,
        ),
        Item(
            panel,
            "times",
            "Times of the layer",
            {
                "png": lambda: widget_png(bars, 2, text),
                "svg": lambda: widget_svg(bars, "Times of the layer"),
                "csv": times_table,
            },
            lambda: panel.time.comparison is not None,
        ),
        Item(
            panel,
            "filtered",
            "Filtered photograph",
            {"png": filtered_png},
            lambda: panel.playground.after.pixels is not None,
        ),
        Item(
            panel,
            "ways",
            "Network in five ways",
            {
                "png": lambda: widget_png(ways.rows, 2, text),
                "svg": lambda: widget_svg(ways.rows, "One network in five ways"),
                "csv": ways_table,
            },
            lambda: bool(ways.found.told),
        ),
        *(_level_item(panel, level) for level in LEVELS),
    ]


def _level_item(panel: WorkbenchPanel, level: CodeLevel) -> Item:
    page = panel.five_ways
    return Item(
        panel,
        f"network_{level}",
        f"Network with {TITLES[level]}",
        {"py": lambda: page.code[level].encode()},
        lambda: panel.topic.key == "five_ways" and level in page.code,
        tip="A program to read and to change, with a training step",
    )
