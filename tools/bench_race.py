"""Measure a race of four: how smooth the window is, what turns cost, what is left behind.

    QT_QPA_PLATFORM=offscreen python tools/bench_race.py [NAME ...]

Names: heartbeat, cnn-heartbeat, turns, cycles; all by default. Figures of a busy machine say
nothing. Nothing is written outside of a temporary folder.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time

import bench_window as bench
import numpy as np
import psutil
from PyQt6.QtCore import QEvent
from PyQt6.QtWidgets import QApplication

from app.core.control import Control
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.data.sample import sample_path
from app.core.race.line_up import line_up
from app.core.race.lockstep import RaceControl, race
from app.core.rebuilt import learner_of
from app.core.runs import Recorder
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec, PreprocessSpec
from app.core.training import train
from app.ui.labs.places import RACE
from app.ui.main_window import MainWindow
from app.ui.panels.race_panel import RacePanel
from app.ui.theme import theme

FOUR = (0.02, 0.05, 0.2, 0.5)
RACES, WARM_UP, EVERY = 100, 20, 10


def lab(window: MainWindow, kind: str = "autoencoder", values: str = "") -> RacePanel:
    """Turn to the race, with four racers in its form."""
    window.show_lab(RACE)
    panel = window.race
    panel.form.network.setCurrentIndex(panel.form.network.findData(kind))
    panel.form.values.setText(values or ", ".join(map(str, FOUR)))
    panel.form.epochs.setText(str(bench.ENDLESS))
    bench.wait_until(lambda: panel.ready)
    return panel


def begin(panel: RacePanel) -> None:
    panel.start()
    bench.wait_until(
        lambda: all(len(one.history) for one in panel.session.contestants) or not panel.state.alive
    )


def end(panel: RacePanel) -> None:
    panel.reset(0)
    bench.wait_until(lambda: panel.state.value == "idle" and not panel.session.contestants)


def _heartbeat(panel: RacePanel, name: str) -> list[bench.Figure]:
    begin(panel)
    figures = bench._beats(name)
    end(panel)
    return figures


def heartbeat(window: MainWindow) -> list[bench.Figure]:
    return _heartbeat(lab(window), "heartbeat, four autoencoders race")


def cnn_heartbeat(window: MainWindow) -> list[bench.Figure]:
    panel = lab(window, "cnn", "1e-4, 3e-4, 1e-3, 3e-3")
    return _heartbeat(panel, "heartbeat, four CNNs race")


def turns(window: MainWindow) -> list[bench.Figure]:
    """Hold four in turns against the same four one after the other, both recorded."""
    data = preprocess(open_patches(str(sample_path())), PreprocessSpec())
    specs = [AutoencoderSpec(rho=rho, epochs=20) for rho in FOUR]
    ratios = []
    for _ in range(3):
        began = time.perf_counter()
        racers = line_up(data, specs, root=data_folder(), threads=1)
        for _event in race(racers, RaceControl(4)):
            pass
        together = time.perf_counter() - began
        began = time.perf_counter()
        for racer in line_up(data, specs, root=data_folder(), threads=1):
            for _note in racer.close():
                pass
            info = racer.run.info
            learner, order = learner_of(info, data, racer.spec, 1)
            recorder = Recorder(racer.run)
            for event in train(
                learner,
                racer.spec,
                Control(),
                examples=order.count,
                order=order,
                run_id=info.run_id,
            ):
                recorder.take(event)
            recorder.close()
        ratios.append(together / (time.perf_counter() - began))
    return [bench.Figure("a race takes, of its runs one after the other", min(ratios), 1.5, "×")]


def cycles(window: MainWindow) -> list[bench.Figure]:
    process, panel = psutil.Process(), lab(window)
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    rows = []
    for cycle in range(WARM_UP + RACES + 1):
        begin(panel)
        end(panel)
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
    return [
        bench.Figure(f"memory a race, over {RACES} races", slope, 80, "kB"),
        *(
            bench.Figure(
                f"{what} more than {RACES} races ago", float(table[-1, c] - table[0, c]), 0, ""
            )
            for what, c in (("threads", 2), ("descriptors", 3), ("widgets", 4))
        ),
    ]


PARTS = {
    "heartbeat": heartbeat,
    "cnn-heartbeat": cnn_heartbeat,
    "turns": turns,
    "cycles": cycles,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*PARTS, []])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FILTERSCOPE_RUNS"] = folder
        application = QApplication([])
        application.setStyle("Fusion")
        theme.choose("dark")
        window = bench.open_window()
        for name in options.names or PARTS:
            print(f"measuring {name} …", file=sys.stderr)
            print("\n".join(figure.line() for figure in PARTS[name](window)), flush=True)
        window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
