"""The random user: it uses the program for a while, and finds what is planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

PLANTED = """
import sys
from app.ui.main_window import MainWindow
from tools.random_user.__main__ import main

def broken(self, *_):
    {fault}

MainWindow.{method} = broken
sys.exit(main(["--seed", "1", "--actions", "400"]))
"""


def use(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.slow
def test_a_short_while_is_used_without_a_fault(tmp_path: Path) -> None:
    """More of it: ``python -m tools.random_user --seed 0 --actions 2000``."""
    done = use(tmp_path, "-m", "tools.random_user", "--seed", "5", "--actions", "40")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "actions, nothing found" in done.stdout
    assert list(tmp_path.iterdir()) == [], "what was written is gone again"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "fault", "told"),
    [
        ("on_data", "raise ValueError('planted')", "ValueError: planted"),
        ("show_state", "return None", "does not fit the state"),
        ("show_lab", "open('/nowhere', 'w')", "The program changes /nowhere (open)"),
    ],
)
def test_what_is_planted_is_found(tmp_path: Path, method: str, fault: str, told: str) -> None:
    done = use(tmp_path, "-c", PLANTED.format(method=method, fault=fault))
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.startswith("FOUND, seed 1, action ")
    assert told in done.stdout
    assert "The last actions:" in done.stdout
