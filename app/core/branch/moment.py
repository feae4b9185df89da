"""A moment of a run that a child can go on from: all its weights are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError
from app.core.runs import RunFolder
from app.core.runs.checkpoint import SavedCheckpoint, checkpoint_files, read_checkpoint
from app.core.timeline import Timeline
from app.core.training import Progress

__all__ = ["Moment", "find_moment"]


@dataclass(frozen=True)
class Moment:
    """Where a run is left.

    Attributes
    ----------
    run : RunFolder
        The run or, of what came before it, the parent that recorded the moment.
    step : int
        Of that run.
    checkpoint : SavedCheckpoint or None
        Of that very step: with it the solver goes on with all that it remembered.
    weights : mapping
        By name, float32.
    notes : tuple of str
        What a person should know, a sentence each.
    """

    run: RunFolder
    step: int
    checkpoint: SavedCheckpoint | None
    weights: Mapping[str, NDArray[np.float32]] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> Progress:
        """How far the run was."""
        saved = self.checkpoint
        if saved is not None:
            return Progress(saved.step, saved.epoch, saved.steps_into_epoch)
        return Progress(self.step, *divmod(self.step, self._per_epoch))

    @property
    def epochs(self) -> float:
        """How many epochs the run had done, the begun one as a fraction."""
        return self.place.epoch + self.place.steps_into_epoch / self._per_epoch

    @property
    def _per_epoch(self) -> int:
        return max(self.run.info.steps_per_epoch, 1)


def find_moment(line: Timeline, step: int) -> Moment:
    """Return the last moment at or before `step` of which all weights are known.

    Raises
    ------
    UsageError
        There is none.
    """
    notes: list[str] = []
    saved = _checkpoints(line.run)
    frames = {at: line.run_at(at) for at in line.steps if at <= step}
    kept = {one.step: one for one in saved if one.step <= step}
    for at in sorted({*frames, *kept}, reverse=True):
        run = frames.get(at, line.run)
        exact = kept.get(at) if run is line.run else None
        if at in frames:
            try:
                snapshot = line.exactly(at)
            except UsageError as error:
                notes.append(f"Keyframe {at} cannot be used ({error.message.rstrip('.')}).")
                continue
            if line.is_whole(snapshot):
                return Moment(run, at, exact, dict(snapshot.weights), tuple(notes))
        if exact is not None:
            return Moment(run, at, exact, _of_checkpoint(run, exact), tuple(notes))
    whole = [at for at in line.steps[-1:] if at > step]
    hint = f"Step {whole[0]} is kept whole." if whole else "Train it anew."
    raise UsageError(
        f"No moment of {line.run.name} until step {step} is kept with all weights.", hint
    )


def _checkpoints(run: RunFolder) -> list[SavedCheckpoint]:
    found: list[SavedCheckpoint] = []
    for path in checkpoint_files(run.path):
        try:
            found.append(read_checkpoint(path))
        except UsageError:
            continue
    return found


def _of_checkpoint(run: RunFolder, saved: SavedCheckpoint) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a checkpoint by their names, as a keyframe has them."""
    try:
        values = [saved.state["theta"], saved.state.get("running", np.empty(0))]
        flat = np.concatenate(values).astype(np.float32)
        arrays, at = {}, 0
        for name, shape in run.shapes().items():
            size = int(np.prod(shape))
            arrays[name] = flat[at : at + size].reshape(shape)
            at += size
        if at != flat.size:
            raise ValueError("of another network")
    except (KeyError, ValueError):
        raise UsageError(f"Checkpoint {saved.step} is of another network.") from None
    return arrays
