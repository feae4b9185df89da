"""What the Race lab offers to take away: the race as a whole, and the run of one racer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.core.compare.curves import overlay_chart, overlay_csv
from app.core.export import mosaic_png, mosaic_svg
from app.core.race.telling import standing_csv
from app.ui.export_items import Item
from app.ui.panels.race_panel import RacePanel
from app.ui.pictures import widget_png, widget_svg
from app.ui.run_items import run_items

__all__ = ["race_items"]


def race_items(panel: RacePanel, zoom: Callable[[], int]) -> list[Item]:
    """Return the racers beside each other, their curves, how they stand, and one racer's run."""

    def racing() -> bool:
        return bool(panel.session.contestants)

    def who() -> str:
        one = panel.exported
        return "" if one is None else one.name

    def folder() -> Path | None:
        one = panel.exported
        return None if one is None else one.path

    def chart(kind: str) -> bytes:
        curves = panel.curves
        made = overlay_chart(
            curves.curves, panel.drawn, "epoch",
            log_x=curves.log_x, log_y=curves.log_y, smooth=curves.smooth,
        )  # fmt: skip
        return made.svg() if kind == "svg" else made.png(scale=3)

    def filters(kind: str) -> bytes:
        one = panel.exported
        assert one is not None
        found = panel.lanes[panel.session.contestants.index(one)].filters.mosaic
        assert found is not None
        if kind == "png":
            return mosaic_png(found, zoom())
        return mosaic_svg(found, zoom(), "Filters", one.called)

    def has_filters() -> bool:
        one = panel.exported
        if one is None:
            return False
        return panel.lanes[panel.session.contestants.index(one)].filters.mosaic is not None

    return [
        Item(
            panel,
            "race_racers",
            "The racers side by side",
            {
                "png": lambda: widget_png(panel.track),
                "svg": lambda: widget_svg(panel.track, "Racers"),
            },
            racing,
        ),
        Item(
            panel,
            "race_filters",
            "Filters",
            {"png": lambda: filters("png"), "svg": lambda: filters("svg")},
            has_filters,
            of=who,
        ),
        Item(
            panel,
            "race_curves",
            "Curves of all racers",
            {
                "svg": lambda: chart("svg"),
                "png": lambda: chart("png"),
                "csv": lambda: overlay_csv(panel.curves.curves, panel.drawn, "epoch"),
            },
            lambda: bool(panel.curves.curves),
        ),
        Item(
            panel,
            "race_standing",
            "How they stand",
            {
                "csv": lambda: standing_csv(
                    panel.session.contestants, panel.form.kind, panel.form.judged_by
                )
            },
            racing,
        ),
        *run_items(
            panel,
            "racer",
            folder,
            autoencoder=True,
            is_autoencoder=lambda: panel.session.of_patches,
            needs="Race first",
            of=who,
        ),
    ]
