"""One run of a study, trained in whichever process or machine it was sent to.

It is the training of `filterscope train`: same reader, same learner, same recorder, so that the
run is bit for bit the one that is trained alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from app import __version__
from app.core.control import Control
from app.core.data.cutting import cut_patches
from app.core.data.image_preprocess import FittedImages, fit_images
from app.core.data.image_reader import open_images
from app.core.data.patches import Patches
from app.core.data.preprocess import preprocess as fit_patches
from app.core.data.reader import open_patches
from app.core.data.sample import sample_path
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.errors import Cancelled, UsageError
from app.core.events import Evaluated, Event, Failed, Finished, Started, Steps
from app.core.nn.description import complete_layers
from app.core.params import Spec
from app.core.rebuilt import learner_of
from app.core.resume import check_resumable, prepare
from app.core.runs import Recorder, RunFolder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.specs.kinds import SPECS, Kind
from app.core.studies.folder import FINISHED, Member, StudyFolder
from app.core.studies.spec import Network, Preparation
from app.core.training import train
from app.core.waiting import Cancel

__all__ = ["Job", "Stage", "check_fits", "job_of", "perform"]

# How often a run says where it is.
SECONDS_BETWEEN_WORDS = 0.25

Tell = Callable[[dict[str, Any]], None]


class Job(Spec):
    """All that a process needs to know to train one run.

    `folder` is where the run is kept; `threads` how many compute; `data_sha256`, if not empty,
    what the data must be.
    """

    key: str
    kind: Kind
    spec: dict[str, Any]
    preprocess: dict[str, Any]
    data: str
    layout: str | None
    value_range: str | None
    folder: str
    run_id: str
    study: str
    threads: Annotated[int, Field(ge=1, le=4096)]
    data_sha256: str = ""
    version: str = __version__

    def specs(self) -> tuple[Network, Preparation]:
        """Return the settings, checked."""
        spec, preprocess = SPECS[self.kind]
        return spec.build(self.spec), preprocess.build(self.preprocess)  # type: ignore[return-value]


def job_of(study: StudyFolder, member: Member, threads: int) -> Job:
    """Return the job that trains a member of a study."""
    spec, preprocess = study.spec.member_specs(member.values, member.seed)
    return Job(
        key=f"{study.info.study_id} {member.number}",
        kind=study.spec.kind,
        spec=spec.model_dump(),
        preprocess=preprocess.model_dump(),
        data=study.spec.data,
        layout=study.spec.layout,
        value_range=study.spec.value_range,
        folder=str(study.run_path(member)),
        run_id=study.run_id(member),
        study=study.info.study_id,
        threads=threads,
        data_sha256=study.info.data_sha256,
    )


class Stage:
    """A process that trains one run after the other; data that was read last is kept."""

    def __init__(self) -> None:
        self._raw: tuple[Any, Any] = (None, None)
        self._fitted: tuple[Any, Any] = (None, None)

    def data(self, job: Job, cancel: Cancel | None = None) -> Patches | FittedImages:
        """Return the job's data, opened and prepared.

        Raises
        ------
        Cancelled
            `cancel` said so.
        FilterscopeError
            It cannot be opened, or is not what the study began with.
        """
        _, preprocess = job.specs()
        which = (job.kind, job.data, job.layout, job.value_range)
        if self._raw[0] != which:
            self._raw = self._fitted = (None, None)
            self._raw = (which, _opened(job, cancel))
        raw = self._raw[1]
        if job.data_sha256 and raw.source.sha256 != job.data_sha256:
            self._raw = self._fitted = (None, None)
            raise UsageError(
                f"{Path(raw.source.path).name} is not what it was when the study began.",
                "Begin a new study with it.",
            )
        if self._fitted[0] != (which, preprocess):
            self._fitted = (None, None)
            self._fitted = ((which, preprocess), _fit(raw, preprocess, cancel))
        fitted: Patches | FittedImages = self._fitted[1]
        return fitted


def perform(
    job: Job, tell: Tell, control: Control, *, stage: Stage | None = None
) -> dict[str, Any]:
    """Train a run to its end, or until `control` stops it; the run folder keeps it.

    One that was begun before goes on from its last checkpoint, with the same bits.

    Parameters
    ----------
    job : Job
    tell : callable
        Is told how far it is, a few times a second.
    control : Control
    stage : Stage, optional
        Keeps the data between jobs.

    Returns
    -------
    dict
        ``state`` as in `RunInfo.state`, ``message`` when it failed, ``data_sha256``.

    Raises
    ------
    FilterscopeError
        It cannot be trained, whoever tries.
    """
    if job.version != __version__:
        raise UsageError(
            f"This worker has Filterscope {__version__}, the study is of {job.version}.",
            "Install the same version everywhere.",
        )
    try:
        data = (stage or Stage()).data(job, lambda: control.stopping)
    except Cancelled:
        return {"state": "stopped", "message": "", "data_sha256": ""}
    path = Path(job.folder)
    run = _begun(path, job)
    if run is not None:
        if run.info.state in FINISHED:
            return {"state": run.info.state, "message": "", "data_sha256": _sha256(data)}
        try:
            check_resumable(run)
            going = prepare(path, threads=job.threads, data=data)
        except UsageError:
            if run.info.state == "running":
                raise
            # It was ended before its first checkpoint, or that is damaged: it begins again.
        else:
            events = going.events(control)
            return _follow(events, going.recorder(), tell, data, going.spec.epochs)
    spec, _ = job.specs()
    check_fits(data, spec)
    run = RunFolder.create(
        path.parent,
        kind=job.kind,
        run_id=job.run_id,
        spec=spec,
        preprocess=data.fitted.spec if isinstance(data, Patches) else data.spec,
        source=data.source if isinstance(data, Patches) else data.images.source,
        classes=() if isinstance(data, Patches) else data.classes,
        threads=job.threads,
        large=isinstance(data, Patches) and data.split(_held_out(spec))[0].large,
        path=path,
        study=job.study,
    )
    learner, order = learner_of(run.info, data, spec, job.threads)
    events = train(
        learner, spec, control, examples=order.count, order=order, run_id=run.info.run_id
    )
    return _follow(events, Recorder(run), tell, data, spec.epochs)


def _begun(path: Path, job: Job) -> RunFolder | None:
    """Return the run in a folder if it is this job's."""
    try:
        run = RunFolder.open(path)
    except UsageError:
        return None
    return run if run.info.run_id == job.run_id else None


