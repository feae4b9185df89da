"""To go on with a run in the window: its data is opened in its lab, then its checkpoint is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QFileDialog

from app.core.branch import Branch, prepare_branch
from app.core.data.cifar import CIFAR10
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.errors import FilterscopeError
from app.core.learners.own_model import OwnModelLearner, let_go
from app.core.moved_data import is_missing, missing_words, move_data, was_folder
from app.core.one_training import Training
from app.core.opened_run import OpenedRun, open_run
from app.core.own_model.file import ModelFile, read_model_file
from app.core.rebuilt import keep_place
from app.core.resume import Continuation, can_go_on, check_resumable, prepare
from app.core.run_table import RunRow, read_rows
from app.core.runs import ModelInfo, RunFolder, SourceInfo
from app.ui.data_session import DataRequest
from app.ui.image_session import ImageRequest
from app.ui.labs.lab import Lab
from app.ui.loading_session import LoadingSession
from app.workers.task_worker import Task, TaskWorker

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["ResumeSession"]


class ResumeSession(QObject):
    """Goes on with one run at a time.

    Signals
    -------
    problem(str, str, str)
        Message, hint and, for a bug, the report.
    """

    problem = pyqtSignal(str, str, str)

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._run: RunFolder | None = None
        self._session: LoadingSession | None = None
        self._request: Any = None
        # What is done with the run when its data is open, in another thread, and then in this.
        self._job: Callable[[Any, int, Task], Any] | None = None
        self._then: Callable[[Lab, Any], None] | None = None
        self._worker: TaskWorker[Any] | None = None
        self._looking: TaskWorker[RunRow | None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a run is on its way."""
        return self._run is not None

    def cancel(self) -> None:
        """Give up what is under way."""
        self._leave_session()
        self._run = None
        for worker in (self._worker, self._looking):
            if worker is not None:
                worker.request_stop()

    # --- after a crash

    def offer_newest(self, report: str = "") -> None:
        """Offer to go on with the newest run, if it ended unexpectedly."""

        def job(task: Task) -> RunRow | None:
            rows = read_rows(cancel=task.cancelled)
            return rows[0] if rows and rows[0].state == "crashed" else None

        def ended() -> None:
            worker, self._looking = self._looking, None
            if worker is not None and worker.result is not None:
                self._offer(worker.result, report)

        self._looking = TaskWorker(job)
        self._looking.ended.connect(ended)
        self._window.runner.start(self._looking)

    def _offer(self, row: RunRow, report: str) -> None:
        if not can_go_on(row.run) or self._window.training.state.alive:
            return
        path = row.path
        self._window.notice.offer(
            f"A training ended unexpectedly: {row.data}, "
            f"epoch {int(row.epochs_done)} of {row.epochs}.",
            "It goes on exactly where it was; nothing that was recorded is lost.",
            "Go on",
            lambda: self.start(path),
            report,
        )

    # --- going on

    def start(self, path: Path) -> None:
        """Open the data of the run in `path`, and train on."""
        if self.busy:
            return
        try:
            run = RunFolder.open(path)
            check_resumable(run)
        except FilterscopeError as error:
            self.problem.emit(error.message, error.hint, "")
            return
        if self._is_busy(run):
            return
        if run.info.model is not None and not self._agreed(run.info.model):
            return

        def job(data: Any, threads: int, task: Task) -> Continuation:
            return prepare(
                run.path,
                data=data,
                threads=threads,
                cancel=task.cancelled,
                # Asked before anything was read.
                trust_code=run.info.model is not None,
            )

        self._begin(run, job, self._train_on)

    def open(self, path: Path, then: Callable[[Lab], None] | None = None) -> None:
        """Show the run in `path` in its lab, with its data, as it was left; nothing is trained.

        `then` is called when it is there.
        """
        if self.busy:
            return
        try:
            run = RunFolder.open(path)
        except FilterscopeError as error:
            self.problem.emit(error.message, error.hint, "")
            return
        lab = self._lab(run)
        seen = lab.training.training
        if seen is not None and seen.run is not None and seen.run.path == run.path:
            # It is there already, and may be in training.
            lab.began.emit()
            if then is not None:
                then(lab)
            return
        if self._is_busy(run):
            return

        def job(data: Any, threads: int, _task: Task) -> OpenedRun:
            return open_run(run.path, data, threads=threads)

        def show(lab: Lab, opened: OpenedRun) -> None:
            self._show(lab, opened)
            if then is not None:
                then(lab)

        self._begin(run, job, show)

    def branch(self, lab: Lab, path: Path, step: int, changes: dict[str, Any], epochs: int) -> None:
        """Train a child of the run in `path`, on the data that is seen in `lab`."""
        training = lab.training.training
        if self.busy or training is None:
            return
        data, threads = training.data, lab.training.threads

        def job(task: Task) -> Branch:
            return prepare_branch(
                path, step, changes, epochs=epochs, threads=threads, data=data,
                cancel=task.cancelled,
            )  # fmt: skip

        self._run = training.run
        self._then = self._train_branch
        self._work(job)

    def _is_busy(self, run: RunFolder) -> bool:
        """Return whether the run's lab trains something, and say so."""
        alive = self._lab(run).training.state.alive
        if alive:
            self.problem.emit("A network is being trained in that lab.", "Stop it first.", "")
        return alive

    def _begin(
        self,
        run: RunFolder,
        job: Callable[[Any, int, Task], Any],
        then: Callable[[Lab, Any], None],
    ) -> None:
        """Open the data of a run, do `job` with it in another thread, and `then` in this one."""
        if is_missing(run.info.source):
            self._offer_to_find(run, job, then)
            return
        self._run, self._job, self._then = run, job, then
        session = self._session = self._prepare_session(run)
        if session.request == self._request and self._data(run) is not None:
            self._on_open()
            return
        session.changed.connect(self._on_open)
        session.problem.connect(self._on_problem)
        session.fault.connect(self._leave)
        session.open(self._request)

    def _offer_to_find(
        self,
        run: RunFolder,
        job: Callable[[Any, int, Task], Any],
        then: Callable[[Lab, Any], None],
    ) -> None:
        """Say that a run's data is not where it was, and let the person show where it is."""
        source = run.info.source
        was = Path(source.path)

        def find() -> None:
            title, start = f"Where is {was.name}?", self._window.settings.last_folder
            if was_folder(source):
                found = QFileDialog.getExistingDirectory(self._window, title, start)
            else:
                found, _ = QFileDialog.getOpenFileName(self._window, title, start)
            if found and not self.busy and not self._is_busy(run):
                self._begin(move_data(run, Path(found)), job, then)

        self._window.notice.offer(
            missing_words(run),
            f"It was in {was.parent}. What you choose is checked against the run.",
            "Find it…",
            find,
        )

    def _agreed(self, info: ModelInfo) -> bool:
        """Ask whether the file that is the run's network may run."""
        try:
            model = read_model_file(f"{info.path}:{info.wanted}" if info.wanted else info.path)
        except FilterscopeError as error:
            self.problem.emit(error.message, error.hint, "")
            return False
        return self._window.convnet_lab.agreed_to_run(model)

    def _lab(self, run: RunFolder) -> Lab:
        window = self._window
        return window.convnet_lab if run.info.kind == "cnn" else window.autoencoder_lab

    def _data(self, run: RunFolder) -> Any:
        """Return what is open in the run's lab, if it is prepared as it was for the run."""
        data = self._lab(run).data
        prepared = getattr(data, "spec", None) or getattr(
            getattr(data, "fitted", None), "spec", None
        )
        return data if prepared == run.info.preprocess else None

    def _prepare_session(self, run: RunFolder) -> Any:
        """Ask for the run's own preparation, and say what is to be read."""
        window, info = self._window, run.info
        if info.kind == "cnn":
            lab = window.convnet_lab
            lab.session.spec = info.convnet[1]
            lab.panel.images_page.form.set_spec(info.convnet[1])
            self._request = _image_request(info.source)
            return lab.session
        window.data.preprocess = info.autoencoder[1]
        window.data_panel.form.set_spec(info.autoencoder[1])
        self._request = _patch_request(info.source)
        return window.data

    def _leave_session(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        for signal, slot in (
            (session.changed, self._on_open),
            (session.problem, self._on_problem),
            (session.fault, self._leave),
        ):
            try:
                signal.disconnect(slot)
            except TypeError:
                # It was open already, so nobody listens.
                continue

    def _leave(self, *_: object) -> None:
        self._leave_session()
        self._run = None

    def _on_problem(self, *_: object) -> None:
        # The window has said what it is.
        self._leave()

    def _on_open(self) -> None:
        run, session = self._run, self._session
        if run is None or session is None or session.request != self._request:  # type: ignore[attr-defined]
            return
        data = self._data(run)
        if data is None:
            return
        self._leave_session()
        try:
            keep_place(run, data)
        except FilterscopeError as error:
            self._run = None
            self.problem.emit(error.message, error.hint, "")
            return
        threads, job = self._lab(run).training.threads, self._job
        assert job is not None
        self._work(lambda task: job(data, threads, task))

    def _work(self, job: Callable[[Task], Any]) -> None:
        self._worker = TaskWorker(job)
        self._worker.ended.connect(self._on_prepared)
        self._window.runner.start(self._worker)

    def _on_prepared(self) -> None:
        worker, self._worker = self._worker, None
        run, self._run = self._run, None
        if worker is None or run is None:
            return
        if worker.bug:
            self.problem.emit("The run could not be opened.", "", worker.bug)
        elif worker.error is not None:
            self.problem.emit(*worker.error, "")
        elif worker.result is not None and self._then is not None:
            self._then(self._lab(run), worker.result)

    def _show(self, lab: Lab, opened: OpenedRun) -> None:
        info = opened.run.info
        training = Training(lab.training.recipe, opened.data, opened.spec, opened.history)
        training.learner, training.progress = opened.learner, opened.progress
        training.snapshot, training.ending = opened.snapshot, opened.ending
        training.run, training.parts = opened.run, opened.parts
        training.steps_per_epoch = max(info.steps_per_epoch, 1)
        training.total_steps = training.steps_per_epoch * opened.spec.epochs
        training.engine = info.engine
        if info.model is not None:
            # What it learned is shown; to train it on asks for consent first.
            own = info.model
            training.model = ModelFile(own.path, own.wanted, "", own.sha256)
        if info.kind == "cnn":
            self._window.convnet_lab.set_model(None)
        lab.began.emit()
        lab.show_past(training)
        on = [] if opened.learner is None else ["Continue trains it on, as a run of its own."]
        name = opened.run.name
        self._window.notice.tell("plain", f"{name}, as it was left.", "  ".join(on + opened.notes))

    def _train_branch(self, lab: Lab, branch: Branch) -> None:
        if self._started(lab, branch):
            words = f"A branch of {branch.parent.name}, from epoch {branch.origin.epoch:.3g} on."
            self._window.notice.tell("good", words, "  ".join(branch.notes))

    def _train_on(self, lab: Lab, going: Continuation) -> None:
        own = going.learner.model if isinstance(going.learner, OwnModelLearner) else None
        if going.run.info.kind == "cnn":
            self._window.convnet_lab.set_model(own)
        if not self._started(lab, going):
            return
        words = [f"Going on after step {going.progress.step}.", *going.notes]
        self._window.notice.tell("good", words[0], "  ".join(words[1:]))

    def _started(self, lab: Lab, going: Continuation | Branch) -> bool:
        """Begin to train; returns whether that could be."""
        lab.spec = going.spec
        lab.show_spec()
        lab.began.emit()
        try:
            lab.training.go_on(going)
        except FilterscopeError as error:
            let_go(going.learner)
            self.problem.emit(error.message, error.hint, "")
            return False
        lab.show_training(lab.training.training)
        return True


def _patch_request(source: SourceInfo) -> DataRequest:
    path = Path(source.path)
    if source.dataset.startswith("cut "):
        seed = source.dataset.rpartition(" ")[2]
        return DataRequest(
            path,
            cut_size=source.shape[1],
            cut_count=source.count,
            cut_seed=int(seed) if seed.isdecimal() else 0,
        )
    return DataRequest(path, source.dataset, source.layout, source.value_range)


def _image_request(source: SourceInfo) -> ImageRequest:
    if source.path == SYNTHETIC_NAME:
        return ImageRequest()
    if source.dataset and not source.dataset.startswith(CIFAR10):
        return ImageRequest(f"{source.path}::{source.dataset}")
    return ImageRequest(source.path)
