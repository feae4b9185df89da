"""Measure the window: how smooth, how prompt, how dear, how tight, how soon; each figure beside its bar.

    QT_QPA_PLATFORM=offscreen python tools/bench_window.py [NAME ...] [--json]

Names: start, heartbeat, slider, throughput, cycles for the autoencoder; stopping for both labs;
cnn-heartbeat, cnn-throughput, cnn-cycles for the CNN lab, twin-heartbeat for its readable loops;
workbench-heartbeat for the workbench; torch-heartbeat, torch-throughput, torch-cycles for both
labs with PyTorch, where there is one; all by default.
Figures of a busy machine say nothing. Nothing is written outside of a temporary folder.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.launch import limit_threads

limit_threads()

import numpy as np
import psutil
from driven_window import (
    ENDLESS,
    Figure,
    autoencoder_lab,
    begin,
    convnet_lab,
    discard,
    history_of,
    live,
    open_window,
    stop,
    torch_labs,
    wait_until,
)
from PyQt6.QtCore import QEvent, Qt, QTimer
from PyQt6.QtWidgets import QApplication, QSlider

from app.core.control import Control
from app.core.events import Steps
from app.core.learners import AutoencoderLearner
from app.core.training import train
from app.ui.labs.lab import Lab
from app.ui.main_window import MainWindow
from app.ui.theme import theme
from app.ui.training_session import State

SECONDS = 10.0
CYCLES, WARM_UP, EVERY = 1000, 100, 50


# --- how smooth: a heartbeat in the window's thread while it trains at full speed


def heartbeat(window: MainWindow) -> list[Figure]:
    return _heartbeat(autoencoder_lab(window), "heartbeat")


def cnn_heartbeat(window: MainWindow) -> list[Figure]:
    return _heartbeat(convnet_lab(window), "heartbeat, CNN")


def torch_heartbeat(window: MainWindow) -> list[Figure]:
    return [
        figure
        for lab, name in torch_labs(window)
        for figure in _heartbeat(lab, f"heartbeat, {name}")
    ]


def twin_heartbeat(window: MainWindow | None = None) -> list[Figure]:
    """Measure the same with the readable loops, in a process that has no other kernels."""
    if os.environ.get("FILTERSCOPE_KERNELS") == "reference":
        assert window is not None
        return _heartbeat(convnet_lab(window), "heartbeat, CNN on readable loops", steps=0)
    done = subprocess.run(
        [sys.executable, __file__, "twin-heartbeat", "--json"],
        env={**os.environ, "FILTERSCOPE_KERNELS": "reference"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(done.stdout)
    return [Figure(name, f["value"], f["bar"], f["unit"]) for name, f in found.items()]


def workbench_heartbeat(window: MainWindow) -> list[Figure]:
    """Measure it while the ladder climbs, while a layer is timed, while a photograph is filtered."""
    window.show_lab(3)
    panel = window.workbench
    wait_until(lambda: not panel.checks.running)
    figures = []
    panel.show_topic("convnet")
    wait_until(lambda: not panel.checks.running)
    panel.holds.ladder.climb.click()
    figures += _beats("heartbeat, the ladder climbs")
    panel.holds.ladder.cancel()
    wait_until(lambda: not panel.holds.ladder.running)
    panel.time.run()
    figures += _beats("heartbeat, a layer is timed")
    panel.time.cancel()
    wait_until(lambda: not panel.time.running)
    panel.show_topic("pictures")
    play = panel.playground
    wait_until(lambda: play.result is not None)
    values = iter(range(1, ENDLESS))
    timer = QTimer()
    timer.timeout.connect(lambda: play._on_value(1, 1, float(next(values) % 9 + 1)))
    timer.start(1000 // 15)
    figures += _beats("heartbeat, filtering 15 times a second")
    timer.stop()
    wait_until(lambda: not window.runner.busy)
    return figures


def _heartbeat(lab: Lab, name: str, steps: int = 1) -> list[Figure]:
    begin(lab, steps)
    figures = _beats(name)
    discard(lab)
    return figures


def _beats(name: str) -> list[Figure]:
    beats: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start(16)
    live(SECONDS)
    timer.stop()
    gaps = np.diff(beats) * 1e3
    return [
        Figure(f"{name}, p99 gap", float(np.percentile(gaps, 99)), 50, "ms"),
        Figure(f"{name}, greatest gap", float(gaps.max()), 150, "ms"),
    ]


# --- how prompt: from the slider to the step that uses its value


def slider(window: MainWindow) -> list[Figure]:
    used: list[tuple[float, float]] = []
    original = AutoencoderLearner.params_changed

    def noted(self, old, new):
        # The trainer calls this right before the step that is the first to use the values.
        original(self, old, new)
        used.append((time.perf_counter(), new.rho))

    AutoencoderLearner.params_changed = noted
    lab = autoencoder_lab(window)
    begin(lab)
    control = window.findChild(QSlider, "rhoSlider")
    moved: dict[float, float] = {}
    for turn in range(100):
        position = 200 + 5 * turn
        began = time.perf_counter()
        control.setValue(position)
        moved[window.spec.rho] = began
        live(0.05 + 0.013 * (turn % 3))
    discard(lab)
    AutoencoderLearner.params_changed = original
    waits = [(when - moved[rho]) * 1e3 for when, rho in used if rho in moved]
    if len(waits) < 90:
        raise SystemExit(f"Only {len(waits)} of 100 values arrived.")
    return [
        Figure("slider to the step that uses it, p95", float(np.percentile(waits, 95)), 50, "ms")
    ]


# --- how dear: what the window takes from training on as many threads


def throughput(window: MainWindow) -> list[Figure]:
    return _throughput(autoencoder_lab(window), "autoencoder", 3.0)


def cnn_throughput(window: MainWindow) -> list[Figure]:
    return _throughput(convnet_lab(window), "CNN", 6.0)


def torch_throughput(window: MainWindow) -> list[Figure]:
    return [figure for lab, name in torch_labs(window) for figure in _throughput(lab, name, 6.0)]


def _throughput(lab: Lab, name: str, seconds: float) -> list[Figure]:
    seen: dict[str, list[float]] = {"window": [], "headless": []}
    for _ in range(3):
        begin(lab)
        live(0.5)
        before, began = len(history_of(lab)), time.perf_counter()
        live(seconds)
        seen["window"].append((len(history_of(lab)) - before) / (time.perf_counter() - began))
        discard(lab)
        seen["headless"].append(_headless(lab.data, lab, seconds))
    share = 1 - max(seen["window"]) / max(seen["headless"])
    return [Figure(f"share of throughput that the window takes, {name}", share * 100, 10, "%")]


def _headless(data, lab: Lab, seconds: float) -> float:
    """Return steps a second with nothing to look at, in a thread as ever."""
    spec, recipe = lab.spec.changed(epochs=ENDLESS), lab.training.recipe
    control, rates = Control(), []

    def job() -> None:
        learner = recipe.make_learner(data, spec, lab.training.threads)
        steps, began, first = 0, 0.0, time.perf_counter()
        for event in train(
            learner,
            spec,
            control,
            examples=recipe.examples(data, spec),
            order=recipe.order(data, spec),
            run_id="headless",
        ):
            now = time.perf_counter()
            if isinstance(event, Steps):
                if began == 0.0 and now - first > 0.5:
                    began, steps = now, 0
                steps += len(event.terms)
                if began and now - began >= seconds:
                    control.stop()
                    rates.append(steps / (now - began))
                    return

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    return rates[0]


# --- how tight: what is left after a thousand trainings


def cycles(window: MainWindow) -> list[Figure]:
    return _cycles(autoencoder_lab(window), "autoencoder")


def cnn_cycles(window: MainWindow) -> list[Figure]:
    lab = convnet_lab(window)
    make_small(lab)
    return _cycles(lab, "CNN")


def torch_cycles(window: MainWindow) -> list[Figure]:
    make_small(convnet_lab(window))
    return [figure for lab, name in torch_labs(window) for figure in _cycles(lab, name)]


def make_small(lab: Lab) -> None:
    """Let a cycle be over soon: what is left behind does not depend on the network's size."""
    lab.take_spec(lab.spec.changed(layers="conv 8 5x5 stride 2, relu, pool 2, affine 32, relu"))
    lab.show_spec()


