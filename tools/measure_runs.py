"""Measure runs on the disk: ``python -m tools.measure_runs [list] [open] [cost] [short]``.

``list``  how long a table of 1,000 runs takes to read
``open``  how long a run of 1,000 epochs × 80 steps with 500 keyframes takes to open
``cost``  which share of a training's time its record takes, the network of the first preset and
          the exercise's convolutional network, each with and without a recorder in turns
``short`` the same of the first 25 seconds, with the checkpoints and the end
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import fit_images
from app.core.data.patches import Source
from app.core.data.synthetic import synthetic_images
from app.core.events import (
    Checkpoint,
    EpochEnded,
    Evaluated,
    Event,
    Snapshot,
    Started,
    Steps,
)
from app.core.learners import AutoencoderLearner, ConvNetLearner
from app.core.presets import CNN_PRESETS, PRESETS
from app.core.run_table import read_rows
from app.core.runs import DiskUse, Recorder, RunFolder
from app.core.runs.labels import RunLabels, write_labels
from app.core.specs import AutoencoderSpec, PreprocessSpec, TrainingSpec
from app.core.training import train

TERMS = AutoencoderLearner.term_names
# Seconds of one turn with or without a recorder, and how many turns of each.
TURN, TURNS = 2.0, 31
# Seconds of a short training.
SHORT = 25.0


def new_run(root: Path, spec: AutoencoderSpec, count: int = 10_240) -> RunFolder:
    """Make the folder of a run on grey patches of 8 × 8 pixels."""
    return RunFolder.create(
        root,
        kind="autoencoder",
        run_id=uuid.uuid4().hex,
        spec=spec,
        preprocess=PreprocessSpec(),
        source=Source("made", "data", "NHW", "0..1", count, (1, 8, 8), "float32", "0" * 64),
        threads=1,
    )


def patches(count: int) -> Any:
    """Return rows (count, 64) float32 in 0.1 … 0.9."""
    return np.random.default_rng(0).uniform(0.1, 0.9, (count, 64)).astype(np.float32)


def one_run(root: Path) -> RunFolder:
    """Train a small autoencoder and keep the run."""
    spec = AutoencoderSpec(hidden_units=9, batch_size=50, epochs=20)
    run = new_run(root, spec, 200)
    recorder = Recorder(run)
    for event in train(
        AutoencoderLearner(patches(200), spec, threads=1),
        spec,
        Control(),
        examples=200,
        order=EpochOrder(200, spec.seed),
        run_id=run.info.run_id,
    ):
        recorder.take(event)
    recorder.close()
    write_labels(run.path, RunLabels(tags=("measured",), note="one of many"))
    return run


def measure_list(root: Path, count: int = 1000) -> None:
    """Copy one small run under many names, and read the table; the best of three."""
    run = one_run(root)
    for number in range(count - 1):
        shutil.copytree(run.path, root / f"{run.path.name}-{number:04d}")
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        rows = read_rows(root)
        words = [row.words for row in rows]
        seconds.append(time.perf_counter() - began)
    assert len(rows) == len(words) == count
    print(f"{count} runs listed, with the words that a search looks through: {min(seconds):.2f} s")


def long_run(root: Path, epochs: int = 1000, keyframes: int = 500) -> RunFolder:
    """Record events of a training that did not happen: 80 steps an epoch, 64 units."""
    spec = AutoencoderSpec(epochs=epochs)
    run = new_run(root, spec)
    recorder = Recorder(run)
    rng = np.random.default_rng(0)
    shapes = {"W1": (64, 64), "b1": (64,), "W2": (64, 64), "b2": (64,)}
    run_id = run.info.run_id
    recorder.take(Started(run_id, 0, 0, 80, 80 * epochs, 10_240, TERMS, "none"))
    for epoch in range(epochs):
        for first in range(1, 81, 8):
            recorder.take(Steps(run_id, 80 * epoch + first, rng.random((8, 3)), 1024, 0.01))
        step = 80 * (epoch + 1)
        recorder.take(EpochEnded(run_id, epoch + 1, step, np.ones(3), 0.1))
        # As if each epoch took longer than there is time between two writes.
        recorder._log.write()
        if epoch % (epochs // keyframes) == 0:
            weights = {n: rng.random(s, dtype=np.float32) for n, s in shapes.items()}
            rho_hat = {"rho_hat": rng.random(64, dtype=np.float32)}
            shot = Snapshot(run_id, step, float(epoch + 1), weights, rho_hat)
            recorder.take(shot)
            if dict(run.keyframes()).get(step) is None:
                recorder._keyframe(shot)
    recorder.close()
    return run


def measure_open(root: Path) -> None:
    """Open it as the window does, and then read all its keyframes too; the best of three."""
    path = long_run(root).path
    opened, framed = [], []
    for _ in range(3):
        began = time.perf_counter()
        run = RunFolder.open(path)
        history, note = run.read_history()
        frames = run.keyframes()
        run.read_statistics()
        run.read_weights()
        use = DiskUse.of(run.path)
        opened.append(time.perf_counter() - began)
        for _step, frame in frames:
            run.read_keyframe(frame)
        framed.append(time.perf_counter() - began)
    assert (len(history), note) == (80_000, "")
    assert len(frames) >= 500
    print(
        f"80,000 steps, {len(frames)} keyframes, {use.total / 2**20:.0f} MiB: "
        f"opened in {min(opened):.2f} s, with all keyframes read {min(framed):.2f} s"
    )


class Ticking:
    """A training that is recorded in every other turn."""

    def __init__(self, events: Iterator[Event], recorder: Recorder) -> None:
        self.events, self.recorder = events, recorder
        self.rates: dict[bool, list[float]] = {True: [], False: []}
        self.taking = self.making = self.whole = 0.0

    def turn(self, recorded: bool) -> None:
        """Train for a while; notes the steps a second."""
        began = time.perf_counter()
        steps, looked = 0, 0.0
        while (now := time.perf_counter()) - began < TURN:
            event = next(self.events)
            made = time.perf_counter()
            if isinstance(event, Steps):
                steps += len(event.terms)
            elif isinstance(event, Evaluated):
                # To look at validation images is no part of a step, nor of its record.
                looked += made - now
            elif recorded and isinstance(event, Snapshot | Checkpoint):
                self.making += made - now
            if recorded:
                self.recorder.take(event)
                self.taking += time.perf_counter() - made
        seconds = time.perf_counter() - began - looked
        self.whole += seconds if recorded else 0.0
        self.rates[recorded].append(steps / seconds)


def measure_cost(root: Path) -> None:
    """Train two networks, recorded in every other turn."""
    for name, run, learner, spec, examples in _networks(root):
        recorder = Recorder(run)
        events = train(
            learner,
            spec,
            Control(),
            examples=examples,
            order=EpochOrder(examples, spec.seed),
            run_id=run.info.run_id,
        )
        ticking = Ticking(events, recorder)
        for _ in range(TURNS):
            ticking.turn(recorded=True)
            ticking.turn(recorded=False)
        recorder.close()
        without, with_ = (float(np.median(ticking.rates[recorded])) for recorded in (False, True))
        print(
            f"{name}: recording took {ticking.taking / ticking.whole:.2%} of the time "
            f"(with the copies it is given {(ticking.taking + ticking.making) / ticking.whole:.2%}); "
            f"{without:,.0f} steps/s without, {with_:,.0f} with: {1 - with_ / without:+.2%}"
        )


def measure_short(root: Path) -> None:
    """Train for a short while, then stop; all of it is recorded."""
    for name, run, learner, spec, examples in _networks(root):
        recorder, control, taking = Recorder(run), Control(), 0.0
        began = time.perf_counter()
        for event in train(
            learner,
            spec,
            control,
            examples=examples,
            order=EpochOrder(examples, spec.seed),
            run_id=run.info.run_id,
        ):
            made = time.perf_counter()
            recorder.take(event)
            taking += time.perf_counter() - made
            if made - began > SHORT and not control.stopping:
                while_training = taking / (time.perf_counter() - began)
                control.stop(in_haste=True)
        made = time.perf_counter()
        recorder.close()
        taking += time.perf_counter() - made
        whole = time.perf_counter() - began
        print(
            f"{name}: recording took {while_training:.2%} of {SHORT:.0f} s, "
            f"{taking / whole:.2%} with all that is written at the end"
        )


def _networks(root: Path) -> Iterator[tuple[str, RunFolder, Any, TrainingSpec, int]]:
    spec = PRESETS["sparse"].spec.changed(epochs=1_000_000)
    learner = AutoencoderLearner(patches(10_240), spec, threads=1)
    yield "autoencoder, 64 units", new_run(root, spec), learner, spec, 10_240
    preset = CNN_PRESETS["report"]
    fitted = fit_images(synthetic_images(), preset.images)
    settings = preset.spec.changed(epochs=1_000_000)
    run = RunFolder.create(
        root,
        kind="cnn",
        run_id=uuid.uuid4().hex,
        spec=settings,
        preprocess=fitted.spec,
        source=fitted.images.source,
        threads=1,
        classes=fitted.classes,
    )
    network = ConvNetLearner(fitted, settings, threads=1)
    yield "the exercise's network", run, network, settings, len(fitted.split.train)


def main() -> None:
    """Measure what is asked for; all by default."""
    measures = {
        "list": measure_list,
        "open": measure_open,
        "cost": measure_cost,
        "short": measure_short,
    }
    for name in sys.argv[1:] or measures:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
            measures[name](Path(folder))


if __name__ == "__main__":
    main()
