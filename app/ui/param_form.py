"""A form of sliders, exact boxes and choices, made from the description of a spec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from PyQt6.QtCore import QEvent, QObject, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QContextMenuEvent, QMouseEvent, QPainter, QPaintEvent, QWheelEvent
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)

from app.core.errors import UsageError
from app.core.params import SLIDER_POSITIONS, Parameter, Spec, describe, format_number
from app.ui.theme import theme
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.number_field import NumberField

__all__ = ["ParamForm", "Slider"]


# Pixels of a slider's handle, as the theme's style sheet has them.
HANDLE = 14


class Slider(QSlider):
    """A slider that jumps to a click and leaves the mouse wheel to the page."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setRange(0, SLIDER_POSITIONS)
        self.setSingleStep(5)
        self.setPageStep(50)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.band: tuple[int, int] | None = None

    def set_band(self, band: tuple[int, int] | None) -> None:
        """Mark the positions between two as good ones; None marks none."""
        self.band = band
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Qt: the slider, and a thin line below its groove where the band is."""
        super().paintEvent(event)
        if self.band is None:
            return
        low, high = (
            QStyle.sliderPositionFromValue(
                0, SLIDER_POSITIONS, position, max(1, self.width() - HANDLE)
            )
            for position in self.band
        )
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        colour = theme.colour("good")
        colour.setAlphaF(1.0 if self.isEnabled() else 0.4)
        painter.setBrush(colour)
        # As long as the handle's middle may go; at least as long as can be seen.
        left, length = low + HANDLE / 2, max(4, high - low)
        painter.drawRoundedRect(QRectF(left, self.height() - 3.0, length, 3.0), 1.5, 1.5)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Qt: a click on the groove puts the handle there."""
        assert event is not None
        if event.button() == Qt.MouseButton.LeftButton:
            option = QStyleOptionSlider()
            self.initStyleOption(option)
            x = int(event.position().x()) - HANDLE // 2
            position = QStyle.sliderValueFromPosition(
                0, SLIDER_POSITIONS, x, max(1, self.width() - HANDLE)
            )
            self.setSliderPosition(position)
        super().mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Qt: scrolling the form must not change a value."""
        assert event is not None
        event.ignore()


# How wide a choice is, in pixels, where there is no room and where there is much.
NARROW_CHOICE, WIDE_CHOICE = 132, 206


class _Choice(ChoiceBox):
    """A choice that leaves the mouse wheel to the page, and is as wide as its longest text."""

    def sizeHint(self) -> QSize:
        """Qt: the longest choice can be read, in the letters of the theme."""
        wanted = super().sizeHint()
        return QSize(min(max(NARROW_CHOICE, wanted.width() + 12), WIDE_CHOICE), wanted.height())

    def minimumSizeHint(self) -> QSize:
        """Qt: in a narrow window it ends in dots; the page is not wider for it."""
        return QSize(NARROW_CHOICE, super().minimumSizeHint().height())

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Qt: scrolling the form must not change a value."""
        assert event is not None
        event.ignore()


def _label(text: str, **properties: bool) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    for name, value in properties.items():
        label.setProperty(name, value)
    return label


class _Row(QWidget):
    """One parameter in the form."""

    changed = pyqtSignal(str, object)
    focused = pyqtSignal(str)
    all_defaults_wanted = pyqtSignal()

    def __init__(self, parameter: Parameter) -> None:
        super().__init__()
        self.parameter = parameter
        self.error = _label("", error=True, floating=True)
        self.error.setObjectName(f"{parameter.name}Error")
        self.error.setWordWrap(True)
        self.error.setParent(self)
        self.error.hide()

    def watch(self, *widgets: QWidget) -> None:
        """Give widgets their names, tooltips and accessible names, and notice their focus."""
        parameter = self.parameter
        tip = parameter.hyper.teaches
        if parameter.kind in ("int", "float"):
            tip = f"{tip}\n{self.range_text}"
        for widget in widgets:
            widget.setToolTip(tip)
            widget.setAccessibleName(parameter.hyper.label)
            widget.setAccessibleDescription(parameter.hyper.teaches)
            widget.installEventFilter(self)

    @property
    def called(self) -> str:
        """What the row is called in messages: what is written at its left."""
        return self.parameter.hyper.label

    @property
    def range_text(self) -> str:
        """The hard bounds in words."""
        return self.parameter.range_text.replace(self.parameter.name, self.called)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Qt: tell which parameter the person is at."""
        if event is not None and event.type() == QEvent.Type.FocusIn:
            self.focused.emit(self.parameter.name)
        return super().eventFilter(watched, event)

    def on_problem(self, reason: str) -> None:
        """Show or hide what is wrong with the typed value."""
        self.error.setText(reason)
        if reason:
            self._place_error()
        self.error.setVisible(bool(reason))

    def _place_error(self) -> None:
        """Lie below the box, over what is there: nothing moves for a message."""
        form = self.parentWidget()
        if form is None:
            return
        self.error.setParent(form)
        height = self.error.heightForWidth(self.width())
        below = self.y() + 28
        fits = below + height <= form.height()
        self.error.setGeometry(self.x(), below if fits else self.y() - height, self.width(), height)
        self.error.raise_()

    def menu(self) -> QMenu:
        """Return what the right mouse button offers."""
        default, hyper = self.parameter.default, self.parameter.hyper
        if self.parameter.kind == "bool":
            written = "on" if default else "off"
        elif self.parameter.kind == "choice":
            written = (hyper.choices or {}).get(default, str(default))
        else:
            written = format_number(default)
        menu = QMenu(self)
        menu.setObjectName(f"{self.parameter.name}Menu")
        one = menu.addAction(f"{hyper.label}: back to {written}")
        every = menu.addAction("All back to their defaults")
        assert one is not None
        assert every is not None
        one.triggered.connect(lambda: self.changed.emit(self.parameter.name, default))
        every.triggered.connect(self.all_defaults_wanted)
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent | None) -> None:
        """Qt: the right mouse button, beside the box (which has a menu of its own)."""
        assert event is not None
        menu = self.menu()
        menu.exec(event.globalPos())
        menu.deleteLater()

    def set_value(self, value: Any) -> None:
        """Show a value, telling nobody."""

    def refuse(self, reason: str) -> None:
        """Say why the value that was given cannot be taken."""
        self.on_problem(reason)

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while training."""
        if not self.parameter.hyper.live:
            self.setEnabled(not locked)