def _cycles(lab: Lab, name: str) -> list[Figure]:
    process = psutil.Process()
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    rows = []
    for cycle in range(WARM_UP + CYCLES + 1):
        begin(lab)
        stop(lab)
        assert lab.training.state is State.ENDED
        discard(lab)
        if cycle >= WARM_UP and (cycle - WARM_UP) % EVERY == 0:
            application.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            gc.collect()
            rows.append(
                (
                    cycle,
                    process.memory_info().rss / 1000,
                    process.num_threads(),
                    process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
                    len(application.allWidgets()),
                )
            )
    table = np.array(rows)
    slope = float(np.polyfit(table[:, 0], table[:, 1], 1)[0])
    growth = {
        n: table[-1, c] - table[0, c]
        for n, c in (("threads", 2), ("descriptors", 3), ("widgets", 4))
    }
    return [
        Figure(f"{name}: memory a cycle, over {CYCLES} trainings", slope, 20, "kB"),
        *(
            Figure(f"{name}: {what} more than {CYCLES} trainings ago", float(n), 0, "")
            for what, n in growth.items()
        ),
    ]


# --- how soon after Stop a training stands

STOPS, STOP_LIMIT = 10, 1.0


def stopping(window: MainWindow) -> list[Figure]:
    """Stop trainings of both labs at moments of no choosing, the last weights kept each time."""
    figures = []
    for lab, name in (
        (autoencoder_lab(window), "autoencoder"),
        (convnet_lab(window), "CNN"),
    ):
        took = []
        for count in range(STOPS):
            begin(lab)
            live(0.1 + 0.13 * count)
            began = time.perf_counter()
            stop(lab)
            took.append(time.perf_counter() - began)
            discard(lab)
        figures.append(
            Figure(f"{name}: Stop to ended, most of {STOPS}", max(took), STOP_LIMIT, "s")
        )
    return figures


