"""Kill trainings at named points of a save and at random moments: ``python -m tools.kill_sweep [200]``.

Each is killed with SIGKILL while it trains, or while it goes on after an earlier kill, or while
somebody writes on it. Whatever moment it was: its folder opens, no file is torn, at most one
unfinished file lies beside the others, and it can go on. Every third run is brought to its end,
and must have the same bits as one that was never interrupted.

Everything is written as often as it can be: a checkpoint after each step, a keyframe whenever
one is due, in a budget of a few, so that they are thinned all the time. Prints one line of JSON
last; the exit code is 1 when anything was lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np

from app.cli import main as command_line
from app.core import resume, storage, training
from app.core.errors import FilterscopeError, UsageError
from app.core.runs import RunFolder, recorder
from app.core.runs.checkpoint import checkpoint_files, read_checkpoint
from app.core.runs.files import LABELS, read
from app.core.runs.labels import RunLabels, write_labels
from app.core.settings import read_json

POINTS = (
    "created",
    "written",
    "synced",
    "verified",
    "placed",
    "folder synced",
    "log appended",
    "keyframe saved",
    "removed",
    "thinned",
    "checkpoint saved",
    "best saved",
)
SETTINGS = {
    "adam": ("autoencoder {patches}", "hidden_units=8", "batch_size=16", "epochs=10"),
    "cnn": (
        "cnn {labelled}",
        "layers=conv 4 3x3, batchnorm, relu, pool 2",
        *("batch_size=16", "train_count=80", "validation_count=20", "evaluate_every=2"),
        *("dropout=0.3", "flip=yes", "crop=2", "epochs=10"),
    ),
}
KINDS = {
    kind: [*what.split(), *(part for value in values for part in ("--set", value))]
    for kind, (what, *values) in SETTINGS.items()
}
BUDGET = {"adam": 40_000, "cnn": 20_000}
NOTES = [f"note {number} " * number for number in range(1, 40)]


def write_often(kind: str) -> None:
    """Let this process write after every step."""
    for name in ("KEYFRAME_SECONDS", "HISTORY_SECONDS"):
        setattr(recorder, name, 0.0)
    training.CALL_SECONDS = 0.0
    training.train.__kwdefaults__.update(checkpoint_seconds=0.0, snapshot_seconds=0.0)
    recorder.Recorder.__init__.__kwdefaults__["keyframe_budget"] = BUDGET[kind]


def in_a_process(
    work: Callable[[], Any], *, point: str = "", times: int = 1, after: float | None = None
) -> int:
    """Do some work in a process of its own; returns its exit code, negative when it was killed.

    It ends at a point, the Nth time it gets there, or after so many seconds.
    """
    child = os.fork()
    if child == 0:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        storage._KILL_AT, storage._kill_after = point, times
        code = 70
        with contextlib.suppress(BaseException):
            code = int(work() or 0)
        os._exit(code)
    if after is not None:
        # The moment is random on purpose; nothing is waited for.
        time.sleep(after)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


class Sweep:
    """Some hundred kills, and what was found after each."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.random = random.Random(seed)
        self.found: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.faults: list[str] = []
        rng = np.random.default_rng(0)
        self.files = {"patches": root / "patches.npy", "labelled": root / "labelled.npz"}
        np.save(self.files["patches"], rng.integers(0, 256, (96, 6, 6), np.uint8))
        np.savez(
            self.files["labelled"],
            images=rng.integers(0, 256, (120, 3, 8, 8), np.uint8),
            labels=np.arange(120, dtype=np.uint8) % 4,
        )
        self.whole: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}
        for kind in KINDS:
            began = time.perf_counter()
            self.whole[kind] = root / f"whole-{kind}"
            assert in_a_process(self.train(kind, self.whole[kind])) == 0
            self.seconds[kind] = time.perf_counter() - began

    def train(self, kind: str, place: Path) -> Callable[[], int]:
        """Return the training of a kind into a folder, as work."""
        words = [part.format(**self.files) for part in KINDS[kind]]

        def work() -> int:
            write_often(kind)
            return command_line(["train", *words, "--threads", "1", "--out", str(place)])

        return work

    def go_on(self, kind: str, place: Path) -> Callable[[], int]:
        """Return the continuation of a run as work."""

        def work() -> int:
            write_often(kind)
            return command_line(["runs", "resume", str(place), "--threads", "1"])

        return work

    def label(self, place: Path) -> Callable[[], int]:
        """Return the writing of many notes on a run as work."""

        def work() -> int:
            for note in NOTES * 5:
                write_labels(place, RunLabels(note=note))
            return 0

        return work

    def kill(self, work: Callable[[], int], kind: str, what: str) -> bool:
        """Kill it at a moment; returns False when it was done before that."""
        if self.random.random() < 0.3:
            code = in_a_process(work, after=self.random.uniform(0, self.seconds[kind]))
            where = "a random moment"
        else:
            where = self.random.choice(POINTS if what != "labels" else POINTS[:6])
            times = int(10 ** self.random.uniform(0, 2))
            code = in_a_process(work, point=where, times=times)
        if code != -signal.SIGKILL:
            if code:
                self.faults.append(f"{what}: exit code {code}")
            return False
        self.found["kills"] += 1
        self.found[f"{what}, {where}"] += 1
        return True

    def state(self, place: Path) -> str:
        """Return how a run stands."""
        return RunFolder.open(place).info.state

    def fault(self, place: Path, said: str) -> None:
        """Note what went wrong."""
        self.faults.append(f"{place.name}: {said}")

    def check(self, kind: str, place: Path) -> bool:
        """Look at what a kill left; returns whether there is a run."""
        # The name says whose it is; the next that trains there removes those of the dead.
        owners = Counter(path.name.split("-")[-2] for path in place.rglob("*.part-*"))
        parts = max(owners.values(), default=0)
        self.most["unfinished files"] = max(self.most["unfinished files"], parts)
        if parts > 1:
            self.fault(place, f"{parts} unfinished files of one process")
        if not (place / "run.json").exists():
            self.found["killed before there was a run"] += 1
            return False
        try:
            run = RunFolder.open(place)
        except UsageError as error:
            self.found["lost runs"] += 1
            self.fault(place, error.message)
            return False
        if run.info.state not in ("crashed", "done"):
            self.fault(place, f"it is said to be {run.info.state}")
        self.check_files(run)
        history = self.check_history(kind, run)
        if run.info.state == "crashed":
            if not resume.can_go_on(run):
                self.found["not resumable"] += 1
                self.fault(place, "it cannot go on")
            kept = [int(path.stem) for path in checkpoint_files(place)[:1]]
            lost = history - (kept[0] if kept else 0)
            self.most["steps computed anew"] = max(self.most["steps computed anew"], lost)
        return True

    def check_files(self, run: RunFolder) -> None:
        """Read every file that has its final name."""
        checks: list[tuple[Path, Callable[[Path], object]]] = [
            *((path, run.read_keyframe) for _, path in run.keyframes()),
            *((path, read_checkpoint) for path in checkpoint_files(run.path)),
        ]
        for path, look in checks:
            try:
                look(path)
            except FilterscopeError as error:
                self.found["torn files"] += 1
                self.fault(run.path, error.message)
        if (run.path / LABELS).exists():
            said = read_json(read(run.path / LABELS, 1 << 16, "none"))
            if said.get("note") not in NOTES:
                self.found["torn files"] += 1
                self.fault(run.path, "its note is none that was written")
        if (run.path / "units.jsonl").exists() and "damaged" in run.read_statistics()[1]:
            self.found["torn files"] += 1
            self.fault(run.path, "its statistics are damaged")

    def check_history(self, kind: str, run: RunFolder) -> int:
        """Hold the steps against those of the whole run; returns how many there are."""
        if not (run.path / "history.jsonl").exists():
            return 0
        history, note = run.read_history()
        whole, _ = RunFolder.open(self.whole[kind]).read_history()
        if "damaged" in note or not np.array_equal(history.terms, whole.terms[: len(history)]):
            self.found["torn files"] += 1
            self.fault(run.path, note or "its steps are others")
        return len(history)

    def finish(self, kind: str, place: Path) -> None:
        """Bring a run to its end, and hold it against the one that was never interrupted."""
        code = in_a_process(self.go_on(kind, place))
        if code:
            self.fault(place, f"going on ended with exit code {code}")
            return
        ended, whole = RunFolder.open(place), RunFolder.open(self.whole[kind])
        one, other = (read_checkpoint(checkpoint_files(run.path)[0]) for run in (ended, whole))
        same = one.step == other.step and all(
            np.array_equal(array, other.state[name]) for name, array in one.state.items()
        )
        same = same and np.array_equal(ended.read_history()[0].terms, whole.read_history()[0].terms)
        left = len(list(place.rglob("*.part-*")))
        self.found["brought to their end"] += 1
        self.found["with the same bits"] += same
        if not same or left or ended.info.state != "done":
            self.fault(place, f"it ended {ended.info.state}, the same: {same}, left over: {left}")

    def run(self, count: int) -> None:
        """Kill so many times."""
        number = 0
        while self.found["kills"] < count and len(self.faults) < 20:
            number += 1
            kind = list(KINDS)[number % len(KINDS)]
            place = self.root / f"run-{number:04d}"
            if not self.kill(self.train(kind, place), kind, "training"):
                continue
            if not self.check(kind, place):
                continue
            for _ in range(number % 3):
                if self.found["kills"] >= count or self.state(place) != "crashed":
                    break
                if self.kill(self.go_on(kind, place), kind, "going on"):
                    self.check(kind, place)
            if number % 4 == 0 and self.kill(self.label(place), kind, "labels"):
                self.check(kind, place)
            if number % 3 == 0 and self.state(place) == "crashed":
                self.finish(kind, place)


def main() -> int:
    """Print what was found."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as folder:
        sweep = Sweep(Path(folder), seed)
        sweep.run(count)
    for name, times in sorted(sweep.found.items()):
        print(f"{name:40} {times}")
    for fault in sweep.faults:
        print(f"FAULT  {fault}")
    said = {
        name: sweep.found[name] for name in ("kills", "lost runs", "torn files", "not resumable")
    }
    said |= {name: sweep.found[name] for name in ("brought to their end", "with the same bits")}
    print(json.dumps({**said, **{f"most {k}": v for k, v in sweep.most.items()}}))
    return 1 if sweep.faults else 0


if __name__ == "__main__":
    sys.exit(main())
