"""Small runs on files of their own, for the tests of what comes out of a run."""

from __future__ import annotations

import uuid
from pathlib import Path

import h5py
import numpy as np

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.events import Steps
from app.core.learners import AutoencoderLearner
from app.core.runs import Recorder, RunFolder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train


def images(count=120, side=6, channels=3, seed=0):
    """Return smooth uint8 images (count, channels, side, side), all different."""
    rng = np.random.default_rng(seed)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    waves = rng.uniform(-1, 1, (count, channels, 2, 1, 1))
    phase = waves[:, :, 0] * across + waves[:, :, 1] * down + rng.uniform(0, 6, (count, 1, 1, 1))
    return np.rint(127.5 + 100 * np.sin(phase)).astype(np.uint8)


def write(path: Path, data, **more) -> Path:
    """Write `data` as the file of patches `path`; `more` are further data sets of an HDF5 file."""
    if path.suffix == ".npy":
        np.save(path, data)
    elif path.suffix == ".npz":
        np.savez(path, data=data, **more)
    else:
        with h5py.File(path, "w") as file:
            for name, array in {"data": data, **more}.items():
                file[name] = array
    return path


def record(
    root: Path,
    file: Path,
    spec: AutoencoderSpec,
    preprocessing: PreprocessSpec | None = None,
    *,
    live=(),
    stop_after: int | None = None,
    **reading,
) -> RunFolder:
    """Train on `file` and keep the run; `live` are specs to move to, one after each few steps."""
    patches = preprocess(open_patches(file, **reading), preprocessing or PreprocessSpec())
    part, _ = patches.split(spec.held_out)
    run_id = uuid.uuid4().hex
    run = RunFolder.create(
        root,
        kind="autoencoder",
        run_id=run_id,
        spec=spec,
        preprocess=patches.fitted.spec,
        source=patches.source,
        threads=1,
    )
    recorder, control, waiting = Recorder(run), Control(), list(live)
    for event in train(
        AutoencoderLearner(part.x, spec, threads=1),
        spec,
        control,
        examples=len(part.x),
        order=EpochOrder(len(part.x), spec.seed),
        run_id=run_id,
    ):
        recorder.take(event)
        if isinstance(event, Steps):
            if waiting:
                control.set_live(waiting.pop(0))
            if stop_after is not None and event.last_step >= stop_after:
                control.stop()
    recorder.close()
    return RunFolder.open(run.path)
