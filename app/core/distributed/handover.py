"""How a run goes on in several processes: rank 0 reads its folder, and tells the others all."""

from __future__ import annotations

from dataclasses import dataclass

import safetensors.numpy

from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images_again
from app.core.data.patches import Source
from app.core.distributed.group import Group
from app.core.learners import Learner
from app.core.memory import to_safetensors
from app.core.rebuilt import learner_of
from app.core.resume import Continuation
from app.core.runs import RunInfo
from app.core.settings import read_json
from app.core.specs import TrainingSpec
from app.core.training import Progress

__all__ = ["Handover", "hand_over", "take_up"]

MOST_HEADER_BYTES = 1 << 20


@dataclass
class Handover:
    """What a process that neither reads nor writes the run's folder trains on with."""

    learner: Learner
    spec: TrainingSpec
    order: EpochOrder
    progress: Progress


def hand_over(group: Group, going: Continuation) -> None:
    """Tell the others where a run stands; for rank 0, while they `take_up`."""
    place = going.progress
    group.bytes_of_first(
        to_safetensors(
            going.learner.state(),
            {
                "info": going.run.info.to_json().decode(),
                "spec": going.spec.to_json().decode(),
                "step": str(place.step),
                "epoch": str(place.epoch),
                "steps_into_epoch": str(place.steps_into_epoch),
            },
        )
    )


def take_up(group: Group, threads: int) -> Handover:
    """Return what rank 0 hands over, on this host's copy of the images.

    Raises
    ------
    FilterscopeError
        The images are not here, or are others.
    """
    parcel = group.bytes_of_first()
    state = safetensors.numpy.load(parcel)
    size = int.from_bytes(parcel[:8], "little")
    said = read_json(parcel[8 : 8 + size], MOST_HEADER_BYTES)["__metadata__"]
    info = RunInfo.build(read_json(said["info"].encode()))
    spec = type(info.spec).build(read_json(said["spec"].encode()))
    images = open_images_again(Source(**info.source.model_dump()))
    data = fit_images(images, info.convnet[1], state)
    learner, order = learner_of(info, data, spec, threads, group)
    learner.restore(state)
    place = Progress(*(int(said[name]) for name in ("step", "epoch", "steps_into_epoch")))
    return Handover(learner, spec, order, place)
