"""The gradient check of a layer: a map of its errors, the worst element, the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QLabel

from app.core.checks import Measure, Outcome
from app.core.error_map import GatheredCheck
from app.core.nn.gradient_check import GradientCheck
from app.core.words import grouped
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.check_list import FAILS, HOLDS
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.heat_map import HeatLegend, HeatMap, element_text, short_power
from app.ui.widgets.measure_rows import MeasureRow, MeasureRows

__all__ = ["GradientCard", "figure"]


def figure(value: float) -> str:
    """Write a figure as short as it can be read."""
    if value == 0:
        return "0"
    if not np.isfinite(value):
        return str(value)
    if abs(value) >= 100:
        return grouped(value)
    return f"{value:.6g}" if abs(value) >= 0.1 else short_power(value)


def _extent(check: GradientCheck | None) -> str:
    """Return the shape of a gradient, and how much of it was looked at."""
    if check is None:
        return ""
    whole = check.whole if isinstance(check, GatheredCheck) else check.errors.shape
    shape = " × ".join(map(str, whole))
    size = int(np.prod(whole))
    return shape if check.looked_at == size else f"{shape}   {check.looked_at} of {size}"


@dataclass(frozen=True)
class _Source:
    """The gradients of one check on one engine."""

    title: str
    measures: tuple[Measure, ...]


def _sources(outcomes: Sequence[Outcome]) -> list[_Source]:
    found: dict[tuple[str, str], list[Measure]] = {}
    for outcome in outcomes:
        for measure in outcome.measures:
            if measure.detail is not None:
                found.setdefault((outcome.check.name, measure.engine), []).append(measure)
    several = len({engine for _, engine in found}) > 1

    def title(name: str, engine: str) -> str:
        plain = name.removesuffix("_gradient").removesuffix("_backward").replace("_", " ")
        word = {"NumPy": "readable"}.get(engine, engine)
        return f"{plain} · {word}" if several and word else plain

    # The engine that is looked at whole comes first.
    order = sorted(
        found,
        key=lambda key: -sum(m.detail.looked_at for m in found[key] if m.detail is not None),
    )
    first = {name: place for place, (name, _) in reversed(list(enumerate(found)))}
    order.sort(key=lambda key: first[key[0]])
    return [_Source(title(*key), tuple(found[key])) for key in order]


class GradientCard(Card):
    """Shows the gradient checks among some outcomes.

    Signals
    -------
    shown(object)
        Another `GradientCheck` is in sight, or None.
    """

    shown = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__("Gradient check", "gradient")
        self.source = ChoiceBox(
            "gradientSource",
            "Which gradient check is shown",
            "The twin's loops are slow, so some of its elements are looked at; the compiled layer "
            "is looked at whole",
        )
        self.source.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.source.setMinimumWidth(90)
        self.source.currentIndexChanged.connect(self._on_source)
        self.add_tool(self.source)
        self.map = HeatMap("heatMap")
        self.legend = HeatLegend()
        self.rows = MeasureRows("gradientRows")
        self.rows.opened.connect(self._on_opened)
        self.worst = QLabel()
        self.worst.setObjectName("worstElement")
        self.worst.setStyleSheet("font-size: 12px;")
        self.worst.setTextFormat(Qt.TextFormat.PlainText)
        self.worst.setWordWrap(True)
        self.worst.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.sweep = quiet_label(name="stepSweep")
        self.sweep.setWordWrap(True)
        self.sweep.setToolTip(
            "The same element with other steps h. A fault stays whatever h is; an error that "
            "shrinks with h is curvature, one that grows is rounding."
        )
        self.body.addWidget(self.map, 1)
        for widget in (self.legend, self.rows, self.worst, self.sweep):
            self.body.addWidget(widget)
        self.map.element_changed.connect(self._on_element)
        self._sources: list[_Source] = []
        self._measure: Measure | None = None
        self.set_outcomes(())

    @property
    def check(self) -> GradientCheck | None:
        """The gradient in sight."""
        return None if self._measure is None else self._measure.detail

    def set_outcomes(self, outcomes: Sequence[Outcome], empty_text: str = "") -> None:
        """Offer the gradients among `outcomes`; keep the one in sight where it is still there."""
        before, name = self.source.currentText(), self._measure.name if self._measure else ""
        self._sources = _sources(outcomes)
        self.source.blockSignals(True)
        self.source.clear()
        for source in self._sources:
            self.source.addItem(source.title)
        place = max(self.source.findText(before), 0)
        self.source.setCurrentIndex(place if self._sources else -1)
        self.source.blockSignals(False)
        self.source.setVisible(len(self._sources) > 1)
        self.map.empty_text = empty_text
        self._show_source(name)

    def _on_source(self, _place: int) -> None:
        self._show_source(self._measure.name if self._measure else "")

    def _show_source(self, name: str) -> None:
        place = self.source.currentIndex()
        if not 0 <= place < len(self._sources):
            self.rows.set_rows(())
            self._show(None)
            return
        measures = self._sources[place].measures
        self.rows.set_rows(
            [
                MeasureRow(
                    measure.name,
                    HOLDS if measure.passed else FAILS,
                    measure.name,
                    figure(measure.value),
                    figure(measure.bound) if measure.bound is not None else "",
                    measure.reference,
                    "Press to see its map. Relative errors are |a − n| / max(1e-8, |a| + |n|).",
                    opens=True,
                    aside=_extent(measure.detail),
                )
                for measure in measures
            ]
        )
        self._show(next((one for one in measures if one.name == name), measures[0]))

    def show_measure(self, measure: Measure) -> None:
        """Turn to a measure of the outcomes."""
        for place, source in enumerate(self._sources):
            if measure in source.measures:
                self.source.blockSignals(True)
                self.source.setCurrentIndex(place)
                self.source.blockSignals(False)
                self._show_source(measure.name)

    def _on_opened(self, name: str) -> None:
        measures = self._sources[self.source.currentIndex()].measures
        self._show(next(one for one in measures if one.name == name))

    def _show(self, measure: Measure | None) -> None:
        self._measure = measure
        check = self.check
        self.map.set_check(check)
        self.legend.set_check(check)
        for label in (self.worst, self.sweep):
            label.setVisible(check is not None)
        if measure is None or check is None:
            self.note.setText("")
        else:
            self.rows.choose(measure.name)
            self.note.setText(f"h {short_power(check.h)}")
            steps = [
                f"{one.h:.0e} → {f'{one.error:.0e}' if one.error else 0}" for one in check.tried
            ]
            self.sweep.setText(f"its error by h   {'   '.join(steps)}".replace("e-0", "e-"))
            self._on_element(None)
        self.shown.emit(check)

    def _on_element(self, index: object) -> None:
        check = self.check
        if check is None:
            return
        if isinstance(index, tuple):
            self.worst.setText(element_text(check, index))
        else:
            self.worst.setText(f"worst   {element_text(check, check.worst)}")
