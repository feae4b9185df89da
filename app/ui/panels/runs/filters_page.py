"""The page of filters: those of two runs at one moment, and which belongs to which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from app.core.compare.filters import Seen, look
from app.core.compare.groups import describe_runs
from app.core.export import columns_csv
from app.core.run_table import RunRow
from app.ui.panels.runs.pair_legend import COLOURS, PairLegend
from app.ui.widgets.card import ChoiceButton, ToggleButton, elided_label
from app.ui.widgets.in_reach import InReach
from app.ui.widgets.mosaic_view import MosaicView
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["FiltersPage"]

SCALES = {"own": "own scale", "common": "common scale", "diverging": "diverging"}
SCORE_MEANING = (
    "Stability: mean |r| of the pairs, which are chosen so that it is the greatest; r is Pearson’s "
    "correlation of two filters over their pixels. A filter and its negative are the same to a "
    "sigmoid unit; where there are ReLUs the sign counts. At epoch 0 it shows what chance gives."
)


class FiltersPage(QWidget):
    """Two grids with one slider for time. Paired, a filter and its twin stand in the same cell.

    A frame says how alike a pair is; pointing at one frames its twin and tells the correlation.
    """

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.setObjectName("filtersPage")
        self._runner = runner
        self._worker: TaskWorker[Seen] | None = None
        self._again = False
        self._rows: list[RunRow] = []
        self._read_for: list[RunRow] = []
        self.seen = Seen()
        self.problem = ""
        # Which unit stands in each cell.
        self.order: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * 2
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        grids = QHBoxLayout()
        grids.setSpacing(20)
        self.names: list[QLabel] = []
        self.grids: list[MosaicView] = []
        for number in range(2):
            column = QVBoxLayout()
            column.setSpacing(2)
            name = elided_label(f"filtersName{number}")
            name.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            grid = MosaicView(
                f"filtersOfRun{number}", self._describe(number), f"Filters of run {number + 1}"
            )
            grid.tile_hovered.connect(self._on_hover(number))
            grid.tile_clicked.connect(self._on_click(number))
            column.addWidget(name)
            column.addWidget(grid, 1)
            grids.addLayout(column, 1)
            self.names.append(name)
            self.grids.append(grid)
        layout.addLayout(grids, 1)
        bar = InReach()
        foot = QHBoxLayout(bar)
        foot.setContentsMargins(0, 0, 0, 0)
        foot.setSpacing(10)
        self.time = QSlider(Qt.Orientation.Horizontal)
        self.time.setObjectName("filtersTime")
        self.time.setAccessibleName("Moment of both runs")
        self.time.setToolTip("The same epoch of both runs, at the nearest weights that were kept")
        self.time.valueChanged.connect(self._on_time)
        self.moment = QLabel()
        self.moment.setObjectName("filtersMoment")
        self.moment.setProperty("quiet", True)
        self.moment.setMinimumWidth(84)
        self.score = elided_label("filtersScore")
        self.score.setProperty("meaning", SCORE_MEANING)
        foot.addWidget(self.time, 2)
        foot.addWidget(self.moment)
        foot.addWidget(self.score, 3)
        layout.addWidget(bar)
        self.legend = PairLegend()
        layout.addWidget(self.legend)
        self.scale = ChoiceButton(
            "runFilterScale", "How weights become grey levels", SCALES, self._on_scale
        )
        self.paired = ToggleButton(
            "filtersPaired", "paired", "Each filter of the second run where its twin of the first "
            "stands; off: each run in its own order", lambda _: self._show(),
        )  # fmt: skip
        self.paired.setChecked(True)
        self.tools: list[QWidget] = [self.paired, self.scale]
        self._epochs: NDArray[np.float64] = np.empty(0)
        self._show()

    # --- reading

    def show_rows(self, rows: list[RunRow]) -> None:
        """Show the filters of the first two of these runs."""
        self._rows = rows[:2]
        if self.isVisible() and self._read_for != self._rows:
            self._read()

    def showEvent(self, event: object) -> None:
        """Qt: it is read only when somebody looks."""
        super().showEvent(event)  # type: ignore[arg-type]
        if self._read_for != self._rows:
            self._read()

    @property
    def busy(self) -> bool:
        """Whether something is being read."""
        return self._worker is not None

    @property
    def current(self) -> bool:
        """Whether what is shown is of the chosen runs; it is read only when somebody looks."""
        return self._read_for == self._rows and not self.busy

    def cancel(self) -> None:
        """Give up what is under way."""
        self._again = False
        if self._worker is not None:
            self._worker.request_stop()

    def _read(self) -> None:
        if self._worker is not None:
            self._again = True
            return
        rows = list(self._rows)
        folders = [row.path for row in rows]
        epoch = self._epoch()
        known = {run.run.path: run for run in self.seen.runs} if self._read_for == rows else {}

        def job(task: Task) -> Seen:
            return look(folders, known, epoch, task.cancelled)

        self._read_for = rows
        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_read)
        self._runner.start(self._worker)

    def _on_read(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if self._again:
            self._again = False
            self._read()
            return
        if worker.result is not None:
            self.seen = worker.result
        else:
            text = " ".join(worker.error) if worker.error else worker.bug
            self.seen = Seen(problem=text)
        self._set_time()
        self._show()

    def _epoch(self) -> float | None:
        """Return the moment of the slider; None at its end, which is the newest of each run."""
        place = self.time.value()
        return None if place >= len(self._epochs) - 1 else float(self._epochs[place])

    def _set_time(self) -> None:
        """Let the slider stop at every moment at which some of the runs has weights."""
        every = self.seen.epochs
        at_end = self.time.value() >= len(self._epochs) - 1
        now = self._epoch()
        self._epochs = every
        self.time.blockSignals(True)
        self.time.setRange(0, max(len(every) - 1, 0))
        at = len(every) - 1 if at_end or now is None else int(np.searchsorted(every, now))
        self.time.setValue(max(at, 0))
        self.time.setEnabled(len(every) > 1)
        self.time.blockSignals(False)

    def _on_time(self, _place: int) -> None:
        self._read()

    # --- showing

    def _on_scale(self, scale: str) -> None:
        for grid in self.grids:
            grid.set_scale(scale)

    def _show(self) -> None:
        seen = self.seen
        pair = seen.pair
        # Without pairs each run is in its own order.
        self.paired.setEnabled(pair is not None)
        names = self._called()
        for number, grid in enumerate(self.grids):
            grid.select(None)
            grid.tag(None)
            if number >= len(seen.shown):
                grid.set_tiles(None)
                grid.set_frames({})
                grid.dim(())
                grid.empty_text = self._why_empty(number)
                grid.update()
                self.names[number].setText("")
                continue
            shown = seen.shown[number]
            order = self.order[number] = seen.order(number, paired=self.paired.isChecked())
            grid.set_tiles(shown.tiles[order])
            grades = {} if pair is None else pair.matching.grades(of_second=bool(number))
            cells = {cell: grades[unit] for cell, unit in enumerate(order.tolist()) if grades}
            grid.set_frames({cell: COLOURS[grade] for cell, grade in cells.items()})
            grid.dim(cell for cell, grade in cells.items() if grade == "alone")
            words = f"epoch {shown.epoch:.4g} (step {shown.step})"
            self.names[number].setText(f"{names[number]}   {words}")
        self._show_score()

    def _called(self) -> list[str]:
        """Return the name of each run, and before it what it was told that the other was not."""
        runs = [one.run for one in self.seen.runs]
        told = describe_runs([run.info for run in runs], [run.name for run in runs])
        return [
            words if run.name in words else f"{words} · {run.name}"
            for words, run in zip(told, runs, strict=True)
        ]

    def _why_empty(self, number: int) -> str:
        if self.seen.problem:
            return self.seen.problem if number == len(self.seen.shown) else ""
        if not self._rows:
            return "Choose two runs" if number == 0 else ""
        return "Choose a second run to compare with" if number == 1 else ""

    def _show_score(self) -> None:
        seen = self.seen
        epochs = [shown.epoch for shown in seen.shown]
        self.moment.setText(f"epoch {max(epochs):.4g}" if epochs else "")
        if seen.pair is None:
            self.legend.show_counts(None, sign_matters=False)
            self.score.setText(seen.problem if len(seen.shown) == 2 else "")
            return
        found = seen.pair.matching
        counts = Counter(found.grades().values())
        counts["alone"] += len(found.only_second)
        self.legend.show_counts(counts, sign_matters=found.sign_matters)
        sign = "r" if found.sign_matters else "|r|"
        self.score.setText(
            f"stability {found.stability:.3f}: mean {sign}; 1 is the same filters, epoch 0 is chance"
        )

    # --- one filter and its twin

    def twin(self, number: int, cell: int) -> tuple[int, int, float] | None:
        """Return unit, its twin's unit and their correlation for a cell of one grid."""
        pair = self.seen.pair
        if pair is None or not 0 <= cell < len(self.order[number]):
            return None
        unit = int(self.order[number][cell])
        found = pair.matching.twin(unit, of_second=bool(number))
        return None if found is None else (unit, *found)

    def _describe(self, number: int) -> Callable[[int], str]:
        def describe(cell: int) -> str:
            if not 0 <= cell < len(self.order[number]):
                return ""
            unit = int(self.order[number][cell])
            found = self.twin(number, cell)
            if found is None:
                lonely = self.seen.pair is not None
                return f"Unit {unit}" + (", without a twin" if lonely else "")
            _, other, r = found
            sign = "\nOne is the negative of the other." if r < 0 else ""
            return (
                f"Unit {unit}; its twin is unit {other} of the other run, r {r:.3f}{sign}".replace(
                    "-", "−"
                )
            )

        return describe

    def _on_hover(self, number: int) -> Callable[[int], None]:
        def hovered(cell: int) -> None:
            mine_grid, other = self.grids[number], self.grids[1 - number]
            found = self.twin(number, cell)
            if found is None:
                other.select(None)
                for grid in self.grids:
                    grid.tag(None)
                self._show_score()
                return
            unit, twin, r = found
            (cells,) = np.nonzero(self.order[1 - number] == twin)
            there = int(cells[0]) if len(cells) else None
            other.select(there)
            # Where the eye is, in both grids.
            said = f"r {r:.2f}".replace("-", "−")
            mine_grid.tag(cell, said)
            other.tag(there, said)
            mine, theirs = (twin, unit) if number else (unit, twin)
            self.score.setText(f"unit {mine} and unit {theirs}:  r {r:.3f}".replace("-", "−"))

        return hovered

    def _on_click(self, number: int) -> Callable[[int], None]:
        hover = self._on_hover(number)

        def clicked(cell: int) -> None:
            # The arrow keys come here too.
            hover(cell)

        return clicked

    # --- to take away

    def pairs_csv(self) -> bytes:
        """Return the pairs as a table: unit, its twin, correlation."""
        assert self.seen.pair is not None
        found = self.seen.pair.matching
        return columns_csv(
            {"first": found.first, "second": found.second, "correlation": found.correlation}
        )
