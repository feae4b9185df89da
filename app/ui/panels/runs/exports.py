"""What the Runs lab offers to take away."""

from __future__ import annotations

from collections.abc import Callable

from app.core.export import mosaic_png, mosaic_svg
from app.ui.export_items import Item
from app.ui.panels.runs_panel import RunsPanel
from app.ui.widgets.mosaic_view import MosaicView

__all__ = ["runs_items"]


def runs_items(panel: RunsPanel, zoom: Callable[[], int]) -> list[Item]:
    """Return the curves of the chosen runs, and the filters of two of them."""
    curves, filters = panel.curves_page, panel.filters_page

    def picture(number: int, text: str) -> Item:
        grid: MosaicView = filters.grids[number]

        def png() -> bytes:
            assert grid.mosaic is not None
            return mosaic_png(grid.mosaic, zoom())

        def svg() -> bytes:
            assert grid.mosaic is not None
            return mosaic_svg(grid.mosaic, zoom(), text, filters.names[number].text())

        return Item(
            panel, f"run_filters_{number}", text, {"png": png, "svg": svg},
            lambda: filters.current and grid.mosaic is not None,
            needs="See them under Filters first",
        )  # fmt: skip

    return [
        Item(
            panel,
            "run_curves",
            "Curves of the chosen runs",
            {
                "svg": lambda: curves.chart("svg"),
                "png": lambda: curves.chart("png"),
                "csv": curves.table,
            },
            lambda: bool(curves.curves.curves),
        ),
        picture(0, "Filters of the first run"),
        picture(1, "Filters of the second run"),
        Item(
            panel,
            "run_pairs",
            "Pairs of filters",
            {"csv": filters.pairs_csv},
            lambda: filters.current and filters.seen.pair is not None,
            needs="See them under Filters first",
        ),
    ]
