"""``torchrun … filterscope train cnn``: the run of one process, and what happens when one dies."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from app.cli import build_parser, main
from app.core.runs import RunFolder
from app.core.runs.checkpoint import checkpoint_files
from tests.core.distributed.rank import free_port
from tests.core.learners_of_images import images

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = [
    *("--set", "engine=torch", "--set", "precision=float64", "--set", "device=cpu"),
    *("--set", "layers=conv 4 3x3, batchnorm, relu, pool 2, dropout keep 0.7, affine 8, relu"),
    *("--set", "train_count=77", "--set", "validation_count=20", "--set", "flip=yes"),
    *("--set", "learning_rate=0.01", "--threads", "1"),
]


@pytest.fixture
def file(tmp_path):
    drawn = images()
    np.savez(tmp_path / "labelled.npz", images=drawn.x, labels=drawn.y)
    return tmp_path / "labelled.npz"


@pytest.fixture
def said(capsys):
    """Run a command in this process; returns its exit code, standard output and standard error."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


# The program, but for a checkpoint every half second.
OFTEN = """
import sys
from app.core.training import train
train.__kwdefaults__.update(checkpoint_seconds=0.5)
from app.launch import main
sys.exit(main(sys.argv[1:]))
"""
PROGRAM = (sys.executable, str(ROOT / "main.py"))


def torchrun(*arguments, program=PROGRAM) -> list[str]:
    """Return the README's own line for one host, with the program of this checkout."""
    (line,) = re.findall(r"(?m)^torchrun --standalone .*$", README)
    words = shlex.split(line, comments=True)
    before = words[1 : words.index("filterscope")]
    run = [sys.executable, "-m", "torch.distributed.run"]
    return [*run, *before, *program, *map(str, arguments)]


def started(command, **environment) -> subprocess.Popen:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, within=120):
    """Return how a process ended, and what it said; it is not left behind."""
    try:
        out, err = process.communicate(timeout=within)
    except BaseException:
        for one in (*psutil.Process(process.pid).children(recursive=True), process):
            one.kill()
        raise
    return process.returncode, out, err


def wait_for(condition, process, within=120):
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until or process.poll() is not None:
            raise AssertionError(ended(process, 0.1))
        time.sleep(0.02)


def ranks(process) -> dict[int, psutil.Process]:
    """Return torchrun's processes by rank."""
    found = psutil.Process(process.pid).children(recursive=True)
    named = {one: one.environ().get("RANK", "") for one in found}
    return {int(rank): one for one, rank in named.items() if rank}


