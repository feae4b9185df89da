"""The row of a parameter with a slider."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.core.params import Parameter
from app.ui.params.row import ParamRow, row_label
from app.ui.widgets.number_field import NumberField
from app.ui.widgets.slider import Slider

__all__ = ["SliderRow"]


class SliderRow(ParamRow):
    """Symbol, name, exact box; below it the slider; below that one sentence."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        hyper = parameter.hyper
        symbol = row_label(hyper.symbol, symbol=True)
        symbol.setFixedWidth(24)
        name = row_label(hyper.label)
        self.state = row_label("● live" if hyper.live else "", live=True)
        if hyper.live:
            self.state.setToolTip("Can be moved while it trains: the next mini-batch uses it")
        self.field = NumberField(parameter.name, whole=parameter.kind == "int")
        self.field.setFixedWidth(76)
        self.slider = Slider()
        self.slider.setObjectName(f"{parameter.name}Slider")
        self.teaching = row_label(hyper.teaches, teaching=True)
        self.teaching.setWordWrap(True)
        top = QHBoxLayout()
        top.setSpacing(6)
        for widget in (symbol, name, self.state):
            top.addWidget(widget)
        top.addStretch(1)
        top.addWidget(self.field)
        self._foot = QHBoxLayout()
        self._foot.setSpacing(6)
        self._foot.addWidget(self.teaching, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 2)
        layout.setSpacing(1)
        layout.addLayout(top)
        layout.addWidget(self.slider)
        layout.addLayout(self._foot)
        self.watch(self.field, self.slider)
        self.slider.valueChanged.connect(self._on_slider)
        self.field.value_typed.connect(self.on_typed)
        self.field.problem.connect(self.on_problem)

    @property
    def called(self) -> str:
        """What the row is called in messages: its symbol."""
        return self.parameter.hyper.symbol

    def add_tool(self, widget: QWidget) -> None:
        """Put a small control to the right of the sentence."""
        self._foot.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)

    def show_band(self, ends: tuple[float, float] | None, sentence: str) -> None:
        """Mark values between two ends, with a sentence in place of the one that teaches."""
        self.slider.set_band(
            None
            if ends is None
            else (self.parameter.to_position(ends[0]), self.parameter.to_position(ends[1]))
        )
        hyper = self.parameter.hyper
        self.teaching.setText(sentence or hyper.teaches)
        tip = "" if ends is None else f"\n{ends[0]:.2g} … {ends[1]:.2g} are marked"
        self.slider.setToolTip(f"{hyper.teaches}\n{self.range_text}{tip}")

    def _on_slider(self, position: int) -> None:
        value = self.parameter.from_position(position)
        self.field.set_value(value)
        self.changed.emit(self.parameter.name, value)

    def set_value(self, value: Any) -> None:
        """Show a value, telling nobody."""
        self.field.set_value(value)
        self.slider.blockSignals(True)
        self.slider.setValue(self.parameter.to_position(float(value)))
        self.slider.blockSignals(False)

    def refuse(self, reason: str) -> None:
        """Say why the value that was given cannot be taken."""
        self.field.refuse(reason)

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training, and say so."""
        super().set_locked(locked)
        if not self.parameter.hyper.live:
            locked_text = "locked while training" if locked else self.parameter.hyper.teaches
            self.teaching.setText(locked_text)
