"""Tens of thousands of damaged files: the reader answers each, and what ends it is told in one line.

``MUTANTS=1000000 MUTANT_SEED=7`` looks for more.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.core.data.files import Limits
from app.core.data.reader import inspect, open_patches
from app.core.errors import RefusedInputError
from tests.core.data.mutants import Mutants, originals

ROOT = Path(__file__).parents[3]
COUNT = int(os.environ.get("MUTANTS", "20000"))
SEED = int(os.environ.get("MUTANT_SEED", "0"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def batch(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.data.batch", *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=60 + COUNT / 20,
    )  # fmt: skip
    return json.loads(done.stdout)


def read_all_of(path):
    for dataset in inspect(path).candidates():
        open_patches(path, dataset=dataset.path, limits=Limits(memory_bytes=0))


@pytest.mark.parametrize("kind", ["hdf5", "numpy"])
def test_the_files_that_are_damaged_are_good(kind, tmp_path):
    paths = []
    for number, content in enumerate(originals(kind)):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(content)
    said = batch(*paths)
    assert len(said) == len(paths)
    for verdict in said.values():
        assert verdict["read"] >= 1
        assert verdict["refused"] is None
        assert "fault" not in verdict


@pytest.mark.slow
@pytest.mark.timeout(120 + COUNT / 20)
@pytest.mark.parametrize(("kind", "count"), [("hdf5", COUNT), ("numpy", COUNT // 5)])
def test_no_damage_goes_unanswered(kind, count, tmp_path):
    found = batch("--mutants", count, "--kind", kind, "--seed", SEED)
    assert found["total"] == count
    assert found["faults"] == {}
    assert "hung" not in found["died"].values()
    # Damage is refused often, and where it hits only numbers, the file is still read.
    assert found["refused"] > count / 10
    assert found["read"] > count / 10
    # libhdf5 is not safe from what it reads: what ends a reader is a sentence for the person.
    mutants = Mutants(kind, SEED)
    for number in list(found["died"])[:20]:
        path = tmp_path / f"{number}.h5"
        path.write_bytes(mutants.make(int(number)))
        with pytest.raises(RefusedInputError) as caught:
            read_all_of(path)
        assert caught.value.message.isprintable()
    assert len(found["died"]) <= count / 1000


def test_a_reader_that_dies_and_one_that_hangs_are_seen(monkeypatch):
    """The count above could be zero because nobody looks."""
    from tests.core.data import batch as harness

    def judge(path, size):
        if size == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if size == 2:
            signal.pause()
        if size == 3:
            raise KeyError("unanswered")
        return {"refused": "no", "read": 0, "stopped": 0}

    monkeypatch.setattr(harness, "judge", judge)
    monkeypatch.setattr(harness, "PATIENCE", 1.0)
    sizes = [4, 1, 4, 2, 4, 3]
    found = list(harness.run([str(n) for n in range(6)], lambda name: bytes(sizes[int(name)])))
    assert [verdict["name"] for verdict in found] == list("012345")
    assert [verdict.get("died") for verdict in found] == [
        None,
        "died of -9",
        None,
        "hung",
        None,
        None,
    ]
    assert "KeyError" in found[5]["fault"]