def same(first: Path, second: Path) -> None:
    """Hold two runs against each other, to the last digits of float64."""
    a, b = RunFolder.open(first), RunFolder.open(second)
    assert a.info.spec == b.info.spec
    (x, note_a), (y, note_b) = a.read_history(), b.read_history()
    assert (note_a, note_b) == ("", "")
    np.testing.assert_array_equal(x.steps, y.steps)
    np.testing.assert_allclose(x.terms, y.terms, rtol=0, atol=1e-8)
    np.testing.assert_allclose(x.accuracies, y.accuracies, atol=1e-12)
    assert [(e.step, e.validation_accuracy, e.best) for e in x.evaluations] == [
        (e.step, e.validation_accuracy, e.best) for e in y.evaluations
    ]
    for (step, weights), (again, others) in [(a.read_weights()[:2], b.read_weights()[:2])]:
        assert step == again
        for name, array in weights.items():
            np.testing.assert_allclose(array, others[name], atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_two_processes_make_the_run_of_one_with_twice_the_batch(said, file, tmp_path):
    common = ["train", "cnn", file, *SETTINGS, "--epochs", "4", "--test", "--json"]
    code, out, _ = said(*common, "--set", "batch_size=16", "--out", tmp_path / "one")
    assert code == 0
    alone = json.loads(out)
    command = torchrun(*common, "--set", "batch_size=8", "--out", tmp_path / "two")
    code, out, err = ended(started(command))
    assert code == 0, err
    # Rank 0 alone says what came out, once.
    together = json.loads(out)
    assert together.keys() == alone.keys()
    assert together["loss"] == pytest.approx(alone["loss"], abs=1e-8)
    assert together["test_accuracy"] == alone["test_accuracy"]
    assert err.count("77 images, 20 steps") == 1
    same(tmp_path / "one", tmp_path / "two")
    info = RunFolder.open(tmp_path / "two").info
    assert (info.processes, info.hosts, info.spec.batch_size) == (2, 1, 16)
    assert "2 processes on 1 host, each CPU, 1 thread" in info.engine
    assert info.state == "done"


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_the_others_and_the_run_goes_on(said, file, tmp_path, rank):
    run = tmp_path / "run"
    endless = ["train", "cnn", file, *SETTINGS, "--epochs", "1000000", "--out", run]
    process = started(torchrun(*endless, program=(sys.executable, "-c", OFTEN)))
    wait_for(lambda: checkpoint_files(run), process)
    victim = ranks(process)[rank]
    victim.kill()
    began = time.monotonic()
    code, out, err = ended(process, 60)
    assert time.monotonic() - began < 60
    assert code != 0
    assert not out
    assert f"filterscope: Rank {rank} (process {victim.pid} on " in err
    assert err.count("is gone: it was killed, or it crashed.") == 1
    assert RunFolder.open(run).info.state in ("crashed", "expected")

    # Two processes go on from the last checkpoint as one does.
    shutil.copytree(run, tmp_path / "alone")
    epochs = len(RunFolder.open(run).read_history()[0].epoch_steps) + 3
    again = ["--epochs", epochs, "--threads", 1, "--json"]
    code, out, err = ended(started(torchrun("runs", "resume", run, *again)))
    assert code == 0, err
    assert json.loads(out)["epochs"] == epochs
    assert err.count("Going on after step") == 1
    assert said("runs", "resume", tmp_path / "alone", *again)[0] == 0
    same(run, tmp_path / "alone")


@pytest.mark.slow
def test_ctrl_c_stops_all_after_the_same_batch_and_the_run_is_kept(said, file, tmp_path):
    run = tmp_path / "run"
    endless = ["train", "cnn", file, *SETTINGS, "--epochs", "1000000", "--out", run]
    process = started(torchrun(*endless, program=(sys.executable, "-c", OFTEN)))
    wait_for(lambda: checkpoint_files(run), process)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process, 60)
    assert code != 0
    assert err.count("Stopping after this batch; the run is kept.") == 1
    assert out.startswith("run  ")
    info = RunFolder.open(run).info
    assert (info.state, info.processes) == ("stopped", 2)
    assert int(checkpoint_files(run)[0].stem) == info.outcome.step
    # One process goes on with what two began.
    epochs = int(info.outcome.epoch) + 1
    assert said("runs", "resume", run, "--epochs", epochs)[0] == 0
    assert RunFolder.open(run).info.state == "done"


@pytest.mark.slow
def test_what_happens_to_all_is_told_once(file, tmp_path):
    run = tmp_path / "run"
    wild = ["--set", "solver=sgd", "--set", "reg=1", "--set", "learning_rate=1e9"]
    command = torchrun("train", "cnn", file, *SETTINGS, *wild, "--epochs", "100", "--out", run)
    code, out, err = ended(started(command))
    assert (code, out) == (1, "")
    assert err.count("The cost stopped being a finite number at step") == 1
    assert RunFolder.open(run).info.state == "diverged"
    missing = torchrun("train", "cnn", tmp_path / "none", *SETTINGS)
    code, out, err = ended(started(missing))
    assert (code, out) == (1, "")
    assert err.count("filterscope: ") == 1


@pytest.mark.slow
def test_the_line_for_two_hosts_joins_two_of_them(file, tmp_path):
    (line,) = re.findall(r"(?m)^torchrun --nnodes .*$", README)
    words = shlex.split(line, comments=True)
    before = " ".join(words[1 : words.index("filterscope")])
    before = before.replace("192.168.1.10", "127.0.0.1").replace("29500", str(free_port()))
    before = before.replace("--nproc-per-node 2", "--nproc-per-node 1")
    program = [sys.executable, ROOT / "main.py", "train", "cnn", file, *SETTINGS, "--epochs", "1"]
    both = []
    for host in ("0", "1"):
        of_host = before.replace("--node-rank 0", f"--node-rank {host}").split()
        command = [sys.executable, "-m", "torch.distributed.run", *of_host, *program]
        both.append(started([*map(str, command), "--out", str(tmp_path / host), "--json"]))
    (code, out, err), (other_code, nothing, other_err) = map(ended, both)
    assert (code, other_code, nothing) == (0, 0, ""), err + other_err
    assert json.loads(out)["epochs"] == 1
    assert RunFolder.open(tmp_path / "0").info.processes == 2
    assert not (tmp_path / "1").exists()