def _opened(job: Job, cancel: Cancel | None) -> Any:
    if job.kind == "autoencoder":
        if job.data and Path(job.data).is_dir():
            return cut_patches(job.data, cancel=cancel)
        source = job.data or str(sample_path())
        return open_patches(source, layout=job.layout, value_range=job.value_range, cancel=cancel)
    return open_images(job.data or SYNTHETIC_NAME, cancel=cancel)


def _fit(raw: Any, preprocess: Preparation, cancel: Cancel | None) -> Patches | FittedImages:
    if isinstance(preprocess, PreprocessSpec):
        return fit_patches(raw, preprocess, cancel=cancel)
    return fit_images(raw, preprocess)


def _held_out(spec: Network) -> int:
    return spec.held_out if isinstance(spec, AutoencoderSpec) else 0


def _sha256(data: Patches | FittedImages) -> str:
    return (data.source if isinstance(data, Patches) else data.images.source).sha256


def check_fits(data: Patches | FittedImages, spec: Network) -> None:
    """Raise `UsageError` when these settings cannot be trained on this data."""
    if isinstance(spec, AutoencoderSpec):
        assert isinstance(data, Patches)
        if spec.decoder == "sigmoid" and not data.fits_sigmoid:
            low, high = data.value_range
            raise UsageError(
                "A sigmoid decoder cannot reach values outside 0 … 1, and these lie in "
                f"{low:.3g} … {high:.3g}.",
                "Set decoder=linear, or rescale=yes.",
            )
        if spec.held_out >= len(data.x):
            raise UsageError(f"All {len(data.x)} patches are held out; none is left to train on.")
        return
    assert isinstance(data, FittedImages)
    complete_layers(spec.rows, data.images.shape, len(data.classes))


def _follow(
    events: Iterator[Event],
    recorder: Recorder,
    tell: Tell,
    data: Patches | FittedImages,
    epochs: int,
) -> dict[str, Any]:
    """Record a training to its end; returns what `perform` does."""
    ended: dict[str, Any] = {"state": "failed", "message": "", "data_sha256": _sha256(data)}
    steps_per_epoch, said, accuracy = 1, 0.0, None
    try:
        for event in events:
            recorder.take(event)
            if isinstance(event, Started):
                steps_per_epoch = event.steps_per_epoch
            elif isinstance(event, Evaluated):
                accuracy = event.validation_accuracy
            elif isinstance(event, Steps) and time.monotonic() - said >= SECONDS_BETWEEN_WORDS:
                said = time.monotonic()
                cost = float(event.terms[-1].sum())
                tell(
                    {
                        "epoch": event.last_step / steps_per_epoch,
                        "epochs": epochs,
                        "cost": cost if math.isfinite(cost) else None,
                        "accuracy": accuracy,
                    }
                )
            elif isinstance(event, Finished):
                ended["state"] = event.reason
            elif isinstance(event, Failed):
                ended["state"] = event.kind
                ended["message"] = f"{event.message} {event.hint}".strip()
                if event.kind == "bug":
                    ended["report"] = event.traceback_text
    finally:
        recorder.close()
    return ended
