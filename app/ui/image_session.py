"""Which images with labels are open, and the work of reading and fitting them off this thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, pyqtSignal

from app.core.data.class_folders import NeedsSizeError
from app.core.data.download import download_cifar10
from app.core.data.image_preprocess import FittedImages, fit_images
from app.core.data.image_reader import CIFAR10_NAME, open_images
from app.core.data.images import LabelledImages
from app.core.data.pairs import NeedsPairError
from app.core.data.synthetic import SYNTHETIC_NAME, SYNTHETIC_TITLE
from app.core.data.weights_file import holds_weights
from app.core.errors import FilterscopeError
from app.core.specs import ImageSpec
from app.ui.loading_session import LoadingSession
from app.workers.task_worker import Task
from app.workers.thread import Runner

__all__ = ["ImageRequest", "ImageSession"]


@dataclass(frozen=True)
class ImageRequest:
    """What to read.

    `path` may be a name that `open_images` knows. With `download`, CIFAR-10 is fetched first if
    it is not there.
    """

    path: str = SYNTHETIC_NAME
    side: int = 0
    download: bool = False

    @property
    def name(self) -> str:
        """What the window calls it."""
        known = {SYNTHETIC_NAME: SYNTHETIC_TITLE, CIFAR10_NAME: "CIFAR-10"}
        return known.get(self.path) or Path(self.path.partition("::")[0]).name or self.path


@dataclass(frozen=True)
class _Loaded:
    request: ImageRequest
    images: LabelledImages
    fitted: FittedImages | None
    problem: tuple[str, str] | None


@dataclass(frozen=True)
class _Weights:
    """A file that was to be read holds weights."""

    path: str


@dataclass(frozen=True)
class _Unclear:
    """What must be known before images are read."""

    path: str
    question: NeedsSizeError | NeedsPairError


class ImageSession(LoadingSession):
    """The open images with labels, as they are and fitted.

    Signals
    -------
    weights_found(str)
        A file that was to be opened holds weights of a network instead.
    unclear(str, object)
        A path, and the error that says what must be known: a size, or which arrays are meant.
    """

    weights_found = pyqtSignal(str)
    unclear = pyqtSignal(str, object)

    def __init__(self, runner: Runner, parent: QObject | None = None) -> None:
        super().__init__(runner, parent)
        self.spec = ImageSpec()
        self.request: ImageRequest | None = None
        self.images: LabelledImages | None = None
        self.fitted: FittedImages | None = None

    def open_first(self) -> None:
        """Draw the images that need no file, unless others are open or on their way."""
        if self.images is None and not self.busy:
            self.open(ImageRequest())

    def set_spec(self, spec: ImageSpec) -> None:
        """Divide and normalise the open images another way."""
        if spec == self.spec and self.fitted is not None:
            return
        self.spec = spec
        self.prepare_again()

    def reading(self, request: ImageRequest) -> tuple[str, Callable[[Task], Any]]:
        """Read images, after a download where one is asked for."""
        spec = self.spec

        def job(task: Task) -> _Loaded | _Weights | _Unclear:
            return _load(request, spec, task)

        return f"{'Downloading' if request.download else 'Reading'} {request.name}", job

    def preparing(self) -> tuple[str, Callable[[Task], Any]] | None:
        """Divide and normalise what is open."""
        spec, images, current = self.spec, self.images, self.request
        if images is None or current is None:
            return None

        def job(task: Task) -> _Loaded:
            return _fit(current, images, spec)

        return "Normalising", job

    def asked(self, result: _Loaded | _Weights | _Unclear) -> bool:
        """Return whether there are no images yet; who wants the weights, or can answer, is told."""
        if isinstance(result, _Weights):
            self.weights_found.emit(result.path)
        elif isinstance(result, _Unclear):
            self.unclear.emit(result.path, result.question)
        return not isinstance(result, _Loaded)

    def keep(self, result: _Loaded) -> tuple[str, str] | None:
        """Take what was read."""
        self.request, self.images, self.fitted = result.request, result.images, result.fitted
        return result.problem


def _load(request: ImageRequest, spec: ImageSpec, task: Task) -> _Loaded | _Weights | _Unclear:
    if holds_weights(request.path):
        return _Weights(request.path)
    if request.download:
        download_cifar10(cancel=task.cancelled, progress=task.report)
    try:
        images = open_images(
            request.path, side=request.side, cancel=task.cancelled, progress=task.report
        )
    except (NeedsSizeError, NeedsPairError) as question:
        return _Unclear(request.path, question)
    return _fit(request, images, spec)


def _fit(request: ImageRequest, images: LabelledImages, spec: ImageSpec) -> _Loaded:
    try:
        return _Loaded(request, images, fit_images(images, spec), None)
    except FilterscopeError as error:
        # The images can be looked at all the same.
        return _Loaded(request, images, None, (error.message, error.hint))
