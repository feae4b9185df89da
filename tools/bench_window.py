"""Measure the window: how smooth, how prompt, how dear, how tight, how soon; each figure beside its bar.

    QT_QPA_PLATFORM=offscreen python tools/bench_window.py [NAME ...] [--json]

Names: start, heartbeat, slider, throughput, cycles; all by default. Figures of a busy machine
say nothing. Nothing is written outside of a temporary folder.
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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.launch import limit_threads

limit_threads()

import numpy as np
import psutil
from PyQt6.QtCore import QEvent, QEventLoop, Qt, QTimer
from PyQt6.QtWidgets import QApplication, QSlider

from app.core.control import Control
from app.core.events import Steps
from app.core.learners import AutoencoderLearner
from app.core.settings import Settings
from app.core.training import train
from app.ui.main_window import MainWindow
from app.ui.theme import theme
from app.ui.training_session import State

SECONDS = 10.0
ENDLESS = 1_000_000
CYCLES, WARM_UP, EVERY = 1000, 100, 50


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it must not exceed."""

    name: str
    value: float
    bar: float
    unit: str

    @property
    def held(self) -> bool:
        return self.value <= self.bar

    def line(self) -> str:
        verdict = "" if self.held else "   MISSED"
        return f"{self.name:52} {self.value:9.3g} {self.unit:10} at most {self.bar:g}{verdict}"


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let the window live until `condition` holds."""
    loop = QEventLoop()
    deadline = time.monotonic() + seconds
    timer = QTimer()

    def look() -> None:
        if condition() or time.monotonic() > deadline:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(1)
    if not condition():
        loop.exec()
    timer.stop()
    if not condition():
        raise SystemExit("The window did not get there in time.")


def live(seconds: float) -> None:
    """Let the window live for a while."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds + 60)


def open_window() -> MainWindow:
    window = MainWindow(Settings())
    window.keep_settings = False
    window.show()
    window.open_sample()
    wait_until(lambda: window.data.patches is not None and not window.runner.busy)
    return window


def begin(window: MainWindow) -> None:
    lab = window.autoencoder_lab
    lab.take_spec(lab.spec.changed(epochs=ENDLESS))
    lab.start()
    wait_until(lambda: len(history_of(window)) > 0)


def history_of(window: MainWindow):
    training = window.autoencoder_lab.training.training
    return [] if training is None else training.history


def stop(window: MainWindow) -> None:
    session = window.autoencoder_lab.training
    session.stop()
    wait_until(lambda: not session.state.alive)


def discard(window: MainWindow) -> None:
    window.autoencoder_lab.reset(0)
    wait_until(lambda: not window.runner.busy)


# --- how smooth: a heartbeat in the window's thread while it trains at full speed


def heartbeat(window: MainWindow) -> list[Figure]:
    begin(window)
    beats: list[float] = []
    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    timer.start(16)
    live(SECONDS)
    timer.stop()
    discard(window)
    gaps = np.diff(beats) * 1e3
    return [
        Figure("heartbeat while training, p99 gap", float(np.percentile(gaps, 99)), 50, "ms"),
        Figure("heartbeat while training, greatest gap", float(gaps.max()), 150, "ms"),
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
    begin(window)
    control = window.findChild(QSlider, "rhoSlider")
    moved: dict[float, float] = {}
    for turn in range(100):
        position = 200 + 5 * turn
        began = time.perf_counter()
        control.setValue(position)
        moved[window.spec.rho] = began
        live(0.05 + 0.013 * (turn % 3))
    discard(window)
    AutoencoderLearner.params_changed = original
    waits = [(when - moved[rho]) * 1e3 for when, rho in used if rho in moved]
    if len(waits) < 90:
        raise SystemExit(f"Only {len(waits)} of 100 values arrived.")
    return [
        Figure("slider to the step that uses it, p95", float(np.percentile(waits, 95)), 50, "ms")
    ]


# --- how dear: what the window takes from training on as many threads


def throughput(window: MainWindow) -> list[Figure]:
    lab = window.autoencoder_lab
    seen: dict[str, list[float]] = {"window": [], "headless": []}
    for _ in range(3):
        begin(window)
        live(0.5)
        before, began = len(history_of(window)), time.perf_counter()
        live(3.0)
        seen["window"].append((len(history_of(window)) - before) / (time.perf_counter() - began))
        discard(window)
        seen["headless"].append(_headless(window.data.patches, lab, 3.0))
    share = 1 - max(seen["window"]) / max(seen["headless"])
    return [Figure("share of throughput that the window takes", share * 100, 10, "%")]


def _headless(patches, lab, seconds: float) -> float:
    """Return steps a second with nothing to look at, in a thread as ever."""
    spec, recipe = lab.spec.changed(epochs=ENDLESS), lab.training.recipe
    control, rates = Control(), []

    def job() -> None:
        learner = recipe.make_learner(patches, spec, lab.training.threads)
        steps, began = 0, 0.0
        for event in train(
            learner,
            spec,
            control,
            examples=recipe.examples(patches, spec),
            order=recipe.order(patches, spec),
            run_id="headless",
        ):
            now = time.perf_counter()
            if isinstance(event, Steps):
                if began == 0.0 and steps > 500:
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
    process = psutil.Process()
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    rows = []
    lab = window.autoencoder_lab
    for cycle in range(WARM_UP + CYCLES + 1):
        begin(window)
        stop(window)
        assert lab.training.state is State.ENDED
        discard(window)
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
        Figure(f"memory a cycle, over {CYCLES} trainings", slope, 20, "kB"),
        *(
            Figure(f"{name} more than {CYCLES} trainings ago", float(n), 0, "")
            for name, n in growth.items()
        ),
    ]


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
    "cycles": cycles,
}


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
            if name != "start" and window is None:
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