# The command line, where a beat comes soon and silence is short.
HASTY = """
import sys
from app.core.distributed import group, watch
watch.BEAT_SECONDS, watch.SILENT_SECONDS, watch.GRACE_SECONDS = 0.1, 4.0, 0.5
from app.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows stops no process")
def test_a_rank_that_hangs_ends_the_others_which_wait_for_it(file, tmp_path):
    run, port = tmp_path / "run", str(free_port())
    endless = ["train", "cnn", file, *SETTINGS, "--epochs", "1000000", "--out", run]
    processes = [
        started(
            [sys.executable, "-c", HASTY, *map(str, endless)],
            RANK=str(rank),
            WORLD_SIZE="2",
            LOCAL_RANK=str(rank),
            LOCAL_WORLD_SIZE="2",
            MASTER_ADDR="127.0.0.1",
            MASTER_PORT=port,
        )
        for rank in (0, 1)
    ]
    first, second = processes
    try:
        wait_for(lambda: checkpoint_files(run), first)
        listening = {
            one.laddr.ip
            for process in processes
            for one in psutil.Process(process.pid).net_connections("inet")
            if one.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
        second.send_signal(signal.SIGSTOP)
        code, out, err = ended(first, 60)
    finally:
        second.kill()
    ended(second)
    assert (code, out) == (1, "")
    assert re.search(
        rf"filterscope: Rank 1 \(process {second.pid} on .*\) has not answered for 4 seconds\.", err
    )
    assert RunFolder.open(run).info.state == "crashed"


@pytest.fixture
def rank_of_two(monkeypatch):
    """Return a function that makes this process one of two."""

    def be(rank):
        for name, value in {
            "RANK": rank,
            "WORLD_SIZE": 2,
            "LOCAL_RANK": rank,
            "LOCAL_WORLD_SIZE": 2,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": free_port(),
        }.items():
            monkeypatch.setenv(name, str(value))

    return be


@pytest.mark.parametrize("line", re.findall(r"(?m)^torchrun .*$", README))
def test_every_line_with_torchrun_can_be_typed(line):
    words = shlex.split(line, comments=True)
    at = words.index("filterscope")
    run = pytest.importorskip("torch.distributed.run")
    run.parse_args([*words[1:at], "filterscope"])
    assert build_parser().parse_args(words[at + 1 :]).shares


def test_another_engine_is_refused_by_rank_0_alone(said, file, tmp_path, rank_of_two):
    command = ["train", "cnn", file, "--out", tmp_path / "run"]
    rank_of_two(0)
    code, out, err = said(*command)
    assert (code, out) == (2, "")
    assert err == (
        "filterscope: Several processes share a training only with engine=torch.\n"
        "  Add --set engine=torch, or leave torchrun out.\n"
    )
    rank_of_two(1)
    assert said(*command) == (2, "", "")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "command", [["train", "autoencoder"], ["info", "synthetic"], ["runs", "list"], ["bench"]]
)
def test_what_cannot_be_shared_is_refused_by_rank_0_alone(said, rank_of_two, command):
    rank_of_two(0)
    code, out, err = said(*command)
    assert (code, out) == (2, "")
    assert "torchrun can share “train cnn” and “runs resume” among processes, nothing else." in err
    rank_of_two(1)
    assert said(*command) == (2, "", "")


def test_a_master_that_does_not_answer_is_one_sentence(said, file, rank_of_two, monkeypatch):
    from app.core.distributed import group

    monkeypatch.setattr(group, "JOIN_SECONDS", 0.5)
    rank_of_two(0)
    code, _, err = said("train", "cnn", file, *SETTINGS)
    assert code == 1
    assert "Only some of 2 processes came within 0.5 seconds: rank 1 did not." in err
    # Who cannot reach rank 0 cannot tell it either: it says so itself.
    rank_of_two(1)
    code, out, err = said("train", "cnn", file, *SETTINGS)
    assert (code, out) == (1, "")
    assert "Rank 1 cannot reach the others: nobody answered at 127.0.0.1:" in err


@pytest.mark.parametrize("wrong", ["2", "x"])
def test_an_environment_that_cannot_be_is_one_sentence(said, file, rank_of_two, monkeypatch, wrong):
    rank_of_two(0)
    monkeypatch.setenv("RANK", wrong)
    code, _, err = said("train", "cnn", file, *SETTINGS)
    assert code == 2
    assert f"RANK={wrong} is not a number from 0 to 1." in err
