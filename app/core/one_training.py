"""Everything that belongs to one model, from its first weights to its last, and how it trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.core.branch import parent_info
from app.core.control import Control
from app.core.data.weights_file import WeightsFile
from app.core.events import Change, Checkpoint, Event, Failed, Finished, Snapshot
from app.core.first_learner import first_learner, note_beginning
from app.core.history import History
from app.core.learners import Learner
from app.core.learners.own_model import let_go
from app.core.own_model.file import ModelFile
from app.core.recipes import Recipe
from app.core.runs import ParentInfo, RunFolder
from app.core.specs import TrainingSpec
from app.core.specs.training import live_changes
from app.core.timeline import Part, parts_of
from app.core.training import Progress, train

__all__ = ["Training"]

MOST_EPOCHS = 1_000_000


@dataclass
class Training:
    """Everything that belongs to one model, from its first weights to its last."""

    recipe: Recipe
    data: Any
    spec: Any
    history: History
    snapshot: Snapshot | None = None
    learner: Learner | None = None
    progress: Progress = field(default_factory=Progress)
    steps_per_epoch: int = 1
    total_steps: int = 0
    engine: str = ""
    ending: Finished | Failed | None = None
    run: RunFolder | None = None
    # The run with those it came from: its past is read from there.
    parts: tuple[Part, ...] = ()
    # The file that its first weights are from, if they are from one.
    weights: WeightsFile | None = None
    # The person's own network, which takes the place of layers.
    model: ModelFile | None = None

    def continues(self, data: Any, spec: TrainingSpec, model: ModelFile | None = None) -> bool:
        """Whether the weights can be trained on with `spec` on `data`."""
        same = all(getattr(self.spec, name) == getattr(spec, name) for name in self.recipe.kept)
        same = same and self.model == model
        return same and self.data is data and self.learner is not None

    def move_to(self, spec: TrainingSpec) -> None:
        """Take other settings between two trainings; live ones are marked on the curves."""
        moved = live_changes(self.spec, spec)
        step = self.progress.step
        self.history.changes.extend((step, Change(n, old, new)) for n, (old, new) in moved.items())
        self.spec = spec

    def origin(self, spec: TrainingSpec) -> ParentInfo | None:
        """Return what a run that goes on from here with `spec` says of this one, if it is kept."""
        if self.run is None:
            return None
        epoch = self.progress.step / max(self.steps_per_epoch, 1)
        return parent_info(self.run, self.progress.step, epoch, self.spec, spec)

    def recorded_in(self, run: RunFolder) -> None:
        """Note that what comes now is recorded in `run`."""
        if self.run is None or self.run.path == run.path:
            self.parts = tuple(parts_of(run))
        else:
            *before, last = self.parts
            self.parts = (*before, replace(last, until=self.progress.step), Part(run))
        self.run = run

    @property
    def gives_way(self) -> bool:
        """Whether its steps wait for the interpreter while the window draws.

        The kernels compute without it, and an own network has one of its own.
        """
        return self.spec.engine == "torch" and self.model is None

    def epochs(self) -> np.ndarray:
        """Place of every recorded step on an axis in epochs."""
        return self.history.steps / max(self.steps_per_epoch, 1)

    def go_on(self, spec: TrainingSpec) -> tuple[TrainingSpec, ParentInfo | None]:
        """Be trained on with `spec`; where all its epochs are done, for as many again.

        Returns
        -------
        TrainingSpec
            The settings of what comes now.
        ParentInfo or None
            What a run that is recorded from here says of the one before, if that was kept.
        """
        if self.progress.epoch >= spec.epochs:
            spec = spec.changed(epochs=min(self.progress.epoch + spec.epochs, MOST_EPOCHS))
        origin = self.origin(spec)
        self.move_to(spec)
        return spec, origin

    def note_beginning(self) -> None:
        """Write into the run's folder where its first weights and its network are from.

        Raises
        ------
        StorageError
            The disk does not take it.
        """
        run, brought = self.run, None if self.progress.step else self.weights
        if run is not None and (brought is not None or self.model is not None):
            run.write_info(note_beginning(run.info, self.model, brought, self.learner))

    def events(self, control: Control, run_id: str, threads: int) -> Iterator[Event]:
        """Make the learner, unless there is one to go on with, and train.

        Yields
        ------
        Event
            Those of `app.core.training.train`.

        Raises
        ------
        FilterscopeError
            The learner cannot be made.
        """
        spec, recipe = self.spec, self.recipe
        if self.learner is None:
            self.learner = first_learner(
                recipe.make_learner,
                self.data,
                spec,
                threads,
                model=self.model,
                weights=self.weights,
                interrupt=control.interrupt,
            )
        self.note_beginning()
        try:
            for event in train(
                self.learner,
                spec,
                control,
                examples=recipe.examples(self.data, spec),
                order=recipe.order(self.data, spec),
                run_id=run_id,
                resume=self.progress,
            ):
                if isinstance(event, Checkpoint):
                    self.progress = Progress(event.step, event.epoch, event.steps_into_epoch)
                yield event
        finally:
            # Who asks an own network again starts its process anew.
            let_go(self.learner)
