"""``filterscope runs branch``: a child from a moment of a run, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli.parser import main
from app.core.runs import RunFolder, list_runs
from app.core.specs import AutoencoderSpec
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=30, epochs=4)


@pytest.fixture
def parent(tmp_path: Path) -> RunFolder:
    return record(tmp_path / "runs", write(tmp_path / "patches.npy", images()), SPEC)


def test_a_branch_is_trained_and_says_where_it_came_from(
    parent: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--at", "4", "--set", "rho=0.1", "--epochs", "6", "--json"]
    assert main(["runs", "branch", str(parent.path), *options]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["parent"] == str(parent.path)
    child = RunFolder.open(Path(found["run"]))
    assert child.info.parent is not None
    assert child.info.parent.run_id == parent.info.run_id
    assert child.info.parent.epoch == 4
    assert child.info.spec.rho == 0.1
    assert child.info.outcome is not None
    assert child.info.outcome.epoch == 6
    assert "rho 0.05 → 0.1" in err
    assert main(["runs", "show", str(child.path)]) == 0
    shown = capsys.readouterr().out
    assert f"{parent.path.name} at epoch 4, epochs 4 → 6, rho 0.05 → 0.1" in shown
    assert {run.path for run in list_runs(parent.path.parent)} == {parent.path, child.path}


def test_a_step_may_be_named(parent: RunFolder, tmp_path: Path) -> None:
    child = tmp_path / "child"
    command = ["runs", "branch", str(parent.path), "--at", "step:0", "--out", str(child)]
    assert main(command) == 0
    assert RunFolder.open(child).info.parent.step == 0
    assert main(command) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--at", "soon"], "soon"),
        (["--at", "minute:3"], "--at is an epoch or step:N"),
        (["--at", "-1"], "negative"),
        (["--set", "hidden_units=9"], "keeps hidden_units"),
        (["--at", "4"], "4 epochs are done"),
    ],
)
def test_what_cannot_be_is_refused(
    parent: RunFolder, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["runs", "branch", str(parent.path), *options]) == 2
    assert said in capsys.readouterr().err
