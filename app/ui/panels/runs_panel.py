"""The Runs lab: a table of everything that was trained, and the chosen runs beside each other."""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QHBoxLayout, QMessageBox, QSplitter, QWidget

from app.core.errors import FilterscopeError
from app.core.run_table import TRASH, RunRow, move_to_trash, restore_from_trash
from app.core.runs import RunFolder
from app.core.runs.names import run_name
from app.ui.panels.runs.curves_page import CurvesPage
from app.ui.panels.runs.filters_page import FiltersPage
from app.ui.panels.runs.reading import Chosen, read_chosen
from app.ui.panels.runs.run_table import RunTable
from app.ui.panels.runs.settings_page import SettingsPage
from app.ui.widgets.card import TabbedCard
from app.ui.widgets.run_curves import PALETTE
from app.workers.task_worker import TaskWorker
from app.workers.thread import Runner

__all__ = ["RunsPanel"]

# More curves than colours cannot be told apart; seeds that are put together need one colour.
MOST_CURVES = 3 * len(PALETTE)
CURVES, SETTINGS, FILTERS = range(3)


class RunsPanel(QWidget):
    """The table of runs above, curves, settings and filters of the chosen ones below.

    Signals
    -------
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    told(str)
        Something that was done.
    undo_offered(str, str, object)
        Something that was done, where it is now, and what takes it back.
    open_wanted(object), resume_wanted(object), branch_wanted(object), again_wanted(object)
        Folder of a run that is to be seen in its lab, to go on, to have a child, or to be
        trained again.
    """

    problem = pyqtSignal(str, str, str)
    told = pyqtSignal(str)
    undo_offered = pyqtSignal(str, str, object)
    open_wanted = pyqtSignal(object)
    resume_wanted = pyqtSignal(object)
    branch_wanted = pyqtSignal(object)
    again_wanted = pyqtSignal(object)

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.setObjectName("runsPanel")
        self._runner = runner
        self._reading: TaskWorker[Chosen] | None = None
        self.runs = RunTable(runner)
        # What is asked for most often, by its short name.
        self.model, self.shown, self.table = self.runs.model, self.runs.shown, self.runs.table
        self.runs.problem.connect(self.problem)
        self.runs.chosen.connect(self._on_chosen)
        actions = self.runs.run_actions
        actions.open_wanted.connect(self.open_wanted)
        actions.resume_wanted.connect(self.resume_wanted)
        actions.branch_wanted.connect(self.branch_wanted)
        actions.again_wanted.connect(self.again_wanted)
        actions.delete_wanted.connect(self._ask_to_delete)
        actions.restore_wanted.connect(self.restore_runs)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setChildrenCollapsible(False)
        split.setHandleWidth(10)
        split.addWidget(self.runs)
        split.addWidget(self._build_details())
        split.setSizes([400, 390])
        layout.addWidget(split)

    def _build_details(self) -> TabbedCard:
        card = self.details = TabbedCard(
            ["Curves", "Settings", "Filters"],
            "runDetails",
            [
                "Curves of the chosen runs over each other",
                "What differs between the chosen runs",
                "First layers of the first two of the chosen runs, and which filter is which",
            ],
        )
        self.curves_page, self.settings_page = CurvesPage(), SettingsPage()
        self.filters_page = FiltersPage(self._runner)
        tools: dict[int, list[QWidget]] = {
            CURVES: self.curves_page.tools,
            FILTERS: self.filters_page.tools,
        }
        for page in (self.curves_page, self.settings_page, self.filters_page):
            card.add_page(page)
        for some in tools.values():
            for tool in some:
                card.add_tool(tool)
        self.curves_page.coloured.connect(self.model.set_colours)

        def show_tools(page: int) -> None:
            for place, some in tools.items():
                for tool in some:
                    tool.setVisible(place == page)

        card.on_page_changed(show_tools)
        show_tools(CURVES)
        return card

    # --- what is chosen

    def refresh(self) -> None:
        """Read all runs again, in the background."""
        self.runs.refresh()

    def cancel(self) -> None:
        """Give up what is under way."""
        self.runs.cancel()
        self.filters_page.cancel()
        if self._reading is not None:
            self._reading.request_stop()

    @property
    def reading(self) -> bool:
        """Whether the chosen runs are being read."""
        return self._reading is not None

    def chosen_rows(self) -> list[RunRow]:
        """Return the chosen runs, in the order of the table."""
        return self.runs.chosen_rows()

    def chosen_run(self) -> Path | None:
        """Return the folder of the chosen run; None unless it is one alone."""
        rows = self.chosen_rows()
        return rows[0].path if len(rows) == 1 else None

    def choose(self, paths: set[Path]) -> None:
        """Choose the runs in these folders."""
        self.runs.choose(paths)

    def _on_chosen(self) -> None:
        self.filters_page.show_rows(self.chosen_rows())
        if self._reading is not None:
            self._reading.request_stop()
            return
        self._read()

    def _read(self) -> None:
        rows = self.chosen_rows()[:MOST_CURVES]
        if not rows:
            self._show(Chosen())
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
            if [run.row for run in worker.result.runs] != self.chosen_rows()[:MOST_CURVES]:
                self._read()
            else:
                self._show(worker.result)

    def _show(self, chosen: Chosen) -> None:
        self.curves_page.show_chosen(chosen)
        self.settings_page.show_chosen(chosen)
        count = len(self.chosen_rows())
        words = list(chosen.notes)
        if count > MOST_CURVES:
            words.insert(0, f"The first {MOST_CURVES} of {count} chosen runs are shown.")
        elif not count:
            words = ["Choose runs in the table: Ctrl and Shift choose several."]
        self.details.note.setText("  ".join(words))

    # --- the trash

    def _ask_to_delete(self, rows: list[RunRow]) -> None:
        what = rows[0].name if len(rows) == 1 else f"{len(rows)} runs"
        answer = QMessageBox.question(
            self,
            "Delete runs",
            f"Move {what} to the trash?\n\nThe folder “{TRASH}” beside the runs keeps it; "
            "“trash” above the table shows it, to bring it back.",
            QMessageBox.StandardButton.Yes | QMessageBox.StandardButton.Cancel,
            QMessageBox.StandardButton.Cancel,
        )
        if answer == QMessageBox.StandardButton.Yes:
            self.delete_runs(rows)

    def delete_runs(self, rows: list[RunRow]) -> None:
        """Move runs to the trash, and read the table again."""
        moved: list[Path] = []
        try:
            # Those that were moved before one fails are told all the same.
            moved.extend(move_to_trash(row.run) for row in rows)
        except FilterscopeError as error:
            self.problem.emit(error.message, error.hint, "")
        if moved:
            many = f"{len(moved)} runs are" if len(moved) > 1 else f"{run_name(moved[0].name)} is"
            self.undo_offered.emit(
                f"{many} in the trash.", str(moved[0].parent), lambda: self._bring_back(moved)
            )
        self.refresh()

    def restore_runs(self, rows: list[RunRow]) -> None:
        """Move runs out of the trash again."""
        self._bring_back([row.path for row in rows])

    def _bring_back(self, paths: list[Path]) -> None:
        back: list[Path] = []
        try:
            back.extend(restore_from_trash(RunFolder.open(path)) for path in paths)
        except FilterscopeError as error:
            self.problem.emit(error.message, error.hint, "")
        if back:
            what = run_name(back[0].name) if len(back) == 1 else f"{len(back)} runs"
            self.told.emit(f"{what} {'is' if len(back) == 1 else 'are'} back among the runs.")
        self.refresh()
