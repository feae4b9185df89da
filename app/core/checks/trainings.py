"""Checks that train the exercise's three-layer network."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import numpy as np

from app.core.checks.convnet import GROUP
from app.core.checks.outcomes import Conditions, Measure, NotHere, check
from app.core.checks.training import Trained, few_images, train_briefly
from app.core.data.cifar import CIFAR10
from app.core.data.download import downloaded_cifar10
from app.core.data.image_preprocess import FittedImages, fit_images
from app.core.data.image_reader import open_images
from app.core.errors import FilterscopeError
from app.core.mosaic import mosaic
from app.core.specs import ConvNetSpec, ImageSpec

__all__ = ["CHECKS"]

# Of 1000 images the share that is named rightly is known to 0.016, of these to 0.005.
TRAIN_IMAGES = 10_000
OVERFIT = ConvNetSpec(
    layers="conv 32 7x7, relu, pool 2, affine 100, relu",
    weight_scale=1e-2,
    reg=0,
    epochs=15,
    batch_size=50,
    learning_rate=1e-3,
    solver="adam",
)
EPOCH = ConvNetSpec(
    layers="conv 32 7x7, relu, pool 2, affine 500, relu",
    weight_scale=1e-3,
    reg=1e-3,
    epochs=1,
    batch_size=50,
    learning_rate=1e-3,
    solver="adam",
)


def _cifar(conditions: Conditions) -> FittedImages:
    """Return CIFAR-10, divided and normalised as in the exercise."""
    conditions.between("Reading CIFAR-10", 0.0)
    try:
        place = conditions.data if conditions.data is not None else downloaded_cifar10()
    except FilterscopeError as missing:
        raise NotHere(f"{missing.message} Name it with --data.", needs=CIFAR10) from None
    return fit_images(open_images(place), ImageSpec())


@check(
    GROUP,
    "It learns 100 images of CIFAR-10 by heart in 15 epochs, which teaches little about others",
    slow=True,
)
def convnet_overfit(conditions: Conditions) -> Iterator[Measure]:
    trained = train_briefly(
        few_images(_cifar(conditions), 100),
        OVERFIT.changed(seed=conditions.seeds[0]),
        conditions.between,
    )
    assert trained.validation_accuracy is not None
    yield Measure("train accuracy", trained.train_accuracy, 0.95, "0.99", at_least=True)
    yield Measure("validation accuracy", trained.validation_accuracy, 0.15, "0.22", at_least=True)
    yield Measure("no more than", trained.validation_accuracy, 0.30, "0.22")


@check(
    GROUP,
    "One epoch of CIFAR-10 with the exercise's settings names 44 % of the training images and 43 % "
    "of the others, median of three seeds; the first filters have taken a shape",
    slow=True,
)
def convnet_epoch(conditions: Conditions) -> Iterator[Measure]:
    data = _cifar(conditions)
    seeds = conditions.seeds if len(conditions.seeds) > 1 else (0, 1, 2)
    runs: list[Trained] = []
    for place, seed in enumerate(seeds):

        def say(text: str, share: float, place: int = place) -> None:
            conditions.between(
                f"Seed {place + 1} of {len(seeds)}, {text}", (place + share) / len(seeds)
            )

        runs.append(train_briefly(data, EPOCH.changed(seed=seed), say))
    train = statistics.median(_accuracy(run, data) for run in runs)
    validation = statistics.median(run.validation_accuracy or 0.0 for run in runs)
    yield Measure("train accuracy", train, 0.44, "0.504", at_least=True)
    yield Measure("validation accuracy", validation, 0.43, "0.499", at_least=True)
    yield Measure("first loss", runs[0].first_loss, None, "2.304740")
    filters = runs[0].learner.network.parameters["W1"]
    tiles = mosaic(filters, scale="own").pixels
    # White noise of this start has neighbours that know nothing of each other.
    flat = filters.reshape(-1, *filters.shape[2:])
    alike = np.corrcoef(flat[:, :, :-1].ravel(), flat[:, :, 1:].ravel())[0, 1]
    yield Measure("filters' neighbours alike", float(alike), 0.3, "picture", at_least=True)
    yield Measure("grid of filters, pixels wide", tiles.shape[1], None, "picture")


def _accuracy(run: Trained, data: FittedImages) -> float:
    """Return the share of the first training images that are named rightly."""
    rows = data.split.train[:TRAIN_IMAGES]
    right = 0
    for start in range(0, len(rows), 250):
        piece = rows[start : start + 250]
        scores = run.learner.network.scores(data.rows(piece))
        right += int((scores.argmax(axis=1) == data.labels(piece)).sum())
    return right / len(rows)


CHECKS = (convnet_overfit, convnet_epoch)
