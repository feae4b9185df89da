"""One run on the disk: made, and read as a stranger's."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from app.core.data.patches import Source
from app.core.errors import FilterscopeError, UsageError
from app.core.history import History
from app.core.nn.description import weight_shapes
from app.core.runs.checkpoint import SavedCheckpoint, checkpoint_files, read_checkpoint
from app.core.runs.files import (
    BEST,
    HISTORY,
    LABELS,
    MOST_HISTORY_BYTES,
    UNITS,
    folders_of,
    is_numbered,
    read,
)
from app.core.runs.info import (
    ModelInfo,
    RunInfo,
    SourceInfo,
    TestScore,
    WeightsInfo,
    git_state,
    now,
    versions,
)
from app.core.runs.keyframes import keyframe_files
from app.core.runs.log import parse_log, replay
from app.core.runs.names import run_name
from app.core.runs.room import check_room, room_need
from app.core.runs.statistics import UnitStatistics, parse_units
from app.core.runs.weights import read_normalisation, read_weights
from app.core.settings import read_json
from app.core.specs import ConvNetSpec, ImageSpec, PreprocessSpec, TrainingSpec
from app.core.specs.kinds import Kind
from app.core.storage import (
    explain,
    make_folder,
    remove_folder,
    save_bytes,
    sweep_parts,
    writable_problem,
)

__all__ = ["RunFolder"]


class RunFolder:
    """One run on the disk.

    Attributes
    ----------
    warning : str
        What a person should know before the training of a new run begins.
    """

    def __init__(self, path: Path, info: RunInfo) -> None:
        self.path = path
        self.info = info
        self.warning = ""

    @property
    def name(self) -> str:
        """What it is called where a person reads of it; see `run_name`."""
        return run_name(self.path.name)

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        kind: Kind,
        run_id: str,
        spec: TrainingSpec,
        preprocess: PreprocessSpec | ImageSpec,
        source: Source,
        threads: int,
        classes: tuple[str, ...] = (),
        large: bool = False,
        path: Path | None = None,
        study: str = "",
        weights: WeightsInfo | None = None,
        model: ModelInfo | None = None,
        began: int = 0,
    ) -> RunFolder:
        """Make the folder of a new run below `root`, or at `path`.

        `large` says that its rows are visited piece by piece, see `EpochOrder`; `weights` where
        the first weights come from, if from a file; `model` which program of the person's is its
        network; `began` how many steps its first weights have been trained already.

        Raises
        ------
        StorageError
            It cannot be written there, or there is no room; asked now, before hours of training.
        """
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = path or root / f"{stamp}-{kind}-{run_id[:6]}"
        info = RunInfo(
            run_id=run_id,
            kind=kind,
            spec=spec,
            preprocess=preprocess,
            source=SourceInfo.build(source.as_dict()),
            classes=classes,
            large=large,
            started=now(),
            threads=threads,
            versions=versions(),
            git=git_state(),
            pid=os.getpid(),
            pid_started=psutil.Process().create_time(),
            began=began,
            study=study,
            weights=weights,
            model=model,
        )
        run = cls(folder, info)
        run.warning = run.check_room()
        make_folder(folder, exist_ok=path is not None)
        try:
            run._furnish(root, clear=path is not None)
        except FilterscopeError:
            if path is None:
                # A folder in which there is no run would only be in the way.
                remove_folder(folder)
            raise
        return run

    def _furnish(self, root: Path, *, clear: bool) -> None:
        """Make what a new run's folder has; raises `StorageError`."""
        problem = writable_problem(self.path)
        if problem is not None:
            raise problem
        for name in ("keyframes", "checkpoints"):
            make_folder(self.path / name, exist_ok=True)
        if clear:
            _clear(self.path)
        for other in {self.path, *folders_of(root)}:
            for part in (other, other / "keyframes", other / "checkpoints"):
                sweep_parts(part)
        self.write_info(self.info)

    def check_room(self) -> str:
        """Return a sentence when all that the training will write may not fit on the disk.

        Raises
        ------
        DiskFullError
            Not even its checkpoints would fit.
        """
        try:
            shapes = self.shapes()
        except UsageError:
            # The network is impossible, and so is the training: that is said elsewhere.
            return ""
        return check_room(self.path, room_need(self.info.spec, shapes, self.info.source.count))

    def write_info(self, info: RunInfo) -> None:
        """Write ``run.json``."""
        self.info = info
        save_bytes(self.path / "run.json", info.to_json(), overwrite=True)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open the folder of a run; everything in it is checked as a stranger's.

        Raises
        ------
        UsageError
            It is not a run, or damaged, or of a newer version.
        """
        path = Path(path)
        data = read(path / "run.json", 1 << 20, f"{path.name} is not a run")
        try:
            values = read_json(data)
            values = values if isinstance(values, dict) else {}
            version = values.get("version")
            if isinstance(version, int) and version > 1:
                raise UsageError("It was written by a newer version of the program.")
            info = RunInfo.build(values)
        except FilterscopeError as error:
            raise UsageError(
                f"{path.name} is not a run that can be read: {error.message}"
            ) from None
        return cls(path, info)

    def read_history(self) -> tuple[History, str]:
        """Return all steps, and a sentence when the record is not whole.

        The last line of a run that is still written, or was killed, may be cut: that is no
        damage. A line before it that does not match its checksum is.
        """
        history = History(self.info.term_names)
        data = read(self.path / HISTORY, MOST_HISTORY_BYTES, "There is no history")
        note = ""
        for event in parse_log(data, live=self.info.state == "running"):
            if isinstance(event, str):
                note = event
                break
            replay(history, event)
        return history, note

    def read_statistics(self) -> tuple[dict[str, UnitStatistics], str]:
        """Return what was measured of units by name, and a sentence when the record is not whole.

        Raises
        ------
        UsageError
            There is no such record.
        """
        data = read(self.path / UNITS, MOST_HISTORY_BYTES, "There are no statistics")
        return parse_units(data, live=self.info.state == "running")

    def keyframes(self) -> list[tuple[int, Path]]:
        """Return the steps of the keyframes with their files, in order."""
        return keyframe_files(self.path)

    def read_checkpoint(self) -> tuple[SavedCheckpoint, str]:
        """Return the newest good checkpoint, and a note if it is not the newest.

        Raises
        ------
        UsageError
            There is none.
        """
        seen: list[Path] = []
        # While it trains, newer ones may take the place of all that were seen: it is looked again.
        while (files := checkpoint_files(self.path)) != seen:
            seen, note = files, ""
            for path in files:
                try:
                    return read_checkpoint(path), note
                except UsageError as error:
                    note = f"Checkpoint {int(path.stem)} cannot be used ({error.message}); the one before it is."
        raise UsageError(f"{self.name} has no checkpoint that can be read.")

    def read_weights(
        self, *, best: bool = False
    ) -> tuple[int, dict[str, NDArray[np.float32]], str]:
        """Return step and weights of the newest good keyframe, and a note if it is not the newest.

        With `best`, the weights that validation chose, where there are any. Of a large network
        only the last keyframe has all weights: the note says when they are of an earlier step.
        """
        note = ""
        if best and self.info.best is not None:
            try:
                return self.info.best.step, self._weights(self.path / BEST), note
            except UsageError as error:
                note = f"The best weights cannot be used ({error.message}); the last are."
        for step, path in reversed(self.keyframes()):
            try:
                return step, self._weights(path), note
            except UsageError as error:
                note = f"Keyframe {step} cannot be used ({error.message}); an earlier one is."
        raise UsageError(f"{self.name} has no weights that can be read.")

    def read_keyframe(self, path: Path) -> dict[str, NDArray[np.float32]]:
        """Return what a keyframe holds: of a large network, its small arrays."""
        return self._weights(path, whole=False)

    def read_normalisation(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the shift and the factor with which a convolutional network sees its images.

        They are kept with the best weights, and with each checkpoint.

        Raises
        ------
        UsageError
            There are none, or they are of other images.
        """
        checkpoints = (self.path / "checkpoints").glob("*.safetensors")
        kept = sorted((path for path in checkpoints if is_numbered(path)), reverse=True)
        found = read_normalisation([self.path / BEST, *kept], self.info.source.shape)
        if found is None:
            raise UsageError(f"{self.name} does not say how its images were normalised.")
        return found

    def _weights(self, path: Path, *, whole: bool = True) -> dict[str, NDArray[np.float32]]:
        info = self.info
        return read_weights(
            path, self.shapes(), model=info.model, image_shape=info.source.shape, whole=whole
        )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array of the run's network.

        Raises
        ------
        UsageError
            Its settings and its data make no network.
        """
        spec, model = self.info.spec, self.info.model
        if model is not None:
            return dict((*model.parameters, *model.averages))
        if isinstance(spec, ConvNetSpec):
            if not self.info.classes:
                raise UsageError(f"{self.name} names no classes, so it makes no network.")
            return weight_shapes(spec.rows, self.info.source.shape, len(self.info.classes))
        assert isinstance(self.info.preprocess, PreprocessSpec)
        channels, height, width = self.info.source.shape
        size = (1 if self.info.preprocess.grayscale else channels) * height * width
        units = spec.hidden_units
        return {"W1": (size, units), "b1": (units,), "W2": (units, size), "b2": (size,)}

    def mark_tested(self, step: int, accuracy: float, loss: float) -> TestScore:
        """Note that somebody looked at the test images; returns the first look, which counts.

        Raises
        ------
        StorageError
            It cannot be noted.
        """
        score = TestScore(step=step, accuracy=accuracy, loss=loss, when=now())
        self.write_info(self.info.changed(tested=(*self.info.tested, score)))
        return self.info.tested[0]


def _clear(folder: Path) -> None:
    """Remove the run that was in `folder`: its steps and weights are not the new one's.

    Only what a run writes is removed; a person's own files beside it stay.
    """
    old = [folder / name for name in ("run.json", HISTORY, UNITS, BEST, LABELS)]
    for name in ("keyframes", "checkpoints"):
        old.extend(path for path in (folder / name).glob("*.safetensors") if is_numbered(path))
    for path in old:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, path) from None
