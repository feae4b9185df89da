"""Which data is open, and the work of reading and preprocessing it off the window's thread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app.core.data import preprocess as preprocessing
from app.core.data import reader
from app.core.data.cutting import cut_patches
from app.core.data.health import Health, examine
from app.core.data.patches import Patches, RawPatches
from app.core.data.reader import FileReport
from app.core.errors import FilterscopeError
from app.core.specs import PreprocessSpec
from app.workers.task_worker import Task, TaskWorker
from app.workers.thread import Runner

__all__ = ["DataRequest", "DataSession"]

# How often a waiting window asks a job how far it is.
PROGRESS_MILLISECONDS = 100


@dataclass(frozen=True)
class DataRequest:
    """What to read: a file with the person's choices in it, or photographs to cut."""

    path: Path
    dataset: str | None = None
    layout: str | None = None
    value_range: str | None = None
    cut_size: int | None = None
    cut_count: int = 10_000
    cut_seed: int = 0

    @property
    def name(self) -> str:
        """What the window calls it."""
        return self.path.name or str(self.path)


@dataclass(frozen=True)
class _Loaded:
    request: DataRequest
    report: FileReport | None
    raw: RawPatches
    health: Health
    patches: Patches | None
    problem: tuple[str, str] | None


class DataSession(QObject):
    """The open patches, raw and preprocessed.

    A newer request replaces one under way; what comes back late is dropped. A file that is
    refused leaves what was open as it was.

    Signals
    -------
    changed()
        Other data, or the same data preprocessed anew.
    working(str)
        What is being done; empty when nothing is.
    progressed(float)
        Share of the work that is done.
    problem(str, str)
        Why something could not be opened or preprocessed, and what to do.
    choice_needed(object)
        The `FileReport` of a file in which several data sets could be meant.
    """

    changed = pyqtSignal()
    working = pyqtSignal(str)
    progressed = pyqtSignal(float)
    problem = pyqtSignal(str, str)
    choice_needed = pyqtSignal(object)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.preprocess = PreprocessSpec()
        self.request: DataRequest | None = None
        self.report: FileReport | None = None
        self.raw: RawPatches | None = None
        self.health: Health | None = None
        self.patches: Patches | None = None
        # Why the raw data could not be preprocessed as asked, if so.
        self.refusal: tuple[str, str] | None = None
        self._runner = runner
        self._worker: TaskWorker[_Loaded] | None = None
        self._next: DataRequest | None = None
        self._again = False
        self._progress = QTimer(self)
        self._progress.setInterval(PROGRESS_MILLISECONDS)
        self._progress.timeout.connect(self._on_progress)

    @property
    def busy(self) -> bool:
        """Whether something is being read or preprocessed."""
        return self._worker is not None

    def open(self, request: DataRequest) -> None:
        """Read a file, or cut a folder of photographs, in the background."""
        self._next = request
        if self._worker is not None:
            self._worker.request_stop()
        else:
            self._start()

    def set_preprocess(self, spec: PreprocessSpec) -> None:
        """Preprocess the open data another way."""
        if spec == self.preprocess and self.refusal is None:
            return
        self.preprocess = spec
        self._again = True
        if self._worker is None:
            self._start()

    def cancel(self) -> None:
        """Give up what is under way."""
        self._next, self._again = None, False
        if self._worker is not None:
            self._worker.request_stop()

    def _start(self) -> None:
        request, self._next = self._next, None
        self._again = False
        spec, raw, health = self.preprocess, self.raw, self.health
        report, current = self.report, self.request
        if request is not None:

            def job(task: Task) -> _Loaded:
                return _load(request, spec, task)

            self.working.emit(f"Reading {request.name}")
        elif raw is not None and health is not None and current is not None:

            def job(task: Task) -> _Loaded:
                return _prepare(current, report, raw, health, spec, task)

            self.working.emit("Preprocessing")
        else:
            return
        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_ended)
        self._runner.start(self._worker)
        self._progress.start()

    def _on_progress(self) -> None:
        if self._worker is not None:
            self.progressed.emit(self._worker.task.progress[0])

    def _on_ended(self) -> None:
        worker, self._worker = self._worker, None
        self._progress.stop()
        if worker is None:
            return
        if self._next is not None or self._again:
            if worker.result is not None and self._next is None:
                # The file was read while a switch was moved: keep the file.
                self._keep(worker.result)
            self._start()
            return
        self.working.emit("")
        if worker.result is not None:
            self._keep(worker.result)
            self.changed.emit()
            if self.refusal is not None:
                self.problem.emit(*self.refusal)
        elif worker.error is not None:
            self.problem.emit(*worker.error)
        elif worker.bug:
            self.problem.emit("Opening this ended with a fault in the program.", worker.bug)

    def _keep(self, loaded: _Loaded) -> None:
        self.request, self.report = loaded.request, loaded.report
        self.raw, self.health = loaded.raw, loaded.health
        self.patches, self.refusal = loaded.patches, loaded.problem


def _load(request: DataRequest, spec: PreprocessSpec, task: Task) -> _Loaded:
    report = None
    if request.cut_size is not None:
        raw = cut_patches(
            request.path,
            size=request.cut_size,
            count=request.cut_count,
            seed=request.cut_seed,
            cancel=task.cancelled,
            progress=task.report,
        )
    else:
        report = reader.inspect(request.path)
        raw = reader.open_patches(
            request.path,
            dataset=request.dataset,
            layout=request.layout,
            value_range=request.value_range,
            cancel=task.cancelled,
            progress=task.report,
        )
    health = examine(raw, cancel=task.cancelled)
    return _prepare(request, report, raw, health, spec, task)


def _prepare(
    request: DataRequest,
    report: FileReport | None,
    raw: RawPatches,
    health: Health,
    spec: PreprocessSpec,
    task: Task,
) -> _Loaded:
    try:
        patches = preprocessing.preprocess(
            raw, spec, cancel=task.cancelled, progress=task.report
        )
    except FilterscopeError as error:
        if task.cancelled():
            raise
        # The raw patches can be looked at all the same, to see what is wrong with them.
        problem = (error.message, error.hint)
        return _Loaded(request, report, raw, health, None, problem)
    return _Loaded(request, report, raw, health, patches, None)
