"""A run that is read while it is trained: what is still written is told from what is damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.core.errors import UsageError
from app.core.runs import DiskUse, RunFolder
from app.core.runs.checkpoint import checkpoint_files
from tests.core.test_runs import curve, events_of, record, spec

ROOT = Path(__file__).resolve().parents[3]

WRITER = """
import sys; from pathlib import Path
from tests.core.test_runs import *
import app.core.runs.recorder as runs
runs.KEYFRAME_SECONDS = runs.HISTORY_SECONDS = 0.0
s = spec(epochs=100000); run = folder(Path(sys.argv[1]), s, path=Path(sys.argv[1]) / "live")
r = Recorder(run, keyframe_budget=20_000)
for e in events_of(s, checkpoint_seconds=0.0, snapshot_seconds=0.0):
    r.take(e)
    if isinstance(e, Steps) and e.last_step > 20: print("ready", flush=True)
"""


def test_a_reader_of_a_live_run_never_meets_damage(tmp_path):
    """It is written at full speed, its checkpoints replaced, its keyframes thinned meanwhile."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        expected = curve(events_of(spec(epochs=1000))).terms
        before = 0
        for _ in range(150):
            run = RunFolder.open(tmp_path / "live")
            assert run.info.state == "running"
            history, note = run.read_history()
            assert note in ("", "The last line of the history is still being written.")
            seen = min(len(history), len(expected))
            np.testing.assert_array_equal(history.terms[:seen], expected[:seen])
            assert len(history) >= before
            before = len(history)
            assert "damaged" not in run.read_statistics()[1]
            saved, _ = run.read_checkpoint()
            assert saved.step > 0
            step, weights, _ = run.read_weights()
            assert step >= 0
            assert np.isfinite(weights["W1"]).all()
            assert DiskUse.of(run.path).total > 0
        process.kill()
    assert before > 20


@pytest.fixture
def run(tmp_path):
    found, _ = record(tmp_path, events=events_of(spec(), checkpoint_seconds=0.0))
    return found


def alive(run):
    """Return the run as it is seen while its process trains on."""
    born = psutil.Process().create_time()
    run.write_info(run.info.changed(outcome=None, ended=None, pid=os.getpid(), pid_started=born))
    return RunFolder.open(run.path)


def test_a_line_without_its_end_is_still_written_or_was_cut_off(run):
    log = run.path / "history.jsonl"
    log.write_bytes(log.read_bytes() + b"0123abcd {")
    assert run.read_history()[1] == "The history was cut off in the middle of its last line."
    assert alive(run).read_history()[1] == "The last line of the history is still being written."


def test_damage_in_a_live_run_is_damage(run):
    log = run.path / "history.jsonl"
    hurt = bytearray(log.read_bytes())
    hurt[12] ^= 1
    log.write_bytes(hurt)
    assert "damaged at line 1" in alive(run).read_history()[1]


def test_the_checkpoint_before_stands_in_for_a_damaged_one(run):
    newest, before = checkpoint_files(run.path)
    assert run.read_checkpoint()[0].step == int(newest.stem)
    assert run.read_checkpoint()[1] == ""
    data = bytearray(newest.read_bytes())
    data[-3] ^= 1
    newest.write_bytes(data)
    saved, note = run.read_checkpoint()
    assert saved.step == int(before.stem)
    assert f"Checkpoint {int(newest.stem)} cannot be used" in note
    assert "the one before it is" in note
    before.unlink()
    with pytest.raises(UsageError, match="no checkpoint that can be read"):
        run.read_checkpoint()
