"""``filterscope study``: from one command to a table and a page; Ctrl-C keeps everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from app.cli import main
from app.cli.parser import build_parser
from app.cli.study import read_specs
from app.core.studies.folder import list_studies
from tests.core.trained import images, write

ROOT = Path(__file__).resolve().parents[1]
FEW = ["--set", "batch_size=16", "--epochs", "2", "--workers", "1", "--threads", "1"]


@pytest.fixture
def patches(tmp_path: Path, monkeypatch) -> str:
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path / "runs"))
    return str(write(tmp_path / "patches.npy", images(64)))


def test_both_studies_of_the_report_are_one_command_and_one_page(patches, tmp_path, capsys) -> None:
    page = tmp_path / "report.html"
    assert main(["study", "report", patches, "--page", str(page), *FEW]) == 0
    said = capsys.readouterr()
    assert "ρ study: 3 done" in said.out
    assert "hidden units study: 3 done" in said.out
    assert said.out.splitlines()[-1] == str(page)
    assert "ρ study, ρ 0.2, seed 0: done" in said.err
    text = page.read_text(encoding="utf-8")
    assert "the report’s Figure 14" in text
    assert len(list_studies()) == 2
    # Members are runs like any others.
    assert main(["runs", "list", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert len(runs) == 6
    assert {run["study"] for run in runs} == {s.info.study_id for s in list_studies()}
    # And the page can be written again.
    again = tmp_path / "again.html"
    names = [study.info.study_id for study in reversed(list_studies())]
    assert main(["study", "page", *names, "--page", str(again)]) == 0


def test_own_values_are_tried_and_shown(patches, capsys) -> None:
    vary = ["--vary", "hidden_units=4,6", "--vary", "beta=0.1..1:log:2"]
    assert main(["study", *vary, "--seeds", "2", *FEW, "--json", "--title", "mine"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["studies"]
    assert [trial["values"] for trial in found["trials"]] == [
        {"hidden_units": 4, "beta": 0.1},
        {"hidden_units": 4, "beta": 1.0},
        {"hidden_units": 6, "beta": 0.1},
        {"hidden_units": 6, "beta": 1.0},
    ]
    costs = [run["cost"] for trial in found["trials"] for run in trial["runs"]]
    assert len(costs) == 8
    assert found["best"] in [trial["values"] for trial in found["trials"]]
    assert main(["study", "list"]) == 0
    assert "mine: 8 done" in capsys.readouterr().out
    assert main(["study", "show", Path(found["study"]).name]) == 0
    assert "best" in capsys.readouterr().out
    assert main(["study", "resume", Path(found["study"]).name, "--workers", "1"]) == 0


def test_a_file_is_a_study_and_options_change_it(patches, tmp_path, capsys) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('preset = "report"\n[[vary]]\nname = "rho"\nvalues = [0.2, 0.4]\n')
    assert main(["study", str(file), patches, "--seeds", "3,5", "--dry-run", *FEW]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "study: 4 runs of 2 epochs"
    assert lines[1:] == [f"  ρ {rho}, seed {seed}" for rho in (0.2, 0.4) for seed in (3, 5)]
    assert list_studies() == []


def test_data_is_kept_by_its_whole_path(patches, monkeypatch) -> None:
    monkeypatch.chdir(Path(patches).parent)
    for word in ("patches.npy", "patches.npy::arr"):
        options = build_parser().parse_args(["study", "report-rho", word])
        assert read_specs(options)[0].data == patches + word.removeprefix("patches.npy")


@pytest.mark.parametrize(
    "line",
    [
        "report-rho DATA --epochs 7",
        "report-rho --epochs 7 DATA",
        "--epochs 7 report-rho DATA",
        "--epochs 7 report-rho --set lam=0.1 DATA --workers 1",
    ],
)
def test_words_and_options_come_in_any_order(line, patches, capsys) -> None:
    words = line.replace("DATA", patches).split()
    assert main(["study", *words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["count"] == 3
    assert read_specs(build_parser().parse_args(["study", *words]))[0].data == patches


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "“nothing” is no study"),
        ([], "There is nothing to study"),
        (["--vary", "rho"], "is not NAME=VALUES"),
        (["--vary", "rho="], "is not NAME=VALUES"),
        (["--vary", "nothing=1"], "There is no setting “nothing”"),
        (["--vary", "rho=0.1..0.2:tall"], "neither log nor linear"),
        (["--vary", "rho=7"], "out of range"),
        (["--vary", "rho=0.1", "--seeds", "x"], "neither a number"),
        (["--vary", "rho=0.1", "a", "b"], "one word too many"),
        (["report", "--preset", "sparse"], "has its own network"),
        (["report", "--workers", "0"], "There can be 1 to 256 workers"),
        (["reprt", "--page", "x.html", "a.npy"], "“reprt” is no study"),
        (["report", "a.npy", "--page", "x.html", "b.npy"], "one word too many"),
        (["report", "nothing.npy"], "There is no file nothing.npy"),
        (["report", "--tls-ca", "x.pem"], "belong to --scheduler"),
        (["report", "--scheduler", "10.0.0.5:8786"], "can run code on this computer"),
        (["report", "--page", "/nowhere/at/all.html"], "There is no folder"),
        (["show"], "Which study?"),
        (["show", "nothing"], "nothing is not a study"),
        (["page", "nothing"], "nothing is not a study"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, said, patches, capsys) -> None:
    assert main(["study", *words]) == 2
    assert said in capsys.readouterr().err
    assert list_studies() == []


def test_a_page_that_exists_is_not_replaced(patches, tmp_path, capsys) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    assert main(["study", "report", patches, "--page", str(page), *FEW]) == 2
    assert "page.html exists already" in capsys.readouterr().err
    assert page.read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is not a signal there")
def test_ctrl_c_keeps_everything_and_says_how_to_go_on(patches, tmp_path) -> None:
    """The signal goes to all processes of the terminal, as a terminal sends it."""
    line = ["study", "report-rho", patches, "--set", "epochs=1000000", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), *line],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    assert "process" in said
    children = psutil.Process(process.pid).children()
    study = list_studies()[0]
    deadline = time.monotonic() + 180
    while not all(
        any((study.run_path(member) / "keyframes").glob("*")) for member in study.info.members[:2]
    ):
        assert time.monotonic() < deadline
    os.killpg(process.pid, signal.SIGINT)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 130
    assert f"filterscope study resume {study.info.study_id}" in rest
    assert not any(child.is_running() for child in children)
    states = [study.state_of(m, study.run_of(m)) for m in study.info.members]
    assert states == ["stopped", "stopped", "waiting"]