class _SliderRow(_Row):
    """Symbol, name, exact box; below it the slider; below that one sentence."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        hyper = parameter.hyper
        symbol = _label(hyper.symbol, symbol=True)
        symbol.setFixedWidth(24)
        name = _label(hyper.label)
        self.state = _label("● live" if hyper.live else "", live=True)
        if hyper.live:
            self.state.setToolTip("Can be moved while it trains: the next mini-batch uses it")
        self.field = NumberField(parameter.name, whole=parameter.kind == "int")
        self.field.setFixedWidth(76)
        self.slider = Slider()
        self.slider.setObjectName(f"{parameter.name}Slider")
        self.teaching = _label(hyper.teaches, teaching=True)
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
        self.field.value_typed.connect(self._on_typed)
        self.field.problem.connect(self.on_problem)

    @property
    def called(self) -> str:
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

    def _on_typed(self, value: float) -> None:
        self.changed.emit(
            self.parameter.name, int(value) if self.parameter.kind == "int" else value
        )

    def set_value(self, value: Any) -> None:
        self.field.set_value(value)
        self.slider.blockSignals(True)
        self.slider.setValue(self.parameter.to_position(float(value)))
        self.slider.blockSignals(False)

    def refuse(self, reason: str) -> None:
        self.field.refuse(reason)

    def set_locked(self, locked: bool) -> None:
        super().set_locked(locked)
        if not self.parameter.hyper.live:
            locked_text = "locked while training" if locked else self.parameter.hyper.teaches
            self.teaching.setText(locked_text)


class _CompactRow(_Row):
    """Name on the left, box or choice on the right."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        hyper = parameter.hyper
        line = QHBoxLayout()
        line.setSpacing(6)
        self.name = _label(hyper.label)
        line.addWidget(self.name)
        line.addStretch(1)
        self.control: NumberField | QComboBox
        if parameter.kind == "choice":
            self.control = _Choice(parameter.name, hyper.label, hyper.teaches)
            for choice in parameter.choices:
                self.control.addItem((hyper.choices or {}).get(choice, choice), choice)
            self.control.currentIndexChanged.connect(self._on_choice)
            self.control.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        else:
            self.control = NumberField(parameter.name, whole=parameter.kind == "int")
            self.control.value_typed.connect(self._on_typed)
            self.control.problem.connect(self.on_problem)
            self.control.setFixedWidth(76)
        line.addWidget(self.control)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        self.teaching = _label("", teaching=True)
        self.teaching.setObjectName(f"{parameter.name}Note")
        self.teaching.setWordWrap(True)
        self.teaching.hide()
        layout.addWidget(self.teaching)
        self.watch(self.control, self.name)

    def note(self, text: str) -> None:
        """Say below what is known of the choices here and now."""
        self.teaching.setText(text)
        self.teaching.setVisible(bool(text))
        self.control.setAccessibleDescription(f"{self.parameter.hyper.teaches} {text}".strip())

    def _on_choice(self, index: int) -> None:
        assert isinstance(self.control, QComboBox)
        self.changed.emit(self.parameter.name, self.control.itemData(index))

    def _on_typed(self, value: float) -> None:
        self.changed.emit(
            self.parameter.name, int(value) if self.parameter.kind == "int" else value
        )

    def set_value(self, value: Any) -> None:
        if isinstance(self.control, QComboBox):
            self.control.blockSignals(True)
            self.control.setCurrentIndex(self.control.findData(value))
            self.control.blockSignals(False)
        else:
            self.control.set_value(value)

    def refuse(self, reason: str) -> None:
        if isinstance(self.control, NumberField):
            self.control.refuse(reason)
        else:
            self.on_problem(reason)


