"""Which data is open, and the work of reading and preprocessing it off the window's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from app.core.data import preprocess as preprocessing
from app.core.data import reader
from app.core.data.cutting import cut_patches
from app.core.data.health import Health, examine
from app.core.data.patches import Patches, RawPatches
from app.core.data.reader import FileReport
from app.core.errors import FilterscopeError
from app.core.specs import PreprocessSpec
from app.ui.loading_session import LoadingSession
from app.workers.task_worker import Task
from app.workers.thread import Runner

__all__ = ["DataRequest", "DataSession"]


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


@dataclass(frozen=True)
class _Choice:
    """A file in which several data sets could be meant."""

    report: FileReport


class DataSession(LoadingSession):
    """The open patches, raw and preprocessed.

    Signals
    -------
    choice_needed(object)
        The `FileReport` of a file in which several data sets could be meant.
    """

    choice_needed = pyqtSignal(object)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(runner, parent)
        self.preprocess = PreprocessSpec()
        self.request: DataRequest | None = None
        self.report: FileReport | None = None
        self.raw: RawPatches | None = None
        self.health: Health | None = None
        self.patches: Patches | None = None
        # Why the raw data could not be preprocessed as asked, if so.
        self.refusal: tuple[str, str] | None = None

    def set_preprocess(self, spec: PreprocessSpec) -> None:
        """Preprocess the open data another way."""
        if spec == self.preprocess and self.refusal is None:
            return
        self.preprocess = spec
        self.prepare_again()

    def reading(self, request: DataRequest) -> tuple[str, Callable[[Task], Any]]:
        """Read a file, or cut a folder of photographs."""
        spec = self.preprocess

        def job(task: Task) -> _Loaded | _Choice:
            try:
                return _load(request, spec, task)
            except reader.NeedsChoiceError as error:
                return _Choice(error.report)

        return f"Reading {request.name}", job

    def preparing(self) -> tuple[str, Callable[[Task], Any]] | None:
        """Preprocess what is open."""
        spec, raw, health = self.preprocess, self.raw, self.health
        report, current = self.report, self.request
        if raw is None or health is None or current is None:
            return None

        def job(task: Task) -> _Loaded:
            return _prepare(current, report, raw, health, spec, task)

        return "Preprocessing", job

    def asked(self, result: _Loaded | _Choice) -> bool:
        """Ask which data set is meant, if that is the question."""
        if isinstance(result, _Choice):
            self.choice_needed.emit(result.report)
        return isinstance(result, _Choice)

    def keep(self, result: _Loaded) -> tuple[str, str] | None:
        """Take what was read."""
        self.request, self.report = result.request, result.report
        self.raw, self.health = result.raw, result.health
        self.patches, self.refusal = result.patches, result.problem
        return result.problem


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
        patches = preprocessing.preprocess(raw, spec, cancel=task.cancelled, progress=task.report)
    except FilterscopeError as error:
        if task.cancelled():
            raise
        # The raw patches can be looked at all the same, to see what is wrong with them.
        problem = (error.message, error.hint)
        return _Loaded(request, report, raw, health, None, problem)
    if not spec.rescale:
        # Here, off the window's thread, since a large file has many values.
        _ = patches.value_range
    return _Loaded(request, report, raw, health, patches, None)
