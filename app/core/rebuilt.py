"""What a run learned from and what it trained, made again as its settings say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import FittedImages, fit_images
from app.core.data.image_reader import open_images_again
from app.core.data.patches import Patches, Source
from app.core.distributed import Group
from app.core.errors import UsageError
from app.core.learners import Learner, make_autoencoder_learner, make_convnet_learner
from app.core.learners.own_model import learner_of_run
from app.core.moved_data import check_place
from app.core.runs import RunFolder
from app.core.runs.info import RunInfo
from app.core.specs import TrainingSpec
from app.core.takeaway.contents import reopen
from app.core.threads import kernel_threads
from app.core.waiting import Cancel
from app.core.waiting import Progress as Report

__all__ = ["check_data", "keep_place", "known_state", "learner_of", "open_data"]


def known_state(run: RunFolder) -> Mapping[str, Any]:
    """Return how a run's images were normalised; nothing of patches, which say it themselves."""
    if run.info.kind == "autoencoder":
        return {}
    shift, factor = run.read_normalisation()
    return {"shift": shift, "factor": factor}


def open_data(
    run: RunFolder, state: Mapping[str, Any] | None, cancel: Cancel | None, progress: Report | None
) -> Patches | FittedImages:
    """Open the run's data again, normalised as `state`, of a checkpoint, says it was.

    Without one what the normalisation needs is measured again.
    """
    info = run.info
    check_place(run)
    if info.kind == "autoencoder":
        return reopen(run)
    source = Source(**info.source.model_dump())
    images = open_images_again(source, cancel=cancel, progress=progress)
    try:
        return fit_images(images, info.convnet[1], state)
    except (KeyError, ValueError):
        raise UsageError("Its checkpoint does not say how images were normalised.") from None


def check_data(
    info: RunInfo, data: Patches | FittedImages, state: Mapping[str, Any] | None
) -> None:
    """Raise `UsageError` when what is open is not what the run learned from."""
    then = Source(**info.source.model_dump())
    if isinstance(data, Patches):
        same = data.source == then and data.fitted.spec == info.preprocess
    else:
        same = data.images.source == then and data.spec == info.preprocess
        same = same and (
            state is None
            or all(
                np.array_equal(array, state.get(name, ())) for name, array in data.state().items()
            )
        )
    if not same:
        raise UsageError(f"{Path(then.path).name} is not what it was when the run was made.")


def keep_place(run: RunFolder, data: Patches | FittedImages) -> None:
    """Write down where a run's data was found, if it is elsewhere now.

    Parameters
    ----------
    run : RunFolder
        As `move_data` returns it.
    data : Patches or FittedImages
        What was read there.

    Raises
    ------
    UsageError
        It is not what the run learned from.
    StorageError
        The disk does not take it.
    """
    kept = RunFolder.open(run.path).info.source
    if kept.path != run.info.source.path:
        check_data(run.info, data, None)
        run.write_info(run.info)


def learner_of(
    info: RunInfo,
    data: Patches | FittedImages,
    spec: TrainingSpec,
    threads: int | None,
    group: Group | None = None,
    *,
    trust_code: bool = False,
) -> tuple[Learner, EpochOrder]:
    """Return a new network on the run's data, and the order of visiting."""
    threads = threads or kernel_threads(window=False)
    if isinstance(data, FittedImages):
        convnet = info.convnet[0].changed(epochs=spec.epochs)
        if info.model is not None:
            own = learner_of_run(info.model, data, convnet, threads, trust_code=trust_code)
            return own, EpochOrder(len(data.split.train), spec.seed)
        learner = make_convnet_learner(data, convnet, threads=threads, group=group)
        return learner, EpochOrder(len(data.split.train), spec.seed)
    autoencoder, _ = info.autoencoder
    if autoencoder.held_out >= len(data.x):
        raise UsageError("None of its patches is left to train on.")
    part, _ = data.split(autoencoder.held_out)
    order = EpochOrder(len(part.x), spec.seed, large=info.large)
    release = part.release_pages
    made = make_autoencoder_learner(part.x, autoencoder, threads=threads, release=release)
    return made, order
