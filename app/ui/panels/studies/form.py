"""What a person's own study tries: which settings, over which values, how often, and where."""

from __future__ import annotations

from typing import Any

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from app.core.errors import FilterscopeError, UsageError
from app.core.params import Spec, describe
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec
from app.core.studies.spec import StudySpec
from app.core.studies.typed import parse_seeds, parse_varied
from app.core.threads import cores
from app.ui.widgets.card import Card, quiet_label
from app.ui.widgets.choice_box import ChoiceBox

__all__ = ["StudyForm"]

SPECS: dict[str, tuple[type[Spec], type[Spec]]] = {
    "autoencoder": (AutoencoderSpec, PreprocessSpec),
    "cnn": (ConvNetSpec, ImageSpec),
}
SEARCHES = {
    "grid": "all combinations",
    "random": "at random",
    "optuna": "by what was found (Optuna)",
}
WHERE = {"processes": "processes of this computer", "dask": "Dask workers of this computer"}
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
        for name, text, tip, presets in (
            (
                "rhoStudy",
                "ρ study",
                "ρ 0.2, 0.5 and 0.8, as in the exercise’s report",
                ["report-rho"],
            ),
            (
                "hiddenStudy",
                "Hidden units study",
                "25, 64 and 100 hidden units, as in the exercise’s report",
                ["report-hidden"],
            ),
            (
                "reportStudy",
                "Both, as one page",
                "Both studies of the exercise’s report, one after the other",
                ["report-rho", "report-hidden"],
            ),
        ):
            button = QPushButton(text)
            button.setObjectName(name)
            button.setToolTip(tip)
            button.clicked.connect(lambda _, wanted=presets: self.report_clicked.emit(wanted))
            self.body.addWidget(button)
            setattr(self, name, button)
        self.body.addSpacing(10)
        self.body.addWidget(self._build_form())
        self.error = QLabel()
        self.error.setObjectName("studyError")
        self.error.setProperty("error", True)
        self.error.setWordWrap(True)
        self.error.hide()
        self.begin = QPushButton("Begin own study")
        self.begin.setObjectName("ownStudy")
        self.begin.setToolTip("Train every combination with every seed; each is a run that is kept")
        self.begin.clicked.connect(lambda _: self.own_clicked.emit())
        self.count = quiet_label(name="studyCount")
        self.count.setWordWrap(True)
        self.body.addWidget(self.error)
        self.body.addWidget(self.count)
        self.body.addWidget(self.begin)
        self.body.addStretch(1)
        self._on_kind()

    def _build_form(self) -> QWidget:
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(6)
        self.network = self._choice(
            "studyNetwork", "Network", {"autoencoder": "autoencoder", "cnn": "CNN"}
        )
        self.network.currentIndexChanged.connect(self._on_kind)
        rows: list[tuple[str, QWidget]] = [("Network", self.network)]
        self.fields: list[tuple[ChoiceBox, QLineEdit]] = []
        for number in range(2):
            field = ChoiceBox(f"studyField{number}", "Setting to vary", "Which setting is varied")
            values = self._line(
                f"studyValues{number}",
                "Its values",
                "A list such as 0.2, 0.5, 0.8, or a range: 0.001..10:log:5 is five values, equal "
                "factors apart",
            )
            field.currentIndexChanged.connect(self._count)
            self.fields.append((field, values))
            rows += [("Vary" if number == 0 else "and", field), ("over", values)]
        self.seeds = self._line("studySeeds", "Seeds", "How many, or a list such as 0, 3, 7")
        self.seeds.setText("1")
        self.epochs = self._line(
            "studyEpochs", "Epochs", "Of each run; empty for those of the lab’s settings"
        )
        self.epochs.setPlaceholderText("as in the lab")
        self.search = self._choice("studySearch", "Which combinations", SEARCHES)
        self.search.currentIndexChanged.connect(self._count)
        self.trials = self._line("studyTrials", "Trials", "How many combinations a search tries")
        self.trials.setText("20")
        self.workers = self._line(
            "studyWorkers", "Workers", "Runs that are trained at once; they share the cores"
        )
        self.workers.setText(str(max(1, cores() - 1) if cores() > 2 else cores()))
        self.where = self._choice("studyWhere", "Where", WHERE)
        rows += [
            ("Seeds", self.seeds),
            ("Epochs", self.epochs),
            ("Try", self.search),
            ("Trials", self.trials),
            ("Workers", self.workers),
            ("in", self.where),
        ]
        for row, (text, widget) in enumerate(rows):
            label = quiet_label(text)
            label.setBuddy(widget)
            grid.addWidget(label, row, 0)
            grid.addWidget(widget, row, 1)
        grid.setColumnStretch(1, 1)
        return inside

    def _choice(self, name: str, accessible: str, choices: dict[str, str]) -> ChoiceBox:
        box = ChoiceBox(name, accessible, accessible)
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

    @property
    def dask(self) -> bool:
        """Whether workers are those of a Dask cluster."""
        return str(self.where.currentData()) == "dask"

    def worker_count(self) -> int:
        """Return how many runs are trained at once; raises `UsageError`."""
        text = self.workers.text().strip()
        if not text.isdecimal() or not 1 <= int(text) <= 256:
            raise UsageError("Workers: a whole number from 1 to 256 is needed.")
        return int(text)

    def _on_kind(self) -> None:
        first, values = FIRST[self.kind]
        for number, (field, line) in enumerate(self.fields):
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
            line.setText(values if number == 0 else "")
        self._count()

    def values(self) -> dict[str, Any]:
        """Return the fields of `StudySpec` that the form decides; raises `UsageError`."""
        known = {p.name: p for spec in SPECS[self.kind] for p in describe(spec)}
        vary = [
            parse_varied(f"{field.currentData()}={line.text()}", known)
            for field, line in self.fields
            if field.currentData()
        ]
        found: dict[str, Any] = {
            "kind": self.kind,
            "vary": vary,
            "seeds": parse_seeds(self.seeds.text()),
            "search": self.search.currentData(),
        }
        if self.epochs.text().strip():
            found["set"] = {"epochs": self._whole(self.epochs, "Epochs")}
        if found["search"] != "grid":
            found["trials"] = self._whole(self.trials, "Trials")
        return found

    def _whole(self, line: QLineEdit, what: str) -> int:
        text = line.text().strip()
        if not text.isdecimal() or len(text) > 9:
            raise UsageError(f"{what}: a whole number is needed.")
        return int(text)

    def tell(self, error: FilterscopeError | None) -> None:
        """Say what cannot be begun, or that nothing is wrong."""
        self.error.setText("" if error is None else f"{error.message} {error.hint}".strip())
        self.error.setVisible(error is not None)

    def _count(self) -> None:
        """Say how many runs that would be."""
        if not hasattr(self, "count"):
            return
        self.trials.setEnabled(self.search.currentData() != "grid")
        try:
            spec = StudySpec.build(self.values())
            self.worker_count()
        except FilterscopeError as error:
            self.count.setText(f"{error.message} {error.hint}".strip())
            self.begin.setEnabled(False)
            return
        self.begin.setEnabled(True)
        runs = spec.run_count
        self.count.setText(f"{runs} run{'' if runs == 1 else 's'}")

    def set_busy(self, busy: bool) -> None:
        """Begin nothing while a study is conducted."""
        for name in ("rhoStudy", "hiddenStudy", "reportStudy"):
            getattr(self, name).setEnabled(not busy)
        if busy:
            self.begin.setEnabled(False)
        else:
            self._count()
