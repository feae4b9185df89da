"""What is raced: a setting, two to four values of it, and what says who is ahead."""

from __future__ import annotations

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QLineEdit, QWidget

from app.core.errors import FilterscopeError, UsageError
from app.core.params import Parameter, describe
from app.core.race.entry import ORDERING, Settings, settings_of
from app.core.race.standing import JUDGES
from app.core.specs.kinds import SPECS
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.error_line import ErrorLine

__all__ = ["RaceForm"]

# What stands in the form at first, and what else is worth a race.
FIRST = {"autoencoder": "rho", "cnn": "learning_rate"}
VALUES = {
    "rho": "0.05, 0.2, 0.5",
    "beta": "0, 0.5, 5",
    "lam": "0, 1e-4, 1e-2",
    "learning_rate": "1e-4, 1e-3, 1e-2",
    "momentum": "0, 0.5, 0.9",
    "solver": "sgd, momentum, adam",
    "hidden_units": "25, 64, 100",
    "reg": "0, 1e-3, 1e-1",
    "dropout": "0, 0.3",
}
NOT_RACED = (*ORDERING, "keyframe_budget", "engine", "device")


class RaceForm(Card):
    """The column at the left.

    Signals
    -------
    changed()
        Something else would be raced.
    judge_changed()
        Something else says who is ahead.
    live_changed()
        Another live setting is offered for each racer.
    """

    changed = pyqtSignal()
    judge_changed = pyqtSignal()
    live_changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__("Race", "raceForm")
        self.setFixedWidth(270)
        self.network = self._choice("raceNetwork", "Network", "Which kind of network races")
        for kind, words in (("autoencoder", "autoencoder"), ("cnn", "CNN")):
            self.network.addItem(words, kind)
        self.field = self._choice("raceField", "Setting", "What differs between the racers")
        self.values = self._line(
            "raceValues",
            "Its values",
            "Two to four, such as 0.05, 0.2, 0.5; between lists of layers stands |",
        )
        self.epochs = self._line("raceEpochs", "Epochs", "Empty for those of the lab’s settings")
        self.epochs.setPlaceholderText("as in the lab")
        self.judge = self._choice("raceJudge", "Ahead by", "What says who is ahead")
        self.live = self._choice(
            "raceLive", "To move", "The setting that can be moved for each racer while it trains"
        )
        self.taken = self._choice(
            "raceExport", "Export", "Which racer’s run the Export menu takes away"
        )
        self.taken.addItem("who is ahead", None)
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(6)
        for row, (text, widget) in enumerate(
            (
                ("Network", self.network),
                ("Setting", self.field),
                ("Values", self.values),
                ("Epochs", self.epochs),
                ("Ahead by", self.judge),
                ("To move", self.live),
                ("Export", self.taken),
            )
        ):
            label = quiet_label(text)
            label.setBuddy(widget)
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1)
        grid.setColumnStretch(1, 1)
        self.body.addWidget(inside)
        self.body.addSpacing(6)
        self.error = ErrorLine("raceError")
        self.body.addWidget(self.error)
        self.hint = quiet_label(
            "All take the same batches in the same order, one after the other; everything else "
            "is as in the lab. Each racer is a run that is kept.",
            "raceHint",
        )
        self.hint.setWordWrap(True)
        self.body.addWidget(self.hint)
        self.body.addStretch(1)
        self.network.currentIndexChanged.connect(self._on_kind)
        self.field.currentIndexChanged.connect(self._on_field)
        self.values.textChanged.connect(lambda _: self.changed.emit())
        self.epochs.textChanged.connect(lambda _: self.changed.emit())
        self.judge.currentIndexChanged.connect(lambda _: self.judge_changed.emit())
        self.live.currentIndexChanged.connect(lambda _: self.live_changed.emit())
        self._on_kind()

    def _choice(self, name: str, accessible: str, tip: str) -> ChoiceBox:
        return ChoiceBox(name, accessible, tip)

    def _line(self, name: str, accessible: str, tip: str) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(name)
        line.setAccessibleName(accessible)
        line.setToolTip(tip)
        return line

    @property
    def kind(self) -> str:
        """Which kind of network."""
        return str(self.network.currentData())

    @property
    def judged_by(self) -> str:
        """What says who is ahead."""
        return str(self.judge.currentData())

    @property
    def least_is_best(self) -> bool:
        """Whether less of that is better."""
        return JUDGES[self.kind][self.judged_by][1]

    @property
    def taken_away(self) -> int | None:
        """The racer whose run is exported; None for who is ahead."""
        place = self.taken.currentData()
        return None if place is None else int(place)

    def offer_racers(self, names: list[str]) -> None:
        """Let one of these be exported."""
        self.taken.clear()
        self.taken.addItem("who is ahead", None)
        for place, name in enumerate(names):
            self.taken.addItem(name, place)

    @property
    def moves(self) -> Parameter:
        """The live setting that is offered for each racer."""
        return self._known()[str(self.live.currentData())]

    def _known(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in describe(SPECS[self.kind][0])}

    def _on_kind(self) -> None:
        boxes = (self.field, self.judge, self.live)
        for box in boxes:
            box.blockSignals(True)
            box.clear()
        for parameter in self._known().values():
            symbol = f"{parameter.hyper.symbol}  " if parameter.hyper.symbol else ""
            words = f"{symbol}{parameter.hyper.label}"
            if parameter.name not in NOT_RACED:
                self.field.addItem(words, parameter.name)
            if parameter.hyper.live:
                self.live.addItem(words, parameter.name)
        for judge, (words, _) in JUDGES[self.kind].items():
            self.judge.addItem(words, judge)
        self.field.setCurrentIndex(self.field.findData(FIRST[self.kind]))
        for box in boxes:
            box.blockSignals(False)
        self._on_field()
        self.judge_changed.emit()

    def _on_field(self) -> None:
        name = str(self.field.currentData())
        parameter = self._known()[name]
        self.values.setText(VALUES.get(name, " , ".join(parameter.choices[:4])))
        place = self.live.findData(name)
        self.live.setCurrentIndex(
            place if place >= 0 else max(self.live.findData("learning_rate"), 0)
        )
        self.changed.emit()

    def specs(self, base: Settings) -> list[Settings]:
        """Return the settings that race, on top of `base`; raises `UsageError`."""
        epochs = self.epochs.text().strip()
        if epochs:
            if not epochs.isdecimal() or len(epochs) > 9:
                raise UsageError("Epochs: a whole number is needed.")
            base = base.changed(epochs=int(epochs))
        return settings_of(base, [f"{self.field.currentData()}={self.values.text()}"])

    def tell(self, error: FilterscopeError | None) -> None:
        """Say what cannot race, or that nothing is wrong."""
        self.error.tell(error)

    def set_locked(self, locked: bool) -> None:
        """Lock what cannot change while they race."""
        for widget in (self.network, self.field, self.values, self.epochs):
            widget.setEnabled(not locked)