# --- how soon: from the start of the process to the first picture

FIRST_PAINT = """
import os, sys, time
from app import launch
from app.ui import application
from PyQt6.QtCore import QTimer
class Window(application.MainWindow):
    painted = False
    def paintEvent(self, event):
        super().paintEvent(event)
        if not self.painted:
            self.painted = True
            # After all of it is painted and handed to the screen.
            QTimer.singleShot(0, self.told)
    def told(self):
        print(time.time() - float(os.environ["BEGAN"]), "torch" in sys.modules, flush=True)
        self.close()
application.MainWindow = Window
sys.exit(launch.main(["--safe-mode"]))
"""


def start(window: MainWindow | None = None) -> list[Figure]:
    took = []
    torch = False
    for _ in range(7):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_PAINT],
            env={**os.environ, "BEGAN": repr(time.time())},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        seconds, loaded = done.stdout.split()
        took.append(float(seconds))
        torch = torch or loaded == "True"
    return [
        # The first time fills the caches.
        Figure(
            "start of the process to the first painted window", float(np.median(took[1:])), 1.0, "s"
        ),
        Figure("torch imported by then", float(torch), 0, "times"),
    ]


PARTS = {
    "start": start,
    "heartbeat": heartbeat,
    "slider": slider,
    "throughput": throughput,
    "stopping": stopping,
    "cycles": cycles,
    "cnn-heartbeat": cnn_heartbeat,
    "cnn-throughput": cnn_throughput,
    "cnn-cycles": cnn_cycles,
    "torch-heartbeat": torch_heartbeat,
    "torch-throughput": torch_throughput,
    "torch-cycles": torch_cycles,
    "twin-heartbeat": twin_heartbeat,
    "workbench-heartbeat": workbench_heartbeat,
}
# These start processes of their own.
ALONE = ("start", "twin-heartbeat")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PARTS, []], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args()
    names = options.names or list(PARTS)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="filterscope-bench-") as folder:
        os.environ["FILTERSCOPE_RUNS"] = folder
        window = None
        for name in names:
            print(f"measuring {name} …", file=sys.stderr)
            own = name in ALONE and os.environ.get("FILTERSCOPE_KERNELS") != "reference"
            if not own and window is None:
                application = QApplication([])
                application.setStyle("Fusion")
                theme.choose("dark")
                window = open_window()
            found = PARTS[name](window)
            figures += found
            if not options.json:
                print("\n".join(figure.line() for figure in found), flush=True)
        if window is not None:
            window.close()
    if options.json:
        print(json.dumps({f.name: {**asdict(f), "held": f.held} for f in figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
