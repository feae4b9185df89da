"""The Runs lab: a table of everything that was trained, and the chosen runs beside each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QItemSelection, QModelIndex, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QPixmap
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSplitter,
    QTableView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.core.errors import FilterscopeError
from app.core.params import format_number
from app.core.run_table import TRASH, RunRow, move_to_trash, read_rows
from app.ui.panels.runs.reading import Chosen, read_chosen
from app.ui.panels.runs.table_model import COLUMNS, RunFilter, RunModel
from app.ui.widgets.card import Card, ChoiceButton, TabbedCard, ToggleButton, quiet_label
from app.ui.widgets.run_curves import PALETTE, RunCurve, RunCurves
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["RunsPanel"]

WIDTHS = (244, 96, 74, 74, 74, 84, 62, 136, 170, 110, 160)
# More curves than colours cannot be told apart.
MOST_CURVES = len(PALETTE)


class RunsPanel(QWidget):
    """The table of runs above, curves, settings and filters of the chosen ones below.

    Signals
    -------
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    told(str)
        Something that was done.
    open_wanted(object), resume_wanted(object)
        Folder of a run that is to be seen in its lab, or to go on.
    """

    problem = pyqtSignal(str, str, str)
    told = pyqtSignal(str)
    open_wanted = pyqtSignal(object)
    resume_wanted = pyqtSignal(object)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.setObjectName("runsPanel")
        self._runner = runner
        self._listing: TaskWorker[list[RunRow]] | None = None
        self._reading: TaskWorker[Chosen] | None = None
        self._again = False
        self.chosen: Chosen | None = None
        self.model = RunModel(self)
        self.model.refused.connect(lambda message, hint: self.problem.emit(message, hint, ""))
        self.shown = RunFilter(self.model, self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(10)
        split.addWidget(self._build_table())
        split.addWidget(self._build_details())
        split.setSizes([430, 360])
        layout.addWidget(split)
        self._show_buttons()

    # --- building

    def _build_table(self) -> Card:
        card = Card("Runs", "runs")
        self.note = card.note
        self.search = QLineEdit()
        self.search.setObjectName("runSearch")
        self.search.setPlaceholderText("Search names, settings, tags, notes")
        self.search.setAccessibleName("Search runs")
        self.search.setToolTip("Words that must all be found, such as: solver=adam good")
        self.search.setClearButtonEnabled(True)
        self.search.setFixedWidth(280)
        self.search.textChanged.connect(self._on_search)
        self.open = QPushButton("Open")
        self.open.setObjectName("openRun")
        self.open.setToolTip("See this run in its lab")
        self.open.clicked.connect(self._on_open)
        self.go_on = QPushButton("Go on")
        self.go_on.setObjectName("resumeRun")
        self.go_on.setToolTip("Train on exactly where this run stopped, in its own folder")
        self.go_on.clicked.connect(self._on_go_on)
        self.delete = QPushButton("Delete…")
        self.delete.setObjectName("deleteRuns")
        self.delete.setToolTip("Move the chosen runs into the trash folder beside them")
        self.delete.clicked.connect(self._on_delete)
        for widget in (self.search, self.open, self.go_on, self.delete):
            card.add_tool(widget)
        table = self.table = QTableView()
        table.setObjectName("runTable")
        table.setAccessibleName("All runs")
        table.setModel(self.shown)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setSortingEnabled(True)
        table.setShowGrid(False)
        table.setWordWrap(False)
        table.setIconSize(QSize(9, 9))
        table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        rows, columns = table.verticalHeader(), table.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        rows.setDefaultSectionSize(25)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        columns.setHighlightSections(False)
        columns.setStretchLastSection(True)
        for column, width in enumerate(WIDTHS):
            table.setColumnWidth(column, width)
        started = [title for title, *_ in COLUMNS].index("Started")
        table.sortByColumn(started, Qt.SortOrder.DescendingOrder)
        table.doubleClicked.connect(self._on_double_click)
        selection = table.selectionModel()
        assert selection is not None
        selection.selectionChanged.connect(self._on_selection)
        card.body.addWidget(table)
        self.empty = quiet_label("There are no runs yet: train a network, and it is kept here.")
        self.empty.setObjectName("noRuns")
        self.empty.hide()
        card.body.addWidget(self.empty)
        return card

    def _build_details(self) -> TabbedCard:
        card = self.details = TabbedCard(
            ["Curves", "Settings", "Filters"],
            "runDetails",
            [
                "Curves of the chosen runs over each other",
                "What differs between the first two of the chosen runs",
                "First layer of the first two of the chosen runs",
            ],
        )
        self.curves = RunCurves()
        card.add_page(self.curves)
        self.settings = QTableWidget(0, 3)
        self.settings.setObjectName("runDifferences")
        self.settings.setAccessibleName("Settings that differ")
        self.settings.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.settings.setShowGrid(False)
        rows, columns = self.settings.verticalHeader(), self.settings.horizontalHeader()
        assert rows is not None
        assert columns is not None
        rows.hide()
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        columns.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        card.add_page(self.settings)
        card.add_page(self._build_filters())
        self.what = ChoiceButton(
            "runCurveOf",
            "What is drawn",
            {"cost": "cost", "accuracy": "validation accuracy"},
            lambda _: self._draw_curves(),
        )
        tools: list[QWidget] = [self.what]
        for name, text, tip in (
            ("smooth", "smooth", "A running mean; the curve itself stays behind it"),
            ("log_x", "log x", "Equal steps to the right are equal factors of time"),
            ("log_y", "log y", "Equal steps up are equal factors"),
        ):
            button = ToggleButton(f"runCurves_{name}", text, tip, self._option(name))
            button.setChecked(True)
            tools.append(button)
        for tool in tools:
            card.add_tool(tool)

        def show_tools(page: int) -> None:
            for tool in tools:
                tool.setVisible(page == 0)

        card.on_page_changed(show_tools)
        return card

    def _build_filters(self) -> QScrollArea:
        area = QScrollArea()
        area.setWidgetResizable(True)
        inside = QWidget()
        layout = QHBoxLayout(inside)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(20)
        self._filters: list[tuple[QLabel, QLabel]] = []
        for number in range(2):
            column = QVBoxLayout()
            name, picture = quiet_label(name=f"filtersName{number}"), QLabel()
            picture.setObjectName(f"filtersOfRun{number}")
            picture.setTextFormat(Qt.TextFormat.PlainText)
            picture.setWordWrap(True)
            picture.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
            column.addWidget(name)
            column.addWidget(picture, 1)
            layout.addLayout(column, 1)
            self._filters.append((name, picture))
        area.setWidget(inside)
        return area

    def _option(self, name: str) -> Callable[[bool], None]:
        return lambda on: self.curves.set_options(**{name: on})

    # --- reading the table

    def refresh(self) -> None:
        """Read all runs again, in the background."""
        if self._listing is not None:
            self._again = True
            return

        def job(task: Task) -> list[RunRow]:
            return read_rows(cancel=task.cancelled)

        self.note.setText("Reading …")
        self._listing = TaskWorker(job)
        self._listing.ended.connect(self._on_listed)
        self._runner.start(self._listing)

    def cancel(self) -> None:
        """Give up what is under way."""
        for worker in (self._listing, self._reading):
            if worker is not None:
                worker.request_stop()

    def _on_listed(self) -> None:
        worker, self._listing = self._listing, None
        if worker is None:
            return
        if worker.bug:
            self.problem.emit("Reading the runs failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            self._set_rows(worker.result)
        if self._again:
            self._again = False
            self.refresh()

    def _set_rows(self, rows: list[RunRow]) -> None:
        before = {row.path for row in self.chosen_rows()}
        self.model.set_rows(rows)
        self.table.setVisible(bool(rows))
        self.empty.setVisible(not rows)
        self.choose(before)
        self._count()

    def _count(self) -> None:
        shown, total = self.shown.rowCount(), len(self.model.rows)
        many = f"{shown} of {total}" if shown != total else f"{total}"
        self.note.setText(f"{many} run{'' if total == 1 else 's'}")

    def _on_search(self, text: str) -> None:
        self.shown.search(text)
        self._count()

    # --- what is chosen

    def chosen_rows(self) -> list[RunRow]:
        """Return the chosen runs, in the order of the table."""
        selection = self.table.selectionModel()
        assert selection is not None
        indices = sorted(selection.selectedRows(), key=lambda index: index.row())
        return [self.model.rows[self.shown.mapToSource(index).row()] for index in indices]

    def choose(self, paths: set[Path]) -> None:
        """Choose the runs in these folders."""
        selection = self.table.selectionModel()
        assert selection is not None
        wanted = QItemSelection()
        for row, one in enumerate(self.model.rows):
            index = self.shown.mapFromSource(self.model.index(row, 0))
            if one.path in paths and index.isValid():
                wanted.select(index, index)
        mode = selection.SelectionFlag
        selection.select(wanted, mode.ClearAndSelect | mode.Rows)
        self._on_selection()

    def _on_selection(self, *_: Any) -> None:
        self._show_buttons()
        if self._reading is not None:
            self._reading.request_stop()
            return
        self._read()

    def _read(self) -> None:
        rows = self.chosen_rows()[:MOST_CURVES]
        if not rows:
            self._show(Chosen([], [], []))
            return
        self._reading = TaskWorker(read_chosen(rows))
        self._reading.ended.connect(self._on_read)
        self._runner.start(self._reading)

    def _on_read(self) -> None:
        worker, self._reading = self._reading, None
        if worker is None:
            return
        if worker.cancelled:
            self._read()
        elif worker.bug:
            self.problem.emit("Reading these runs failed.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None:
            read = [values.row.path for values in worker.result.values]
            if read != [row.path for row in self.chosen_rows()[:MOST_CURVES]]:
                self._read()
            else:
                self._show(worker.result)

    def _show(self, chosen: Chosen) -> None:
        self.chosen = chosen
        self._draw_curves()
        self._show_differences()
        for number, (name, picture) in enumerate(self._filters):
            row, data, why = (
                chosen.filters[number] if number < len(chosen.filters) else (None, b"", "")
            )
            name.setText("" if row is None else row.path.name)
            pixmap = QPixmap()
            pixmap.loadFromData(data)
            picture.setPixmap(pixmap)
            if why:
                picture.setText(why)
        count = len(self.chosen_rows())
        words = list(chosen.notes)
        if count > MOST_CURVES:
            words.insert(0, f"The first {MOST_CURVES} of {count} chosen runs are shown.")
        elif not count:
            words = ["Choose runs in the table: Ctrl and Shift choose several."]
        self.details.note.setText("  ".join(words))

    def _draw_curves(self) -> None:
        values = [] if self.chosen is None else self.chosen.values
        what = self.what.value
        colours: dict[Path, str] = {}
        for number, one in enumerate(values):
            colours[one.row.path] = one.row.labels.colour or PALETTE[number % len(PALETTE)]
        curves = [
            RunCurve(one.row.path.name, colours[one.row.path], *getattr(one, what))
            for one in values
        ]
        self.model.set_colours(colours)
        label = "per cent right" if what == "accuracy" else "cost"
        self.curves.set_curves([curve for curve in curves if len(curve.x)], label)

    def _show_differences(self) -> None:
        chosen = self.chosen
        rows = [] if chosen is None else chosen.filters
        names = [row.path.name for row, _, _ in rows]
        self.settings.setHorizontalHeaderLabels(["Setting", *names, *[""] * (2 - len(names))])
        lines = [] if chosen is None else [(d.label, d.first, d.second) for d in chosen.differences]
        if chosen is not None and len(names) == 2 and not lines:
            lines = [("The same data and settings", "", "")]
        self.settings.setRowCount(len(lines))
        for number, line in enumerate(lines):
            for column, value in enumerate(line):
                self.settings.setItem(number, column, QTableWidgetItem(_shown(value)))

    # --- what is done with them

    def _show_buttons(self) -> None:
        rows = self.chosen_rows()
        self.open.setEnabled(len(rows) == 1)
        self.go_on.setEnabled(len(rows) == 1 and rows[0].resumable)
        self.delete.setEnabled(bool(rows) and all(row.state != "running" for row in rows))

    def _on_double_click(self, index: QModelIndex) -> None:
        if index.column() != 0:
            return
        row = self.shown.mapToSource(index).row()
        path = self.model.rows[row].path
        now = next((c.colour for c in self.curves.curves if c.name == path.name), PALETTE[0])
        colour = QColorDialog.getColor(QColor(now), self, f"Colour of {path.name}")
        if colour.isValid():
            try:
                self.model.set_colour(row, colour.name())
            except FilterscopeError as error:
                self.problem.emit(error.message, error.hint, "")
            self._on_selection()

    def _on_open(self) -> None:
        rows = self.chosen_rows()
        if len(rows) == 1:
            self.open_wanted.emit(rows[0].path)

    def _on_go_on(self) -> None:
        rows = self.chosen_rows()
        if len(rows) == 1:
            self.resume_wanted.emit(rows[0].path)

    def _on_delete(self) -> None:
        rows = self.chosen_rows()
        if not rows:
            return
        what = rows[0].path.name if len(rows) == 1 else f"{len(rows)} runs"
        answer = QMessageBox.question(
            self,
            "Delete runs",
            f"Move {what} to the trash?\n\nThe folder “{TRASH}” beside the runs keeps it "
            "until you remove it there.",
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        if answer == QMessageBox.StandardButton.Yes:
            self.delete_runs(rows)

    def delete_runs(self, rows: list[RunRow]) -> None:
        """Move runs to the trash, and read the table again."""
        moved = 0
        try:
            for row in rows:
                where = move_to_trash(row.run)
                moved += 1
        except FilterscopeError as error:
            self.problem.emit(error.message, error.hint, "")
        if moved:
            self.told.emit(f"{moved} run{'s are' if moved > 1 else ' is'} in {where.parent}.")
        self.refresh()


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, int | float) else str(value)
