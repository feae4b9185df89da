"""What the trainer costs around torch: the same network in a bare loop, in turn, in one run.

    python tools/measure_torch_trainer.py [--preset challenge-report] [--steps 60] [--rounds 5]

The bare loop takes the same batches through `nn.Sequential`, `loss.backward()` and
`torch.optim.SGD`, and does nothing else. Of the rounds, the best of each counts: noise only ever
makes them slower. Snapshots and checkpoints are part of the trainer's time.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.launch import limit_threads

limit_threads()

import numpy as np
import torch

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import FittedImages, augmentation_rng, fit_images
from app.core.data.images import LabelledImages
from app.core.data.patches import Source
from app.core.events import Steps
from app.core.learners.torch_convnet import TorchConvNetLearner
from app.core.presets import CNN_PRESETS
from app.core.specs import ConvNetSpec, ImageSpec
from app.core.threads import cores
from app.core.training import train

IMAGES, CLASSES = 30_000, 10


def drawn_images(spec: ImageSpec) -> FittedImages:
    """Return random pixels of CIFAR-10's shape, prepared as the preset says."""
    rng = np.random.default_rng(0)
    shape = (3, 32, 32)
    images = LabelledImages(
        rng.integers(0, 256, (IMAGES, *shape), dtype=np.uint8),
        rng.integers(0, CLASSES, IMAGES),
        tuple(str(number) for number in range(CLASSES)),
        Source("random numbers", "", "NCHW", "0..255", IMAGES, shape, "uint8", ""),
        test_count=0,
    )
    return fit_images(images, spec)


def trainer(data: FittedImages, spec: ConvNetSpec) -> Callable[[int], None]:
    """Return what takes so many steps through the trainer."""
    learner = TorchConvNetLearner(data, spec, threads=cores())
    count = len(data.split.train)
    events = train(
        learner, spec, Control(), examples=count, order=EpochOrder(count, 0), run_id="measured"
    )

    def take(steps: int) -> None:
        taken = 0
        while taken < steps:
            event = next(events)
            if isinstance(event, Steps):
                taken += len(event.terms)

    return take


def bare_loop(data: FittedImages, spec: ConvNetSpec) -> Callable[[int], None]:
    """Return what takes so many steps with nothing around them."""
    learner = TorchConvNetLearner(data, spec, threads=cores())
    network, mode = learner.model.forward, learner.model.mode
    assert isinstance(network, torch.nn.Module)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": spec.reg}, {"params": others}],
        lr=spec.learning_rate / 10,
        momentum=spec.momentum,
        nesterov=True,
    )
    mixed = spec.mixed_precision == "bfloat16"
    layout = torch.channels_last if spec.channels_last else torch.contiguous_format

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        order = EpochOrder(len(data.split.train), 0)
        epoch = 0
        while True:
            rows = order.epoch(epoch)
            for step, start in enumerate(range(0, len(rows), spec.batch_size)):
                indices = data.split.train[rows[start : start + spec.batch_size]]
                x = data.batch(indices, augmentation_rng(0, epoch, step))
                yield torch.from_numpy(x), torch.from_numpy(data.labels(indices))
            epoch += 1

    waiting = batches()

    def take(steps: int) -> None:
        for _ in range(steps):
            x, y = next(waiting)
            mode.train = True
            with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
                scores = network(x.contiguous(memory_format=layout))
            loss = torch.nn.functional.cross_entropy(
                scores.float(), y, label_smoothing=spec.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return take


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--preset", default="challenge-report")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    preset = CNN_PRESETS[options.preset]
    # Looks at validation images are no cost of the trainer's: the bare loop has none.
    spec = preset.spec.changed(evaluate_every=1_000_000, device="cpu", epochs=1000)
    data = drawn_images(preset.images)
    torch.set_num_threads(cores())
    ways = {"bare loop": bare_loop(data, spec), "trainer": trainer(data, spec)}
    best = dict.fromkeys(ways, np.inf)
    for take in ways.values():
        take(3)
    for _ in range(options.rounds):
        for name, take in ways.items():
            start = time.perf_counter()
            take(options.steps)
            best[name] = min(best[name], (time.perf_counter() - start) / options.steps)
    for name, seconds in best.items():
        print(f"{name:10} {seconds * 1e3:8.2f} ms a step")
    print(f"trainer / bare loop  {best['trainer'] / best['bare loop']:.3f}")


if __name__ == "__main__":
    main()
