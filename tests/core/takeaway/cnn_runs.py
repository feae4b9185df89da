"""A small run of a convolutional network on a file of its own."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images
from app.core.learners import make_convnet_learner
from app.core.runs import Recorder, RunFolder
from app.core.specs import ConvNetSpec, ImageSpec
from app.core.training import train
from tests.core.learners_of_images import images, spec


def record_convnet(
    root: Path, settings: ConvNetSpec | None = None, *, file: Path | None = None
) -> RunFolder:
    """Train on drawn images in `file`, and keep the run with a look at its test images."""
    settings = settings or spec(evaluate_every=4)
    if file is None:
        file = root / "images.npz"
        drawn = images(160)
        np.savez(file, images=drawn.x, labels=drawn.y)
    image_spec = ImageSpec(train_count=100, validation_count=40, normalisation="per_channel")
    data = fit_images(open_images(f"{file}::images,labels"), image_spec)
    learner = make_convnet_learner(data, settings, threads=1)
    run_id = uuid.uuid4().hex
    run = RunFolder.create(
        root,
        kind="cnn",
        run_id=run_id,
        spec=settings,
        preprocess=image_spec,
        source=data.images.source,
        classes=data.images.classes,
        threads=1,
    )
    recorder = Recorder(run)
    order = EpochOrder(len(data.split.train), settings.seed)
    for event in train(
        learner, settings, Control(), examples=order.count, order=order, run_id=run_id
    ):
        recorder.take(event)
    recorder.close()
    run = RunFolder.open(run.path)
    run.mark_tested(1, 0.432, 1.0)
    return RunFolder.open(run.path)