class _CheckRow(_Row):
    """A switch with one sentence."""

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(parameter)
        self.box = QCheckBox(parameter.hyper.label)
        self.box.setObjectName(parameter.name)
        self.box.toggled.connect(self._on_toggled)
        self.teaching = _label(parameter.hyper.teaches, teaching=True)
        self.teaching.setWordWrap(True)
        self.teaching.setContentsMargins(23, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 4)
        layout.setSpacing(2)
        for widget in (self.box, self.teaching):
            layout.addWidget(widget)
        self.watch(self.box)

    def _on_toggled(self, checked: bool) -> None:
        self.changed.emit(self.parameter.name, checked)

    def set_value(self, value: Any) -> None:
        self.box.blockSignals(True)
        self.box.setChecked(bool(value))
        self.box.blockSignals(False)


class ParamForm(QWidget):
    """Edits one frozen spec.

    Parameters
    ----------
    spec : Spec
        What is shown first; the form is made from its class.
    with_sliders : sequence of str
        The parameters that get a slider, in order; the others follow as compact rows.
    hidden : sequence of str
        Parameters left out.

    Signals
    -------
    changed(object)
        The new spec.
    focused(str)
        The parameter the person is at.
    """

    changed = pyqtSignal(object)
    focused = pyqtSignal(str)

    def __init__(
        self, spec: Spec, with_sliders: Sequence[str] = (), hidden: Sequence[str] = ()
    ) -> None:
        super().__init__()
        self.spec = spec
        self.rows: dict[str, _Row] = {}
        known = {parameter.name: parameter for parameter in describe(type(spec))}
        names = [*with_sliders, *(name for name in known if name not in with_sliders)]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(4)
        for name in names:
            if name in hidden:
                continue
            parameter = known[name]
            row: _Row
            if name in with_sliders:
                row = _SliderRow(parameter)
            elif parameter.kind == "bool":
                row = _CheckRow(parameter)
            else:
                row = _CompactRow(parameter)
            row.changed.connect(self._on_row)
            row.focused.connect(self.focused)
            row.all_defaults_wanted.connect(self.set_defaults)
            self.rows[name] = row
            layout.addWidget(row)
        self.set_spec(spec)

    def sizeHint(self) -> QSize:
        """Qt: as wide as the column of settings."""
        return QSize(270, super().sizeHint().height())

    def _on_row(self, name: str, value: Any) -> None:
        try:
            spec = self.spec.changed(**{name: value})
        except UsageError as error:
            self.rows[name].refuse(self._in_words(str(error)))
            return
        self.rows[name].on_problem("")
        self.spec = spec
        self.changed.emit(spec)
        self._show()

    def _in_words(self, message: str) -> str:
        """Return a message with what the rows are called in place of the names in the program."""

        def called(match: re.Match[str]) -> str:
            row = self.rows.get(match[0])
            return match[0] if row is None else row.called

        return re.sub(r"\w+", called, message)

    def set_spec(self, spec: Spec) -> None:
        """Show other values; nothing is emitted."""
        self.spec = spec
        self._show()

    def set_defaults(self) -> None:
        """Give every parameter that may change now its default."""
        free = {n: r.parameter.default for n, r in self.rows.items() if r.isEnabled()}
        try:
            spec = self.spec.changed(**free)
        except UsageError:
            # With one that is locked they do not fit together.
            return
        self.set_spec(spec)
        self.changed.emit(spec)

    def _show(self) -> None:
        for name, row in self.rows.items():
            row.set_value(getattr(self.spec, name))

    def set_locked(self, locked: bool) -> None:
        """Lock every parameter that may not change while training."""
        for row in self.rows.values():
            row.set_locked(locked)

    def add_tool(self, name: str, widget: QWidget) -> None:
        """Put a small control into the row of a parameter that has a slider."""
        row = self.rows[name]
        assert isinstance(row, _SliderRow)
        row.add_tool(widget)

    def show_band(self, name: str, ends: tuple[float, float] | None, sentence: str = "") -> None:
        """Mark values of a parameter that has a slider, and say why; None marks none."""
        row = self.rows[name]
        assert isinstance(row, _SliderRow)
        row.show_band(ends, sentence)

    def note(self, name: str, text: str) -> None:
        """Say below a parameter without a slider what is known of its choices; empty says nothing."""
        row = self.rows[name]
        assert isinstance(row, _CompactRow)
        row.note(text)

    def show_row(self, name: str, visible: bool) -> None:
        """Show or hide a parameter that matters only with certain others."""
        self.rows[name].setVisible(visible)
