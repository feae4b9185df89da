"""Measure the past of a run in the window: how soon it is open, how soon a moment is drawn.

    QT_QPA_PLATFORM=offscreen python tools/bench_scrub.py [NAME ...] [--json]

Names: small (64 units on 256 pixels), large (400 on 768), cnn, cnn-large (only small arrays are
kept), while-training; all by default. The runs are made up, as long as the bar asks for: 80,000
steps and some 500 keyframes. Figures of a busy machine say nothing. Nothing is written outside of
a temporary folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.launch import limit_threads

limit_threads()

import numpy as np
from driven_window import Figure, begin, live, open_window, stop, wait_until
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication

from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.data.sample import sample_path
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.events import Checkpoint, EpochEnded, Finished, Snapshot, Started, Steps
from app.core.learners import AutoencoderLearner, ConvNetLearner
from app.core.runs import Recorder, RunFolder, recorder
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec
from app.ui.labs.convnet_lab import ConvNetLab
from app.ui.labs.lab import Lab
from app.ui.main_window import MainWindow
from app.ui.theme import theme

STEPS, EPOCHS, KEYFRAMES = 80_000, 1000, 500
# A hand that drags gives a new place so often.
DRAG_SECONDS = 1 / 30
PLACES = 150
LIMIT, OPEN_LIMIT = 33.0, 1.0
WHOLE = "conv 16 5x5, relu, pool 2, conv 32 3x3, relu, pool 2, affine 32, relu"


def make_up(run: RunFolder, learner, spec) -> None:
    """Record a training that never was: every step, and keyframes of weights that wander."""
    rng = np.random.default_rng(0)
    per_epoch = STEPS // EPOCHS
    recorder.KEYFRAME_SECONDS = 0.0
    keeper = Recorder(run, keyframe_budget=4 << 30)
    weights, statistics = learner.snapshot()
    weights = {name: np.array(array, np.float32) for name, array in weights.items()}
    terms = np.exp(rng.normal(size=(STEPS, len(learner.term_names))) / 10)
    name = run.info.run_id
    keeper.take(Started(name, 0, 0, per_epoch, STEPS, 10_000, learner.term_names, "made up"))
    frames = np.unique(np.geomspace(1, STEPS, 2 * KEYFRAMES).astype(int))
    frames = np.unique(frames[np.linspace(0, len(frames) - 1, KEYFRAMES).astype(int)])
    before = 0
    for step in frames:
        keeper.take(Steps(name, before + 1, terms[before:step], 100, 1e-3 * (step - before)))
        for epoch in range(before // per_epoch + 1, step // per_epoch + 1):
            keeper.take(EpochEnded(name, epoch, epoch * per_epoch, terms[0], 0.0))
        before = int(step)
        for array in weights.values():
            array += 0.01 * rng.normal(size=array.shape).astype(np.float32)
        keeper._keyframes.save(before, dict(weights))
        keeper._last_snapshot = Snapshot(
            name, before, before / per_epoch, weights, dict(statistics)
        )
    state = learner.state()
    keeper.take(Checkpoint(name, STEPS, EPOCHS, 0, spec, state))
    keeper.take(Finished(name, STEPS, EPOCHS, "done", terms[-1], 80.0))
    keeper.close()


def autoencoder_run(folder: Path, units: int, file: Path) -> RunFolder:
    patches = preprocess(open_patches(file), PreprocessSpec(grayscale=file == sample_path()))
    batch = -(-len(patches.x) // (STEPS // EPOCHS))
    spec = AutoencoderSpec(hidden_units=units, batch_size=batch, epochs=EPOCHS)
    run = RunFolder.create(
        folder, kind="autoencoder", run_id=uuid.uuid4().hex, spec=spec,
        preprocess=patches.fitted.spec, source=patches.source, threads=1,
    )  # fmt: skip
    make_up(run, AutoencoderLearner(patches.x, spec, threads=1), spec)
    return run


def convnet_run(folder: Path, layers: str, *, whole: bool) -> RunFolder:
    data = fit_images(open_images(SYNTHETIC_NAME), ImageSpec())
    batch = -(-len(data.split.train) // (STEPS // EPOCHS))
    spec = ConvNetSpec(layers=layers, batch_size=batch, epochs=EPOCHS)
    run = RunFolder.create(
        folder, kind="cnn", run_id=uuid.uuid4().hex, spec=spec, preprocess=data.spec,
        source=data.images.source, threads=1, classes=data.classes,
    )  # fmt: skip
    learner = ConvNetLearner(data, spec, threads=1)
    if not whole:
        # As the recorder does with large networks: small arrays only.
        found = learner.snapshot
        learner.snapshot = lambda: (  # type: ignore[method-assign]
            {name: one for name, one in found()[0].items() if one.size < 1 << 17},
            {},
        )
        make_up(run, learner, spec)
        last = {name: np.array(one, np.float32) for name, one in found()[0].items()}
        from app.core.memory import to_safetensors

        path = run.path / "keyframes" / f"{STEPS:09d}.safetensors"
        path.write_bytes(to_safetensors(last, {"step": str(STEPS)}))
    else:
        make_up(run, learner, spec)
    return run


def opened(window: MainWindow, run: RunFolder, name: str) -> list[Figure]:
    """Open a run once for its data, then measure how soon it is seen."""
    lab = window.convnet_lab if run.info.kind == "cnn" else window.autoencoder_lab
    for _ in range(2):
        lab.forget()
        began = time.perf_counter()
        window.resuming.open(run.path)
        wait_until(lambda: not window.resuming.busy)
        QApplication.processEvents()
        took = time.perf_counter() - began
        wait_until(lambda: lab.panel.scrub_bar.isVisible() and not window.runner.busy)
    return [Figure(f"{name}: opened, its data being open", took, OPEN_LIMIT, "s")]


def drag(window: MainWindow, lab: Lab, name: str) -> list[Figure]:
    """Drag the handle to and fro; how long from each place to its picture on the screen."""
    scrub, slider = lab.scrub, lab.panel.scrub_bar.slider
    assert scrub is not None
    taken: list[float] = []
    asked: dict[int, float] = {}

    def drawn() -> None:
        held = scrub.held
        if held is None or held.snapshot.step not in asked:
            return
        QApplication.processEvents()
        taken.append(time.perf_counter() - asked.pop(held.snapshot.step))
        asked.clear()

    maps: list[float] = []
    since: dict[int, float] = {}

    def read(reading) -> None:
        if reading.look is not None and reading.step in since:
            QApplication.processEvents()
            maps.append(time.perf_counter() - since.pop(reading.step))

    scrub.changed.connect(drawn)
    if isinstance(lab, ConvNetLab):
        lab.readings.read.connect(read)
    top = min(slider.maximum() - 1, KEYFRAMES - 2)
    path = np.concatenate([np.linspace(top, 0, PLACES // 2), np.linspace(3, top, PLACES // 2)])
    places = iter(path.astype(int))

    def move() -> None:
        place = next(places, None)
        if place is None:
            timer.stop()
            return
        if place != slider.value():
            step = scrub.timeline.steps[place]
            asked[step] = since[step] = time.perf_counter()
            slider.setValue(int(place))

    timer = QTimer()
    timer.timeout.connect(move)
    timer.start(int(1000 * DRAG_SECONDS))
    wait_until(lambda: not timer.isActive())
    live(0.3)
    scrub.changed.disconnect(drawn)
    if isinstance(lab, ConvNetLab):
        lab.readings.read.disconnect(read)
    scrub.show_newest()
    figures = []
    for what, seconds in (("picture", taken), ("maps", maps)):
        if seconds:
            times = np.array(seconds) * 1e3
            p95 = float(np.percentile(times, 95))
            figures += [
                Figure(f"{name}: {what}, p95 of {len(times)}", p95, LIMIT, "ms"),
                Figure(f"{name}: {what}, median", float(np.median(times)), LIMIT, "ms"),
            ]
    return figures


def small(window: MainWindow) -> list[Figure]:
    run = autoencoder_run(data_folder(), 64, sample_path())
    found = opened(window, run, "64 units, 256 pixels")
    return found + drag(window, window.autoencoder_lab, "64 units, 256 pixels")


def colour_file() -> Path:
    """Return a file of patches of 768 pixels."""
    file = Path(data_folder()) / "colour.npy"
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (10_240, 3, 4, 4), dtype=np.uint8)
    np.save(file, coarse.repeat(4, axis=2).repeat(4, axis=3))
    return file


def large(window: MainWindow) -> list[Figure]:
    run = autoencoder_run(data_folder(), 400, colour_file())
    found = opened(window, run, "400 units, 768 pixels")
    return found + drag(window, window.autoencoder_lab, "400 units, 768 pixels")


def cnn(window: MainWindow) -> list[Figure]:
    run = convnet_run(data_folder(), WHOLE, whole=True)
    found = opened(window, run, "CNN")
    window.convnet_lab.panel.maps_card.show_page(0)
    return found + drag(window, window.convnet_lab, "CNN")


def cnn_large(window: MainWindow) -> list[Figure]:
    layers = ConvNetSpec().layers
    run = convnet_run(data_folder(), layers, whole=False)
    found = opened(window, run, "CNN of 4 million weights")
    window.convnet_lab.panel.maps_card.show_page(0)
    return found + drag(window, window.convnet_lab, "CNN of 4 million weights")


def while_training(window: MainWindow) -> list[Figure]:
    """Scrub trainings that go on at full speed."""
    window.opening.open_sample()
    wait_until(lambda: window.data.patches is not None and not window.runner.busy)
    found = _while_training(window, 64, "64 units, 256 pixels")
    window.opening.open(str(colour_file()))
    wait_until(lambda: window.data.patches is not None and not window.runner.busy)
    return found + _while_training(window, 400, "400 units, 768 pixels")


def _while_training(window: MainWindow, units: int, name: str) -> list[Figure]:
    recorder.KEYFRAME_SECONDS, recorder.KEYFRAME_SHARE = 0.1, 0.05
    lab = window.autoencoder_lab
    lab.forget()
    window.show_lab(1)
    lab.take_spec(lab.spec.changed(hidden_units=units))
    lab.show_spec()
    begin(lab)
    # A disk that is still busy with what was written before takes them slowly.
    wait_until(lambda: lab.scrub.timeline is not None and len(lab.scrub.timeline.steps) > 20)
    found = drag(window, lab, f"{name}, while it trains")
    stop(lab)
    return found


PARTS: dict[str, Callable[[MainWindow], list[Figure]]] = {
    "small": small,
    "large": large,
    "cnn": cnn,
    "cnn-large": cnn_large,
    "while-training": while_training,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PARTS, []], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="filterscope-bench-") as folder:
        os.environ["FILTERSCOPE_RUNS"] = folder
        application = QApplication([])
        application.setStyle("Fusion")
        theme.choose("dark")
        window = open_window()
        for name in options.names or list(PARTS):
            print(f"measuring {name} …", file=sys.stderr)
            found = PARTS[name](window)
            figures += found
            if not options.json:
                print("\n".join(figure.line() for figure in found), flush=True)
        window.close()
    if options.json:
        print(json.dumps({f.name: {**asdict(f), "held": f.held} for f in figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
