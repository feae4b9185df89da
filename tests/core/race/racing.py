"""Small races for the tests, and the same settings trained alone."""

from __future__ import annotations

from pathlib import Path

from app.core.control import Control
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.events import Event
from app.core.race.line_up import line_up
from app.core.race.lockstep import RaceControl, Racer, race
from app.core.rebuilt import learner_of
from app.core.runs import Recorder, RunFolder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train
from tests.core.trained import images, write

SMALL = AutoencoderSpec(hidden_units=5, batch_size=16, epochs=3)


def patches(folder: Path, count: int = 100):
    """Return some small patches, of a file in `folder`."""
    file = write(folder / "patches.npy", images(count))
    return preprocess(open_patches(file), PreprocessSpec())


def specs_of(base=SMALL, **varied):
    """Return settings that differ in one value: ``rho=(0.05, 0.2)``."""
    ((name, values),) = varied.items()
    return [base.changed(**{name: value}) for value in values]


def begin(folder: Path, data, specs) -> tuple[list[Racer], RaceControl]:
    """Return racers and their control."""
    racers = line_up(data, specs, root=folder / "runs", threads=1)
    return racers, RaceControl(len(specs))


def run_race(folder: Path, data, specs) -> tuple[list[Racer], list[Event]]:
    """Race to the end; returns racers and all events."""
    racers, control = begin(folder, data, specs)
    return racers, list(race(racers, control))


def alone(racer: Racer, data, folder: Path) -> RunFolder:
    """Train the settings of a racer as any run is trained; returns its folder."""
    info = racer.run.info
    run = RunFolder.create(
        folder / "alone",
        kind=info.kind,
        run_id=info.run_id,
        spec=racer.spec,
        preprocess=info.preprocess,
        source=data.source if info.kind == "autoencoder" else data.images.source,
        classes=info.classes,
        threads=1,
    )
    learner, order = learner_of(run.info, data, racer.spec, 1)
    recorder = Recorder(run)
    for event in train(
        learner, racer.spec, Control(), examples=order.count, order=order, run_id=info.run_id
    ):
        recorder.take(event)
    recorder.close()
    return RunFolder.open(run.path)
