"""The runs of a race, made only when all of them have room."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.core.data.image_preprocess import FittedImages
from app.core.data.patches import Patches
from app.core.errors import FilterscopeError
from app.core.learners.autoencoder import COPIES
from app.core.learners.need import need_of
from app.core.memory import Need, enough_for, enough_memory
from app.core.models.autoencoder import parameter_count
from app.core.nn.description import weight_shapes
from app.core.race.entry import Settings, check_race, names_of
from app.core.race.lockstep import Racer
from app.core.rebuilt import learner_of
from app.core.runs import RunFolder
from app.core.runs.labels import RunLabels, write_labels
from app.core.runs.room import RoomNeed, check_room, room_need
from app.core.specs import AutoencoderSpec, ConvNetSpec
from app.core.storage import remove_folder
from app.core.studies.job import check_fits

__all__ = ["line_up", "new_ids", "tag_of"]


def new_ids(count: int) -> list[str]:
    """Return so many new names of runs."""
    return [uuid.uuid4().hex for _ in range(count)]


def tag_of(run_ids: Sequence[str]) -> str:
    """Return the tag by which the runs of a race are found together."""
    return f"race {run_ids[0][:6]}"


def line_up(
    data: Patches | FittedImages,
    specs: Sequence[Settings],
    *,
    root: Path,
    threads: int,
    run_ids: Sequence[str] | None = None,
) -> list[Racer]:
    """Return the racers with their run folders below `root`, which share a tag.

    Raises
    ------
    FilterscopeError
        They cannot race, or there is no room for all of them, in memory or on the disk.
    """
    check_race(specs)
    for spec in specs:
        check_fits(data, spec)
    _check_memory(data, specs)
    run_ids = run_ids or new_ids(len(specs))
    warning = check_room(root, _room(data, specs), "This race")
    labels = RunLabels(tags=(tag_of(run_ids),))
    runs: list[RunFolder] = []
    try:
        for spec, run_id in zip(specs, run_ids, strict=True):
            runs.append(_run(data, spec, root, threads, run_id))
            write_labels(runs[-1].path, labels)
            # What is said of all of them is said once.
            runs[-1].warning = "" if len(runs) > 1 else warning
    except FilterscopeError:
        # None of them trains: the folders of those that could be made say nothing.
        for run in runs:
            remove_folder(run.path)
        raise
    return [
        Racer(name, run, spec, partial(learner_of, run.info, data, spec, threads))
        for name, run, spec in zip(names_of(specs), runs, specs, strict=True)
    ]


def _run(
    data: Patches | FittedImages, spec: Settings, root: Path, threads: int, run_id: str
) -> RunFolder:
    more: dict[str, Any]
    if isinstance(data, Patches):
        assert isinstance(spec, AutoencoderSpec)
        more = {
            "kind": "autoencoder",
            "preprocess": data.fitted.spec,
            "source": data.source,
            "large": data.split(spec.held_out)[0].large,
        }
    else:
        more = {
            "kind": "cnn",
            "preprocess": data.spec,
            "source": data.images.source,
            "classes": data.classes,
        }
    return RunFolder.create(root, run_id=run_id, spec=spec, threads=threads, **more)


def _room(data: Patches | FittedImages, specs: Sequence[Settings]) -> RoomNeed:
    """Return what all of them will write."""
    needs = []
    for spec in specs:
        if isinstance(spec, ConvNetSpec):
            assert isinstance(data, FittedImages)
            shapes = weight_shapes(spec.rows, data.images.shape, len(data.classes))
            examples = len(data.split.train)
        else:
            assert isinstance(data, Patches)
            shapes = {"all": (parameter_count(data.x.shape[1], spec.hidden_units),)}
            examples = len(data.x) - spec.held_out
        needs.append(room_need(spec, shapes, examples))
    return RoomNeed(sum(need.least for need in needs), sum(need.likely for need in needs))


def _check_memory(data: Patches | FittedImages, specs: Sequence[Settings]) -> None:
    """Raise `FilterscopeError` when there is no room for all of them at once."""
    what, hint = f"These {len(specs)} networks", "Race fewer, or smaller networks."
    if isinstance(data, FittedImages):
        here = [spec for spec in specs if isinstance(spec, ConvNetSpec) and spec.engine != "torch"]
        needs = [need_of(data, spec) for spec in here]
        if needs:
            total = Need(sum(n.weights for n in needs), sum(n.each for n in needs), needs[0].batch)
            enough_for(total, what, "images", hint)
        return
    size = sum(
        parameter_count(data.x.shape[1], spec.hidden_units)
        * np.dtype(spec.precision).itemsize
        * COPIES[spec.solver]
        for spec in specs
        if isinstance(spec, AutoencoderSpec) and spec.engine != "torch"
    )
    enough_memory(size, what, hint)
