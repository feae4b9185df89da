"""The page of curves: what is drawn of the chosen runs, against what, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.core.compare.curves import (
    AXES,
    RunCurve,
    curve_of,
    of_what,
    overlay_chart,
    overlay_csv,
    quantities,
    together,
    unit_of,
)
from app.core.compare.groups import group_runs
from app.ui.panels.runs.reading import Chosen
from app.ui.widgets.card import ChoiceButton, ToggleButton
from app.ui.widgets.run_curves import PALETTE, RunCurves

__all__ = ["CurvesPage"]

TOGGLES = (
    ("seeds", "seeds", "Runs that differ in their seed alone as one line, with a band from the "
     "least to the greatest of them"),
    ("smooth", "smooth", "A running mean; the curve itself stays behind it"),
    ("log_x", "log x", "Equal steps to the right are equal factors of time"),
    ("log_y", "log y", "Equal steps up are equal factors"),
)  # fmt: skip
WHATS = {
    "cost": "cost",
    "term reconstruction": "reconstruction",
    "term decay": "decay",
    "term sparsity": "sparsity",
    "term data": "data loss",
    "term l2": "L2 term",
    "validation": "validation accuracy",
    "train": "training accuracy",
    "batch": "accuracy of each batch",
    "validation loss": "validation loss",
    "rate": "learning rate",
}


class CurvesPage(QWidget):
    """Curves of the chosen runs over each other.

    Signals
    -------
    coloured(object)
        The colour of each run's curve, by its folder.
    """

    coloured = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.chosen = Chosen()
        self.seeds = True
        self._drawn: tuple[list[tuple[str, str]], str, str] = ([], "", "")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.curves = RunCurves()
        layout.addWidget(self.curves)
        self.what = ChoiceButton("runCurveOf", "What is drawn", WHATS, lambda _: self.draw())
        self.axis = ChoiceButton(
            "runCurveAxis",
            "What it is drawn against",
            {key: f"by {words}" for key, words in AXES.items()},
            lambda _: self.draw(),
        )
        self.tools: list[QWidget] = [self.what, self.axis]
        for name, text, tip in TOGGLES:
            button = ToggleButton(f"runCurves_{name}", text, tip, self._option(name))
            button.setChecked(True)
            self.tools.append(button)

    def _option(self, name: str) -> Callable[[bool], None]:
        def set_option(on: bool) -> None:
            if name == "seeds":
                self.seeds = on
                self.draw()
            else:
                self.curves.set_options(**{name: on})

        return set_option

    def show_chosen(self, chosen: Chosen) -> None:
        """Draw the curves of these runs."""
        self.chosen = chosen
        known = set(quantities([run.info for run in chosen.runs]))
        self.what.offer(known)
        if chosen.runs and self.what.value not in known:
            self.what.set_value("cost")
        self.draw()

    def draw(self) -> None:
        """Draw what is asked for."""
        runs = self.chosen.runs
        # Axes without a curve would only have the numbers of the one before.
        self.curves.setVisible(bool(runs))
        names = [run.row.name for run in runs]
        curves: list[RunCurve] = []
        colours: dict[Path, str] = {}
        groups = group_runs(
            [run.info for run in runs],
            names,
            seeds=self.seeds,
            histories=[run.history for run in runs],
        )
        for number, group in enumerate(groups):
            members = [runs[place] for place in group.members]
            own = next((run.row.labels.colour for run in members if run.row.labels.colour), "")
            colour = own or PALETTE[number % len(PALETTE)]
            each = [
                curve_of(
                    run.info, run.history, self.what.value, self.axis.value,
                    name=group.name, colour=colour,
                )
                for run in members
            ]  # fmt: skip
            curve = each[0] if len(each) == 1 else together(each, group.name, colour)
            if len(curve.x):
                curves.append(curve)
                colours.update({run.row.path: colour for run in members})
        self.coloured.emit(colours)
        called = [(curve.name, curve.colour) for curve in curves]
        drawn = (called, self.what.value, self.axis.value)
        if drawn == self._drawn:
            # A run that trains went on: what is read off under the mouse stays there.
            self.curves.renew(curves)
            return
        self._drawn = drawn
        what = self.what.value
        self.curves.set_curves(curves, unit_of(what), self.axis.value, of_what(what))

    # --- to take away

    def chart(self, kind: str) -> bytes:
        """Return the curves as a picture, ``svg`` or ``png``."""
        curves = self.curves
        made = overlay_chart(
            curves.curves,
            self.what.value,
            self.axis.value,
            log_x=curves.log_x,
            log_y=curves.log_y,
            smooth=curves.smooth,
        )
        return made.svg() if kind == "svg" else made.png(scale=3)

    def table(self) -> bytes:
        """Return every point of every curve."""
        return overlay_csv(self.curves.curves, self.what.value, self.axis.value)
