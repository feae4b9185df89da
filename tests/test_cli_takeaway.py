"""Taking runs away and bringing them back on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli.export import KINDS
from app.cli.parser import main
from app.core.run_exports import EXPORTS
from app.core.runs import RunFolder, list_runs
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=3)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return record(data_folder(), write(tmp_path / "p.h5", images()), SPEC)


def test_the_command_offers_what_there_is() -> None:
    assert KINDS == EXPORTS


@pytest.mark.parametrize(
    "what", ["report r.html", "report r.pdf", "film f.gif", "poster p.svg", "notebook n.ipynb"]
)
def test_each_is_chosen_by_the_ending(
    run: RunFolder, tmp_path: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, file = what.split()
    path = tmp_path / file
    # By the run's name, as `runs list` prints it.
    assert main(["export", run.path.name, "--what", name, "--out", str(path)]) == 0
    assert path.stat().st_size > 1000
    assert capsys.readouterr().out.strip() == str(path)
    # What is there is asked about before anything is made.
    assert main(["export", run.path.name, "--what", name, "--out", str(path)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_run_goes_away_and_comes_back_and_is_trained_again(
    run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "away.filterscope"
    assert (
        main(["export", str(run.path), "--what", "archive", "--with-data", "--out", str(path)]) == 0
    )
    bare = tmp_path / "bare.filterscope"
    options = ["--what", "archive", "--no-checkpoints", "--out", str(bare)]
    assert main(["export", str(run.path), *options]) == 0
    assert bare.stat().st_size < path.stat().st_size
    Path(run.info.source.path).unlink()
    capsys.readouterr()
    assert main(["runs", "import", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["run"] == str(data_folder() / "away")
    assert len(list_runs(data_folder())) == 2
    assert main(["runs", "rerun", "away"]) == 0
    assert "Bit-equal: all 12 steps" in capsys.readouterr().out
    assert main(["runs", "rerun", "away", "--engine", "reference", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["same"] is False
    assert found["first_step"]["step"] >= 1
    # The first one's data is gone.
    assert main(["runs", "rerun", run.path.name]) == 2
    assert "p.h5" in capsys.readouterr().err


def test_a_file_that_is_no_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.filterscope"
    path.write_bytes(b"PK\x05\x06" + bytes(18))
    assert main(["runs", "import", str(path)]) == 2
    assert "is not opened" in capsys.readouterr().err
