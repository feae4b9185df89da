"""The window closes in every phase, in a process of its own: promptly, without a word, with exit code 0."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.core.resume import can_go_on
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files

ROOT = Path(__file__).parent.parent.parent

# Runs the program as main.py does; `phase` says when it is closed. A phase must be reached, and
# closing must end: the time limit of the process is the only clock. How long closing takes is said
# in processor time, which is the same however busy the machine is.
DRIVER = """
import os, sys, time, traceback
from pathlib import Path
from PyQt6.QtCore import QTimer
from app import launch
from app.ui import application, main_window
from app.ui.training_session import State

phase = sys.argv[1]
windows = []

class Window(main_window.MainWindow):
    def __init__(self, settings):
        super().__init__(settings)
        windows.append(self)
        self.watch = QTimer(self)
        self.watch.timeout.connect(self.look)
        self.watch.start(5)
        self.began = False

    def look(self):
        try:
            reached = self.reached()
        except Exception:
            # The program goes on after a bug; this test must not wait for it.
            traceback.print_exc()
            os._exit(3)
        if reached:
            self.watch.stop()
            self.asked = time.process_time()
            self.close()

    def reached(self):
        if phase == "at once":
            return True
        if phase == "loading":
            return self.data.busy
        if self.data.patches is None or self.data.busy:
            return False
        if phase == "ready":
            return True
        if phase.startswith("cnn"):
            return self.reached_network()
        if phase == "racing":
            return self.reached_race()
        if not self.began:
            self.began = True
            lab = self.autoencoder_lab
            lab.take_spec(lab.spec.changed(epochs=1_000_000))
            self.on_main()
            if phase == "starting":
                return True
            if phase == "paused at its start":
                self.training.pause()
            return False
        state, training = self.training.state, self.training.training
        if phase == "training":
            return len(training.history) > 50
        if phase == "paused":
            if state is State.RUNNING and len(training.history) > 20:
                self.on_main()
            return state is State.PAUSED
        if phase == "paused at its start":
            return state is State.PAUSED
        if phase == "stopping":
            if state is State.RUNNING and len(training.history) > 20:
                self.training.stop()
            # Not at the next look: on a busy machine the training has ended by then.
            return self.training.state is State.STOPPING
        if phase == "saving":
            if len(training.history) < 20:
                return False
            self.exporter.save("weights", Path(sys.argv[2]) / "w.npz")
            return True
        raise ValueError(phase)

    def reached_race(self):
        if not self.began:
            self.began = True
            self.show_lab(main_window.RACE)
            self.race.form.epochs.setText("1000000")
            self.on_main()
        racers = self.race.session.contestants
        return bool(racers) and min(len(one.history) for one in racers) > 50

    def reached_network(self):
        if not self.began:
            self.began = True
            self.show_lab(2)
        lab = self.convnet_lab
        if phase == "cnn drawing":
            return lab.session.busy
        if lab.data is None or lab.session.busy:
            return False
        if lab.training.state is State.IDLE:
            lab.start()
            return False
        if phase == "cnn reading":
            if len(lab.training.training.history) > 2:
                lab.panel.refresh()
            return lab.readings.busy
        if phase == "cnn on loops":
            # In the middle of a step that takes many seconds.
            self.since = getattr(self, "since", time.monotonic())
            return lab.training.state is State.RUNNING and time.monotonic() - self.since > 1
        return len(lab.training.training.history) > 2

application.MainWindow = Window
code = launch.main(sys.argv[3:])
took = time.process_time() - windows[0].asked
print(f"closed {took:.2f}", flush=True)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "phase",
    [
        "at once",
        "loading",
        "ready",
        "starting",
        "training",
        "paused",
        "paused at its start",
        "stopping",
        "saving",
        "racing",
        "cnn drawing",
        "cnn training",
        "cnn reading",
        "cnn on loops",
    ],
)
def test_it_closes_in_every_phase(tmp_path: Path, phase: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(DRIVER), phase, str(tmp_path)],
        cwd=ROOT,
        env={
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "FILTERSCOPE_RUNS": str(tmp_path / "runs"),
            **({"FILTERSCOPE_KERNELS": "reference"} if phase == "cnn on loops" else {}),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [
        line
        for line in done.stderr.splitlines()
        if "does not support propagateSizeHints" not in line
    ]
    assert done.returncode == 0, done.stderr
    assert said == []
    word, seconds = done.stdout.split()
    assert word == "closed"
    assert float(seconds) <= 3.0
    if phase in ("training", "paused", "paused at its start", "cnn training"):
        (path,) = (tmp_path / "runs").iterdir()
        assert list(path.rglob("*.part")) == []
        run = RunFolder.open(path)
        assert run.info.state == "stopped"
        assert can_go_on(run)
        # Before its first step the seed says all.
        at_start = phase == "paused at its start"
        assert (run.info.outcome.step == 0) == at_start
        assert (checkpoint_files(path) == []) == at_start
    if phase == "racing":
        runs = list((tmp_path / "runs").iterdir())
        assert len(runs) == 3
        assert all(list(run.glob("checkpoints/*")) for run in runs)
        assert not [part for run in runs for part in run.rglob("*.part")]
