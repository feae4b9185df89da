"""What a person's own study tries: which settings, over which values, how often, and where."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.core.errors import FilterscopeError, UsageError
from app.core.params import describe
from app.core.specs.kinds import SPECS
from app.core.studies.pools import Place
from app.core.studies.spec import StudySpec
from app.core.studies.typed import parse_seeds, parse_varied
from app.ui.panels.studies.place_box import PlaceBox
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.choice_box import ChoiceBox
from app.ui.widgets.error_line import ErrorLine
from app.ui.widgets.fading_scroll import FadingScroll

__all__ = ["StudyForm"]

SEARCHES = {
    "grid": "all combinations",
    "random": "at random",
    "optuna": "by what was found (Optuna)",
}
LABEL_WIDTH = 62
REPORT_BUTTONS = (
    ("rhoStudy", "ρ", "ρ 0.2, 0.5 and 0.8, as in the exercise’s report", ["report-rho"]),
    (
        "hiddenStudy",
        "Hidden units",
        "25, 64 and 100 hidden units, as in the exercise’s report",
        ["report-hidden"],
    ),
    (
        "reportStudy",
        "Both",
        "Both studies of the exercise’s report, one after the other, and one page of them",
        ["report-rho", "report-hidden"],
    ),
)
# What stands in the form at first, so that a person sees how values are typed.
FIRST = {"autoencoder": ("rho", "0.05, 0.2, 0.5"), "cnn": ("learning_rate", "1e-4..1e-2:log:3")}


class StudyForm(Card):
    """Buttons for the studies of the report, and a form for others.

    Signals
    -------
    report_clicked(list of str)
        Names of the report's studies that are wanted.
    own_clicked()
        The study in the form is wanted.
    """

    report_clicked = pyqtSignal(list)
    own_clicked = pyqtSignal()

    def __init__(self) -> None:
        super().__init__("New study", "studyForm")
        self.setFixedWidth(330)
        self._busy = False
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 6, 0)
        self._column.setSpacing(6)
        self.place_box = PlaceBox()
        self._build_report()
        self._build_own()
        self._heading("Every study")
        self.epochs = self._line(
            "studyEpochs",
            "Epochs",
            "Of each run; empty for 1000 in a study of the report, for those of the lab otherwise",
        )
        self.epochs.setPlaceholderText("as in the report, or in the lab")
        self._column.addWidget(self._rows([("Epochs", self.epochs)])[0])
        self._column.addWidget(self.place_box)
        self._column.addStretch(1)
        self.error = ErrorLine("studyError")
        self.body.addWidget(FadingScroll("studyFormScroll", inside), 1)
        self.body.addWidget(self.error)
        self.place_box.changed.connect(self._count)
        self._on_kind()

    def _heading(self, text: str) -> None:
        if self._column.count():
            self._column.addSpacing(8)
        label = QLabel(text)
        label.setObjectName("cardTitle")
        self._column.addWidget(label)

    def _build_report(self) -> None:
        self._heading("Of the exercise’s report")
        row = QHBoxLayout()
        row.setSpacing(6)
        for name, text, tip, presets in REPORT_BUTTONS:
            button = QPushButton(text)
            button.setObjectName(name)
            button.setAccessibleName(f"Begin the report’s study: {text}")
            button.setToolTip(tip)
            button.clicked.connect(lambda _, wanted=presets: self.report_clicked.emit(wanted))
            row.addWidget(button, 1)
            setattr(self, name, button)
        self._column.addLayout(row)
        words = quiet_label(
            "A click begins: three runs each, on the patches that are open in the Data lab."
        )
        words.setWordWrap(True)
        self._column.addWidget(words)

    def _build_own(self) -> None:
        self._heading("Of your own")
        self.network = self._choice(
            "studyNetwork",
            "Network",
            "Which lab gives the data, and the settings that do not vary",
            {"autoencoder": "autoencoder", "cnn": "CNN"},
        )
        self.network.currentIndexChanged.connect(self._on_kind)
        rows: list[tuple[str, QWidget]] = [("Network", self.network)]
        self.fields: list[tuple[ChoiceBox, QLineEdit]] = []
        for number in range(2):
            field = ChoiceBox(
                f"studyField{number}",
                "Setting to vary" if number == 0 else "Second setting to vary",
                "Which setting is varied; every value of one meets every value of the other",
            )
            values = self._line(
                f"studyValues{number}",
                f"Values of the {'first' if number == 0 else 'second'} setting",
                "A list such as 0.2, 0.5, 0.8, or a range: 0.001..10:log:5 is five values, equal "
                "factors apart; between lists of layers stands |",
            )
            values.setPlaceholderText("0.2, 0.5   or   0.001..10:log:5")
            field.currentIndexChanged.connect(self._on_field)
            self.fields.append((field, values))
            rows += [("Vary" if number == 0 else "and", field), ("Values", values)]
        self.seeds = self._line(
            "studySeeds",
            "Seeds",
            "How many, or a list such as 0, 3, 7. Each combination is trained once with each: what "
            "differs between seeds is chance",
        )
        self.seeds.setText("1")
        self.search = self._choice(
            "studySearch", "Which combinations", "Which combinations are trained", SEARCHES
        )
        self.search.currentIndexChanged.connect(self._on_field)
        self.trials = self._line("studyTrials", "Trials", "How many combinations a search tries")
        self.trials.setText("20")
        rows += [("Seeds", self.seeds), ("Try", self.search), ("Trials", self.trials)]
        inside, self._labels = self._rows(rows)
        self._column.addWidget(inside)
        self.begin = QPushButton("Begin")
        self.begin.setObjectName("ownStudy")
        self.begin.setProperty("primary", True)
        self.begin.setAccessibleName("Begin the study of your own")
        self.begin.setToolTip("Train every combination with every seed; each is a run that is kept")
        self.begin.clicked.connect(lambda _: self.own_clicked.emit())
        self.count = quiet_label(name="studyCount")
        self.count.setWordWrap(True)
        foot = QHBoxLayout()
        foot.addWidget(self.count, 1)
        foot.addWidget(self.begin)
        self._column.addLayout(foot)

    def _rows(self, rows: list[tuple[str, QWidget]]) -> tuple[QWidget, dict[str, QLabel]]:
        """Return lines of a word and a field each, and the words by their fields' names."""
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(6)
        labels = {}
        for row, (text, widget) in enumerate(rows):
            label = quiet_label(text)
            label.setFixedWidth(LABEL_WIDTH)
            label.setBuddy(widget)
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1)
            labels[widget.objectName()] = label
            # What is in it does not make it wider than the card.
            widget.setMinimumWidth(60)
        grid.setColumnStretch(1, 1)
        return inside, labels

    def _choice(self, name: str, accessible: str, tip: str, choices: dict[str, str]) -> ChoiceBox:
        box = ChoiceBox(name, accessible, tip)
        for key, text in choices.items():
            box.addItem(text, key)
        return box

    def _line(self, name: str, accessible: str, tip: str) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(name)
        line.setAccessibleName(accessible)
        line.setToolTip(tip)
        line.textChanged.connect(self._count)
        return line

    # --- what stands there

    @property
    def kind(self) -> str:
        """Which kind of network."""
        return str(self.network.currentData())

    def place(self) -> Place:
        """Return where runs are trained; raises `UsageError`."""
        return self.place_box.place()

    def _on_kind(self) -> None:
        first, values = FIRST[self.kind]
        for number, (field, _) in enumerate(self.fields):
            field.blockSignals(True)
            field.clear()
            if number:
                field.addItem("nothing else", "")
            for spec in SPECS[self.kind]:
                for parameter in describe(spec):
                    if parameter.name in ("seed", "epochs"):
                        continue
                    symbol = f"{parameter.hyper.symbol}  " if parameter.hyper.symbol else ""
                    field.addItem(f"{symbol}{parameter.hyper.label}", parameter.name)
            if number == 0:
                field.setCurrentIndex(field.findData(first))
            field.blockSignals(False)
        # Only now: what stands in a line is read with the settings of both.
        for (_, line), text in zip(self.fields, (values, ""), strict=True):
            line.setText(text)
        self._on_field()

    def _on_field(self) -> None:
        """Show what can be filled in: values of what varies, trials of a search."""
        second, values = self.fields[1]
        for widget, wanted in (
            (values, bool(second.currentData())),
            (self.trials, self.search.currentData() != "grid"),
        ):
            widget.setVisible(wanted)
            self._labels[widget.objectName()].setVisible(wanted)
        self._count()

    @property
    def varied(self) -> list[str]:
        """What the settings that vary are called."""
        return [
            field.currentText().split("  ")[-1]
            for field, _ in self.fields
            if field.currentData() and field.currentText()
        ]

    def values(self) -> dict[str, Any]:
        """Return the fields of `StudySpec` that the form decides; raises `UsageError`."""
        known = {p.name: p for spec in SPECS[self.kind] for p in describe(spec)}
        vary = []
        for field, line in self.fields:
            name = field.currentData()
            if not name:
                continue
            if not line.text().strip():
                label = known[name].hyper.label.lower()
                raise UsageError(f"Say which values of {label} are tried.")
            vary.append(parse_varied(f"{name}={line.text()}", known))
        found: dict[str, Any] = {
            "kind": self.kind,
            "vary": vary,
            "seeds": parse_seeds(self.seeds.text()),
            "search": self.search.currentData(),
        }
        epochs = self.epoch_count()
        if epochs is not None:
            found["set"] = {"epochs": epochs}
        if found["search"] != "grid":
            found["trials"] = self._whole(self.trials, "Trials")
        return found

    def epoch_count(self) -> int | None:
        """Return the epochs of each run, None for as many as it has; raises `UsageError`."""
        return self._whole(self.epochs, "Epochs") if self.epochs.text().strip() else None

    def _whole(self, line: QLineEdit, what: str) -> int:
        text = line.text().strip()
        if not text.isdecimal() or len(text) > 9:
            raise UsageError(f"{what}: a whole number is needed.")
        return int(text)

    def tell(self, error: FilterscopeError | None) -> None:
        """Say what cannot be begun, or that nothing is wrong."""
        self.error.tell(error)

    def _count(self) -> None:
        """Say how many runs that would be."""
        if not hasattr(self, "error"):
            return
        try:
            spec = StudySpec.build(self.values())
            self.place()
        except FilterscopeError as error:
            self.count.setText(f"{error.message} {error.hint}".strip())
            self.begin.setEnabled(False)
            return
        self.begin.setEnabled(not self._busy)
        runs = spec.run_count
        self.count.setText(f"{runs} run{'' if runs == 1 else 's'}")

    def set_busy(self, busy: bool) -> None:
        """Begin nothing while a study is conducted."""
        self._busy = busy
        for name, *_ in REPORT_BUTTONS:
            getattr(self, name).setEnabled(not busy)
        self._count()
