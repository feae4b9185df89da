"""What the trainer costs around torch: the same network in a bare loop, in turn, in one run.

    python tools/measure_torch_trainer.py [PRESET ...] [--pairs 40] [--seconds 0.5] [--json]

The bare loop takes the same batches through the same network, `loss.backward()` and
`torch.optim.SGD`, and does nothing else. Both go on in turns of half a second, so that whatever
else the machine does falls on both; of the ratios of neighbouring turns the median counts, by the
clock and by the processors' time. Snapshots, marks and checkpoints are part of the trainer's time, as
often as they come when it runs alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from app.core.race.lockstep import Stopwatch
from app.core.specs import ConvNetSpec, ImageSpec
from app.core.threads import cores
from app.core.training import train

IMAGES, CLASSES = 30_000, 10
PRESETS = "sequential-convnet", "challenge-report", "challenge-cpu"


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


def trainer(data: FittedImages, spec: ConvNetSpec) -> Callable[[int], int]:
    """Return what takes so many steps through the trainer, or a few more; it returns how many."""
    learner = TorchConvNetLearner(data, spec, threads=cores())
    count = len(data.split.train)
    # What comes by the clock, such as snapshots, comes by the trainer's own time.
    watch = Stopwatch()
    events = train(
        learner,
        spec,
        Control(),
        examples=count,
        order=EpochOrder(count, 0),
        run_id="measured",
        clock=watch,
    )

    def take(steps: int) -> int:
        taken = 0
        with watch:
            while taken < steps:
                event = next(events)
                if isinstance(event, Steps):
                    taken += len(event.terms)
        return taken

    return take


def bare_loop(data: FittedImages, spec: ConvNetSpec) -> Callable[[int], int]:
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

    def take(steps: int) -> int:
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
        return steps

    return take


@dataclass(frozen=True)
class Turn:
    """Seconds a step, by the clock and of all processors together."""

    wall: float
    cpu: float


def turn(take: Callable[[int], int], steps: int) -> Turn:
    """Take some steps and the time."""
    wall, cpu = time.perf_counter(), time.process_time()
    taken = take(steps)
    return Turn((time.perf_counter() - wall) / taken, (time.process_time() - cpu) / taken)


def measure(name: str, pairs: int, seconds: float) -> dict[str, float]:
    """Return what a step takes in both ways, in seconds, and the median ratios."""
    preset = CNN_PRESETS[name]
    # Looks at validation images are no cost of the trainer's: the bare loop has none.
    spec = preset.spec.changed(evaluate_every=1_000_000, device="cpu", epochs=1_000_000)
    data = drawn_images(preset.images)
    torch.set_num_threads(cores())
    bare, ours = bare_loop(data, spec), trainer(data, spec)
    # The first calls of the trainer tell their weights each; that is over soon.
    for take in (bare, ours):
        take(20)
    steps = max(1, round(seconds / turn(bare, 5).wall))
    turns: list[tuple[Turn, Turn]] = []
    for number in range(pairs):
        if number % 2:
            after = turn(ours, steps)
            turns.append((turn(bare, steps), after))
        else:
            turns.append((turn(bare, steps), turn(ours, steps)))

    def middle(of: Callable[[Turn, Turn], float]) -> float:
        return float(np.median([of(*pair) for pair in turns]))

    return {
        "bare_s": middle(lambda bare, _: bare.wall),
        "trainer_s": middle(lambda _, ours: ours.wall),
        "ratio": middle(lambda bare, ours: ours.wall / bare.wall),
        "ratio_cpu": middle(lambda bare, ours: ours.cpu / bare.cpu),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="of the CNN, on PyTorch")
    parser.add_argument("--pairs", type=int, default=40, help="turns of each way")
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    found = {}
    for name in options.presets or PRESETS:
        found[name] = one = measure(name, options.pairs, options.seconds)
        if not options.json:
            print(
                f"{name:20} bare {one['bare_s'] * 1e3:8.2f} ms, trainer "
                f"{one['trainer_s'] * 1e3:8.2f} ms a step: {one['ratio']:.3f} by the clock, "
                f"{one['ratio_cpu']:.3f} of the processors",
                flush=True,
            )
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
