"""A branch that is ready to begin."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.patches import Source
from app.core.events import Checkpoint, Event
from app.core.history import History
from app.core.learners import Learner
from app.core.memory import to_safetensors
from app.core.runs import ParentInfo, Recorder, RunFolder
from app.core.runs.checkpoint import checkpoint_bytes
from app.core.specs import TrainingSpec
from app.core.storage import save_bytes
from app.core.training import Progress, train

__all__ = ["Branch"]


@dataclass
class Branch:
    """A child that is ready to begin; nothing has been written yet.

    Attributes
    ----------
    parent : RunFolder
    run : RunFolder
        The parent, until `recorder` has made the child's own folder.
    step : int
        Of the parent: where it is left. The child's own first step comes after `progress`.
    history : History
        What the parent recorded until there, where the child's steps are as long.
    exact : bool
        Whether the solver goes on with all that it remembered.
    notes : list of str
        What a person should know, a sentence each.
    """

    parent: RunFolder
    run: RunFolder
    data: Any
    spec: TrainingSpec
    learner: Learner
    order: EpochOrder
    step: int
    progress: Progress
    history: History
    exact: bool
    notes: list[str]
    origin: ParentInfo
    path: Path | None
    threads: int
    _weights: Mapping[str, NDArray[np.float32]] = field(repr=False)

    def recorder(self) -> Recorder:
        """Make the child's folder, from which it could be resumed at once; return what writes it.

        Raises
        ------
        StorageError
            It cannot be made.
        """
        info = self.parent.info
        run = RunFolder.create(
            self.parent.path.parent,
            path=self.path,
            kind=info.kind,
            run_id=uuid.uuid4().hex,
            spec=self.spec,
            preprocess=info.preprocess,
            source=Source(**info.source.model_dump()),
            threads=self.threads,
            classes=info.classes,
            large=info.large,
        )
        at = self.progress
        run.write_info(
            run.info.changed(
                parent=self.origin.model_dump(),
                began=at.step,
                steps_per_epoch=self.learner.steps_per_epoch(self.spec),
            )
        )
        name = f"{at.step:09d}.safetensors"
        first = to_safetensors(self._weights, {"step": str(at.step)})
        save_bytes(run.path / "keyframes" / name, first, overwrite=True)
        saved = Checkpoint(
            run.info.run_id,
            at.step,
            at.epoch,
            at.steps_into_epoch,
            self.spec,
            self.learner.state(),
        )
        save_bytes(run.path / "checkpoints" / name, checkpoint_bytes(saved, 0.0), overwrite=True)
        self.run = run
        return Recorder(run)

    def events(self, control: Control) -> Iterator[Event]:
        """Train."""
        return train(
            self.learner,
            self.spec,
            control,
            examples=self.order.count,
            order=self.order,
            run_id=self.run.info.run_id,
            resume=self.progress,
        )
