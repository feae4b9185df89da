"""Twenty trainings killed at any moment: nothing is lost, nothing torn, and each can go on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What a process that is killed leaves is the same on any disk; this one is waited for least.
IN_MEMORY = {"TMPDIR": "/dev/shm"} if os.access("/dev/shm", os.W_OK) else {}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no forks")
def test_twenty_kills_lose_nothing():
    """The same as ``python -m tools.kill_sweep 200``, where a process of its own may fork."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.kill_sweep", "20", "1"],
        cwd=ROOT,
        env={**os.environ, **IN_MEMORY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == 20
    assert found["lost runs"] == found["torn files"] == found["not resumable"] == 0
    assert found["brought to their end"] == found["with the same bits"] > 0
    assert found["most unfinished files"] <= 1
    assert found["most steps computed anew"] <= 1
