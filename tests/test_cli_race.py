"""``filterscope race``: a line for each racer and epoch, a table at the end, runs like any others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import main
from app.core.race import lockstep
from app.core.runs import list_runs
from app.core.runs.labels import read_labels
from tests.core.trained import images, write

FEW = ["--set", "batch_size=16", "--set", "hidden_units=5", "--epochs", "2", "--threads", "1"]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def patches(tmp_path: Path, runs) -> str:
    return str(write(tmp_path / "patches.npy", images(64)))


def test_settings_race_and_the_table_says_who_won(patches, runs, capsys) -> None:
    assert main(["race", "autoencoder", patches, "--vary", "rho=0.05,0.2,0.5", *FEW]) == 0
    said = capsys.readouterr()
    lines = said.err.splitlines()
    for epoch in (1, 2):
        for rho in ("0.05", "0.2 ", "0.5 "):
            found = [line for line in lines if line.startswith(f"epoch {epoch} / 2   ρ {rho}   J ")]
            assert len(found) == 1
            assert "reconstruction error " in found[0]
    head, *rows = said.out.splitlines()
    assert "reconstruction error" in head
    assert [row.split()[0] for row in rows] == ["1st", "2nd", "3rd"]
    kept = list_runs(runs)
    assert len(kept) == 3
    assert {run.info.state for run in kept} == {"done"}
    (tag,) = {read_labels(run.path).tags for run in kept}
    assert tag[0].startswith("race ")


def test_networks_of_layers_race_by_validation(runs, capsys) -> None:
    settings = ["layers=conv 2 3x3 stride 4 pad 0, relu", "epochs=1", "train_count=200"]
    settings += ["validation_count=50", "batch_size=50"]
    sets = [word for text in settings for word in ("--set", text)]
    vary = ["--vary", "learning_rate=1e-4,1e-2"]
    assert main(["race", "cnn", *vary, *sets, "--threads", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["judge"] == "accuracy"
    assert [one["name"] for one in found["racers"]] == ["η 1e-4", "η 0.01"]
    assert sorted(one["place"] for one in found["racers"]) in ([1, 2], [1, 1])
    assert all(0 <= one["accuracy"] <= 1 for one in found["racers"])


def test_one_that_diverges_is_out_and_last(patches, runs, capsys) -> None:
    more = ["--set", "decoder=linear", "--set", "solver=sgd", "--judge", "cost"]
    vary = ["--vary", "learning_rate=1e-3,1e8"]
    assert main(["race", "autoencoder", patches, *vary, *more, *FEW]) == 1
    said = capsys.readouterr()
    assert "filterscope: η 1e8 is out after step" in said.err
    assert "The cost stopped being a finite number" in said.err
    *_, last = said.out.splitlines()
    assert last.startswith("–")
    assert last.endswith("diverged")


def test_a_race_that_is_stopped_goes_on_run_by_run(patches, runs, capsys, monkeypatch) -> None:
    steps = iter(range(1000))
    take = lockstep.Racer.take_turn

    def interrupted(self, **how):
        if next(steps) == 6:
            # As Ctrl-C does.
            import signal

            signal.raise_signal(signal.SIGINT)
        yield from take(self, **how)

    monkeypatch.setattr(lockstep.Racer, "take_turn", interrupted)
    assert main(["race", "autoencoder", patches, "--vary", "rho=0.1,0.3", *FEW, "--json"]) == 130
    racers = json.loads(capsys.readouterr().out)["racers"]
    assert [one["state"] for one in racers] == ["stopped", "stopped"]
    assert [one["epochs"] for one in racers] == [1.0, 1.0]
    assert main(["runs", "resume", racers[0]["run"]]) == 0
    assert {run.info.state for run in list_runs(runs)} == {"done", "stopped"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "There is nothing to race."),
        (["--vary", "rho=0.1"], "A race is of 2 to 4 settings; there is one."),
        (["--vary", "batch_size=16,32"], "so batch_size cannot differ"),
        (["--vary", "whiten=none,zca"], "so whiten cannot differ"),
        (["--vary", "rho=0.1,0.2", "--judge", "luck"], "“luck” says nothing of a race"),
        (["--vary", "rho=0.1,0.2", "--threads", "0"], "--threads must be at least 1."),
    ],
)
def test_what_cannot_race_is_refused(patches, runs, capsys, words, says) -> None:
    assert main(["race", "autoencoder", patches, *words]) == 2
    assert says in capsys.readouterr().err
    assert list_runs(runs) == []
