"""A form of sliders, exact boxes and choices, made from the description of a spec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from PyQt6.QtCore import QSize, pyqtSignal
from PyQt6.QtWidgets import QVBoxLayout, QWidget

from app.core.errors import UsageError
from app.core.params import Spec, describe
from app.ui.params.check_row import CheckRow
from app.ui.params.compact_row import CompactRow
from app.ui.params.row import ParamRow
from app.ui.params.slider_row import SliderRow

__all__ = ["ParamForm"]


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
        self.rows: dict[str, ParamRow] = {}
        known = {parameter.name: parameter for parameter in describe(type(spec))}
        names = [*with_sliders, *(name for name in known if name not in with_sliders)]
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(4)
        for name in names:
            if name in hidden:
                continue
            parameter = known[name]
            row: ParamRow
            if name in with_sliders:
                row = SliderRow(parameter)
            elif parameter.kind == "bool":
                row = CheckRow(parameter)
            else:
                row = CompactRow(parameter)
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
        assert isinstance(row, SliderRow)
        row.add_tool(widget)

    def show_band(self, name: str, ends: tuple[float, float] | None, sentence: str = "") -> None:
        """Mark values of a parameter that has a slider, and say why; None marks none."""
        row = self.rows[name]
        assert isinstance(row, SliderRow)
        row.show_band(ends, sentence)

    def note(self, name: str, text: str) -> None:
        """Say below a parameter without a slider what is known of its choices; empty says nothing."""
        row = self.rows[name]
        assert isinstance(row, CompactRow)
        row.note(text)

    def show_row(self, name: str, visible: bool) -> None:
        """Show or hide a parameter that matters only with certain others."""
        self.rows[name].setVisible(visible)
