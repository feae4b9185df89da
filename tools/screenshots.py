"""Make the pictures of the README: the real window, the sample patches, a real training.

    QT_QPA_PLATFORM=offscreen python tools/screenshots.py [FOLDER]

Settings and seed are fixed and training is as long as the settings say, so that the filters are
the same each time. Nothing is written but the pictures, into docs/ by default.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.launch import limit_threads

limit_threads()

from driven_window import wait_until
from PyQt6.QtWidgets import QApplication

from app.core.checks import CHECKS
from app.core.settings import Settings
from app.core.storage import save_bytes
from app.ui.main_window import MainWindow
from app.ui.pictures import widget_png
from app.ui.theme import theme
from app.ui.training_session import State

EPOCHS = 120
# Where ρ is moved on the way, so that the mark of a live value is seen.
MOVED_AT, FIRST_RHO = 4, 0.2
CNN_EPOCHS = 4
RACE_EPOCHS = 60
SIZE = (1400, 880)


def settle() -> None:
    """Let what was asked for be drawn."""
    for _ in range(20):
        QApplication.processEvents()


def take(window: MainWindow, folder: Path, name: str) -> None:
    settle()
    save_bytes(folder / f"{name}.png", widget_png(window, 2), overwrite=True)
    print(folder / f"{name}.png")


def train(window: MainWindow) -> None:
    """Train as a person would: begin with a large ρ, bring it down, let it end."""
    lab = window.autoencoder_lab
    lab.take_spec(lab.spec.changed(rho=FIRST_RHO, epochs=EPOCHS))
    lab.show_spec()
    # Paused at a step that is always the same, so that the change falls on the same step too.
    lab.start(single=True)
    wait_until(lambda: lab.training.state is State.PAUSED)
    steps = MOVED_AT * lab.training.training.steps_per_epoch
    for _ in range(steps - 1):
        lab.training.single_step()
    wait_until(lambda: len(lab.training.training.history) == steps)
    wait_until(lambda: lab.training.state is State.PAUSED)
    lab.take_spec(lab.spec.changed(rho=0.05))
    lab.show_spec()
    lab.training.resume()
    wait_until(lambda: lab.training.state is State.ENDED)


def train_network(window: MainWindow) -> None:
    """Train the three-layer network on the drawn shapes, and look at one of them."""
    lab = window.convnet_lab
    window.show_lab(2)
    wait_until(lambda: lab.data is not None and not window.runner.busy)
    lab.take_spec(lab.spec.changed(epochs=CNN_EPOCHS, evaluate_every=60))
    lab.show_spec()
    lab.start()
    wait_until(lambda: lab.training.state is State.ENDED)
    wait_until(lambda: not lab.readings.busy)
    answers = lab.panel.answers
    wrong = answers.mistakes()
    lab.panel.choose_image(int(answers.rows[wrong[0] if len(wrong) else 0]))
    wait_until(lambda: not lab.readings.busy)


def prove_convolution(window: MainWindow) -> None:
    """Turn to the workbench: convolution, its checks, its gradients, the ladder, its time."""
    window.show_lab(3)
    panel = window.workbench
    quick = [name for name, check in CHECKS.items() if not check.slow]
    wait_until(lambda: not panel.checks.running)
    panel.checks.run(quick)
    wait_until(lambda: not panel.checks.running)
    panel.show_topic("conv")
    wait_until(lambda: not window.runner.busy)
    panel.time.start.click()
    wait_until(lambda: not window.runner.busy)


def race(window: MainWindow) -> None:
    """Race three ρ on the sample patches to the end."""
    window.show_lab(6)
    window.race.form.epochs.setText(str(RACE_EPOCHS))
    window.race.start()
    wait_until(lambda: window.race.state is State.ENDED)
    wait_until(lambda: not window.runner.busy)


def compare(window: MainWindow) -> None:
    """Turn to the runs, and lay two of the race beside each other."""
    two = {one.racer.run.path for one in window.race.session.contestants[:2]}
    window.show_lab(4)
    panel = window.runs
    wait_until(lambda: not window.runner.busy and not panel.reading)
    panel.choose(two)
    panel.details.show_page(2)
    wait_until(lambda: not window.runner.busy and not panel.reading)


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    folder.mkdir(parents=True, exist_ok=True)
    application = QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    theme.choose("dark")
    with tempfile.TemporaryDirectory(prefix="filterscope-screenshots-") as runs:
        os.environ["FILTERSCOPE_RUNS"] = runs
        window = MainWindow(Settings())
        window.keep_settings = False
        window.resize(*SIZE)
        window.show()
        window.opening.open_sample()
        wait_until(lambda: window.data.patches is not None and not window.runner.busy)
        train(window)
        wait_until(lambda: not window.runner.busy)
        take(window, folder, "autoencoder-dark")
        theme.choose("light")
        window.autoencoder.open_unit(17)
        take(window, folder, "unit-light")
        window.show_lab(0)
        take(window, folder, "data-light")
        train_network(window)
        take(window, folder, "cnn-light")
        theme.choose("dark")
        prove_convolution(window)
        take(window, folder, "workbench-dark")
        race(window)
        take(window, folder, "race-dark")
        theme.choose("light")
        compare(window)
        take(window, folder, "runs-light")
        window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
