"""A short training that a check makes: by the trainer everybody uses, without window or folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import FittedImages
from app.core.errors import FilterscopeError
from app.core.events import Evaluated, Failed, Steps
from app.core.learners import ConvNetLearner
from app.core.specs import ConvNetSpec
from app.core.training import train

__all__ = ["Trained", "few_images", "train_briefly"]

Between = Callable[[str, float], None]


@dataclass(frozen=True)
class Trained:
    """What came of a short training.

    Attributes
    ----------
    first_loss, last_loss : float
        Mean loss of the first and of the last mini-batch, without L2.
    train_accuracy : float
        Over at most 1000 of the training images, at the end.
    validation_accuracy : float or None
    learner : ConvNetLearner
    """

    first_loss: float
    last_loss: float
    train_accuracy: float
    validation_accuracy: float | None
    learner: ConvNetLearner


def few_images(
    data: FittedImages,
    train_count: int,
    validation_count: int | None = None,
    *,
    augment: bool = True,
) -> FittedImages:
    """Return the same images, of which only the first of each part are used.

    Without `augment` they are neither mirrored nor shifted.
    """
    split = replace(
        data.split,
        train=data.split.train[:train_count],
        validation=data.split.validation[:validation_count],
    )
    spec = data.spec if augment else data.spec.changed(flip=False, crop=0)
    return replace(data, split=split, spec=spec)


def train_briefly(
    data: FittedImages,
    spec: ConvNetSpec,
    say: Between,
    *,
    enough: float = 2.0,
    engine: str | None = None,
) -> Trained:
    """Train to the last epoch, or until the training accuracy is `enough`.

    Parameters
    ----------
    say : callable
        Told the last loss and the share that is done; what it raises ends the training.

    Raises
    ------
    FilterscopeError
        The loss became no finite number, or the training cannot be made.
    """
    learner = ConvNetLearner(data, spec, engine=engine)
    count = len(data.split.train)
    control = Control()
    total = max(1, learner.steps_per_epoch(spec) * spec.epochs)
    losses: list[NDArray[np.float64]] = []
    last: Evaluated | None = None
    events = train(
        learner,
        spec,
        control,
        examples=count,
        order=EpochOrder(count, spec.seed),
        run_id="check",
        snapshot_seconds=np.inf,
        checkpoint_seconds=np.inf,
    )
    for event in events:
        if isinstance(event, Steps):
            losses.append(event.terms[:, 0])
            say(f"loss {event.terms[-1, 0]:.3f}", event.last_step / total)
        elif isinstance(event, Evaluated):
            last = event
            if event.train_accuracy >= enough:
                control.stop()
        elif isinstance(event, Failed):
            raise FilterscopeError(event.message, event.hint)
    assert last is not None
    seen = np.concatenate(losses)
    return Trained(
        float(seen[0]), float(seen[-1]), last.train_accuracy, last.validation_accuracy, learner
    )
