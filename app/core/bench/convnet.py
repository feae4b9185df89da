"""A whole training step of the exercise's three-layer network, as the window takes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from app.core.bench.compare import Bench, Say, compare, torch_here
from app.core.data.image_preprocess import fit_images
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.learners import ConvNetLearner
from app.core.specs import ConvNetSpec, ImageSpec
from app.core.threads import cores

__all__ = ["BENCHES"]

IMAGES, SIDE, CLASSES = 2_000, 32, 10
FILTERS, HIDDEN, BATCH = 32, 500, 50
RATE, REG = 1e-3, 1e-3


def _learner() -> Callable[[], object]:
    """Return one step: batch, both ways through the network, Adam."""
    rng = np.random.default_rng(0)
    images = LabelledImages(
        rng.integers(0, 256, (IMAGES, 3, SIDE, SIDE), dtype=np.uint8),
        rng.integers(0, CLASSES, IMAGES),
        tuple(str(number) for number in range(CLASSES)),
        Source("random numbers", "", "NCHW", "0..255", IMAGES, (3, SIDE, SIDE), "uint8", ""),
        test_count=0,
    )
    data = fit_images(images, ImageSpec())
    spec = ConvNetSpec(
        layers=f"conv {FILTERS} 7x7, relu, pool 2, affine {HIDDEN}, relu",
        batch_size=BATCH,
        learning_rate=RATE,
        reg=REG,
    )
    learner = ConvNetLearner(data, spec, threads=cores())
    order, calm = np.arange(BATCH), np.zeros(1, np.int32)
    return lambda: learner.steps(order, spec, calm, 1)


def _torch_step(torch: Any, channels_last: bool) -> Callable[[], object]:
    """Return the same step by torch's layers, eager autograd and its Adam."""
    nn = torch.nn
    network = nn.Sequential(
        nn.Conv2d(3, FILTERS, 7, padding=3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(FILTERS * (SIDE // 2) ** 2, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, CLASSES),
    )
    pixels = torch.randint(0, 256, (IMAGES, 3, SIDE, SIDE), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (IMAGES,))
    mean = pixels.float().mean(0)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    weights = [p for p in network.parameters() if p.ndim > 1]
    biases = [p for p in network.parameters() if p.ndim == 1]
    # Adam with L2 in the gradient, as ours: biases do not decay.
    optimizer = torch.optim.Adam(
        [{"params": weights, "weight_decay": REG}, {"params": biases}], lr=RATE
    )
    order = torch.arange(BATCH)

    def step() -> None:
        x = pixels[order].float() - mean
        if channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        loss = nn.functional.cross_entropy(network(x), labels[order])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _training_step(say: Say) -> dict[str, Any]:
    with ExitStack() as afterwards:
        peers = {}
        torch = torch_here(say, afterwards)
        if torch is not None:
            peers = {
                "torch": _torch_step(torch, channels_last=False),
                "torch_channels_last": _torch_step(torch, channels_last=True),
            }
        row = compare(_learner(), peers)
    row["threads"] = cores()
    return row


BENCHES: dict[str, Bench] = {"training_step": _training_step}
