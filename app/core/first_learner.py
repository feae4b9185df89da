"""A learner as a person asked for it: of layers or of an own file, with random weights or brought ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.weights_file import WeightsFile
from app.core.learners import Learner
from app.core.learners.own_model import OwnModelLearner, let_go
from app.core.own_model.file import ModelFile
from app.core.runs import ModelInfo, RunInfo
from app.core.weights_import import begin_with, weights_info

__all__ = ["first_learner", "note_beginning"]


def first_learner(
    make: Callable[[Any, Any, int], Learner],
    data: Any,
    spec: Any,
    threads: int,
    *,
    model: ModelFile | None = None,
    weights: WeightsFile | None = None,
    interrupt: NDArray[np.int32] | None = None,
) -> Learner:
    """Return a new learner with its first weights.

    Parameters
    ----------
    make : callable
        Makes one of `data`, `spec` and `threads` where there is no `model`.
    model : ModelFile, optional
        A person's own network; the person agreed that it is run.
    weights : WeightsFile, optional
        What it begins with instead of random weights.
    interrupt : ndarray, shape (1,), int32, optional
        See `Control.interrupt`: a stop ends an own network while it is built.

    Raises
    ------
    FilterscopeError
        It cannot be made, or the weights do not fit.
    """
    learner: Learner
    if model is not None:
        learner = OwnModelLearner(data, spec, model, threads=threads, interrupt=interrupt)
    else:
        learner = make(data, spec, threads)
    if weights is not None:
        try:
            begin_with(learner, weights)
        except BaseException:
            let_go(learner)
            raise
    return learner


def note_beginning(
    info: RunInfo, model: ModelFile | None, weights: WeightsFile | None, learner: Learner | None
) -> RunInfo:
    """Return what a run keeps of where its first weights and its network are from.

    Before there is a learner too: what is killed while it is built must not go on as another.
    """
    if weights is not None:
        info = info.changed(weights=weights_info(weights))
    if isinstance(learner, OwnModelLearner):
        info = info.changed(model=learner.info)
    elif model is not None:
        own = ModelInfo(path=model.path, name="", sha256=model.sha256, wanted=model.wanted)
        info = info.changed(model=own)
    return info
