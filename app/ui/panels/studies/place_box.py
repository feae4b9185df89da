"""Where a study's runs are trained: processes here, Dask workers here, or a scheduler elsewhere."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PyQt6.QtCore import pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from app.core.errors import UsageError
from app.core.studies.cluster import ClusterAddress
from app.core.studies.pools import MOST_WORKERS, Place
from app.core.threads import cores
from app.ui.widgets.card import quiet_label
from app.ui.widgets.choice_box import ChoiceBox

__all__ = ["PlaceBox"]

LABEL_WIDTH = 62
PROCESSES, DASK, SCHEDULER = "processes", "dask", "scheduler"
WHERE = {
    PROCESSES: "processes of this computer",
    DASK: "Dask workers of this computer",
    SCHEDULER: "a Dask cluster elsewhere",
}
WORDS = {
    DASK: "A cluster that only this computer reaches; it ends with the study.",
    SCHEDULER: (
        "Settings go there and finished runs come back; the data is read there, at the same path. "
        "Every member of that cluster can run code on this computer."
    ),
}
FILES = (
    ("authority", "Authority", "The certificate of whom to believe (PEM)"),
    ("certificate", "Certificate", "The certificate that says who we are (PEM)"),
    ("key", "Key", "The key of that certificate (PEM)"),
)


class PlaceBox(QWidget):
    """A choice of three, and what each of them has to be told.

    Signals
    -------
    changed()
        Something else stands there.
    """

    changed = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[QWidget, ...]] = {}
        self.where = ChoiceBox("studyWhere", "Where it runs", "Who trains the runs")
        for key, text in WHERE.items():
            self.where.addItem(text, key)
        self._add("where", "In", self.where)
        self.workers = self._line(
            "studyWorkers", "Runs at once", "Runs that are trained at once; they share the cores"
        )
        self.workers.setText(str(max(1, cores() - 1) if cores() > 2 else cores()))
        self._add("workers", "At once", self.workers)
        self.address = self._line(
            "studyScheduler", "Address of the scheduler", "As its administrator gave it to you"
        )
        self.address.setPlaceholderText("tls://10.0.0.5:8786")
        self._add("address", "Address", self.address)
        self.files: dict[str, QLineEdit] = {}
        for name, text, tip in FILES:
            line = self.files[name] = self._line(f"study{text}", text, tip)
            self._add(name, text, self._with_button(line, text))
        self.trusted = QCheckBox("I trust everybody on that network")
        self.trusted.setObjectName("studyTrusted")
        self.trusted.setToolTip(
            "Without TLS, anybody who can reach that scheduler can run code on this computer"
        )
        self.trusted.toggled.connect(lambda _: self.changed.emit())
        self._add("trusted", "", self.trusted)
        self.words = quiet_label(name="studyWhereWords")
        self.words.setWordWrap(True)
        self._grid.addWidget(self.words, len(self._rows), 0, 1, 2)
        self.where.currentIndexChanged.connect(self._on_where)
        self._on_where()

    def _line(self, name: str, accessible: str, tip: str) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(name)
        line.setAccessibleName(accessible)
        line.setToolTip(tip)
        line.textChanged.connect(lambda _: self.changed.emit())
        return line

    def _add(self, name: str, text: str, widget: QWidget) -> None:
        row = len(self._rows)
        # What is in it does not make it wider than the card.
        widget.setMinimumWidth(60)
        if not text:
            self._grid.addWidget(widget, row, 0, 1, 2)
            self._rows[name] = (widget,)
            return
        label = quiet_label(text)
        label.setFixedWidth(LABEL_WIDTH)
        label.setBuddy(widget)
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(widget, row, 1)
        self._rows[name] = (label, widget)

    def _with_button(self, line: QLineEdit, what: str) -> QWidget:
        both = QWidget()
        row = QHBoxLayout(both)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        button = QPushButton("…")
        button.setProperty("flat", True)
        button.setAccessibleName(f"Choose the file: {what}")
        button.setToolTip("Choose the file")
        button.setFixedWidth(40)
        button.clicked.connect(partial(self._choose, line, what))
        row.addWidget(line, 1)
        row.addWidget(button)
        return both

    def _choose(self, line: QLineEdit, what: str, _: bool = False) -> None:
        name, _filter = QFileDialog.getOpenFileName(
            self, what, line.text(), "PEM (*.pem *.crt *.key);;All (*)"
        )
        if name:
            line.setText(name)

    def _on_where(self) -> None:
        elsewhere = self.kind == SCHEDULER
        for name, parts in self._rows.items():
            wanted = name == "where" or (name != "workers") == elsewhere
            for part in parts:
                part.setVisible(wanted)
        self.words.setText(WORDS.get(self.kind, ""))
        self.words.setVisible(self.kind in WORDS)
        self.changed.emit()

    @property
    def kind(self) -> str:
        """Which of the three is chosen."""
        return str(self.where.currentData())

    def place(self) -> Place:
        """Return what stands there; raises `UsageError` when it cannot be meant."""
        if self.kind != SCHEDULER:
            text = self.workers.text().strip()
            if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
                raise UsageError(f"At once: a whole number from 1 to {MOST_WORKERS} is needed.")
            return Place(int(text), dask=self.kind == DASK)
        texts = {name: line.text().strip() for name, line in self.files.items()}
        files = {name: Path(text) for name, text in texts.items() if text}
        cluster = ClusterAddress(
            self.address.text().strip(),
            files.get("authority"),
            files.get("certificate"),
            files.get("key"),
            trusted=self.trusted.isChecked(),
        )
        cluster.check()
        # How many it trains at once is the cluster's own matter.
        return Place(1, cluster=cluster)
