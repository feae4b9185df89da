"""The table of runs: what is read of each, what differs, labels, and the trash."""

from __future__ import annotations

import itertools
import json
import os

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cli import main
from app.core.data.patches import Source
from app.core.errors import UsageError
from app.core.run_table import (
    differences,
    find_run,
    move_to_trash,
    read_row,
    read_rows,
    restore_from_trash,
    settings_that_differ,
)
from app.core.runs import RunFolder, list_runs
from app.core.runs.info import when_in_words
from app.core.runs.labels import RunLabels, parse_tags, read_labels, write_labels
from app.core.runs.recorder import least_epoch_cost
from app.core.specs import AutoencoderSpec, PreprocessSpec
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=5, batch_size=32, epochs=3)


@pytest.fixture
def file(tmp_path):
    return write(tmp_path / "patches.npy", images())


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def run(root, file):
    return record(root, file, SPEC)


def test_a_row_says_how_it_went(run):
    row = read_row(run)
    assert (row.kind, row.state, row.epochs, row.epochs_done) == ("autoencoder", "done", 3, 3)
    assert row.data.startswith("patches.npy")
    assert row.seconds == run.info.outcome.seconds
    assert row.last == sum(run.info.outcome.terms)
    history, _ = run.read_history()
    ends = [0, *history.epoch_steps]
    costs = history.terms.sum(axis=1)
    means = [costs[a:b].mean() for a, b in itertools.pairwise(ends)]
    assert row.best == pytest.approx(min(means), rel=1e-12)
    assert least_epoch_cost(history) == pytest.approx(min(means), rel=1e-12)
    assert not row.resumable


def test_a_run_without_an_end_shows_where_it_was(run):
    run.write_info(run.info.changed(outcome=None, ended=None, pid_started=1.0))
    row = read_row(RunFolder.open(run.path))
    assert (row.state, row.epochs_done, row.best, row.last) == ("crashed", 3, None, None)
    assert row.resumable


def test_newest_first_and_what_is_no_run_is_left_out(root, file):
    for units in (4, 5, 6):
        record(root, file, SPEC.changed(hidden_units=units))
    (root / "notes").mkdir()
    (root / "loose.txt").write_text("no run")
    rows = read_rows(root)
    assert [row.path for row in rows] != []
    assert {row.path for row in rows} == {run.path for run in list_runs(root)}
    started = [row.run.info.started for row in rows]
    assert started == sorted(started, reverse=True)
    assert len(read_rows(root, cancel=lambda: True)) == 0
    assert read_rows(root / "nowhere") == []


def test_runs_that_began_at_the_same_moment_stand_in_the_order_of_their_names(root, file):
    runs = [record(root, file, SPEC.changed(hidden_units=units)) for units in (4, 5, 6)]
    started = [run.info.started for run in runs]
    # One after the other, however fast: the listing is that of their start.
    assert len(set(started)) == 3
    assert [run.path for run in list_runs(root)] == [run.path for run in reversed(runs)]
    for run in runs:
        run.write_info(run.info.changed(started=started[0]))
    named = sorted((run.path for run in runs), reverse=True)
    assert [run.path for run in list_runs(root)] == named
    assert [row.path for row in read_rows(root)] == named


def test_the_start_of_a_run_is_told_to_the_second():
    assert when_in_words("2026-11-25T10:00:01.250000+01:00") == "2026-11-25 09:00:01 UTC"
    assert when_in_words("0001-01-01T00:00:00+14:00") == "0001-01-01T00:00:00+14:00"
    assert when_in_words("some day") == "some day"


def test_a_search_finds_settings_tags_and_notes(run):
    write_labels(run.path, RunLabels(tags=("Keep me",), note="edges at last"))
    words = read_row(run).words
    for text in (
        "hidden_units=5",
        "keep me",
        "edges",
        "patches.npy",
        "done",
        run.path.name,
        run.name,
        "L 5",
    ):
        assert text.lower() in words


def test_what_differs_is_told_setting_by_setting(root, file):
    first = record(root, file, SPEC)
    other = PreprocessSpec(deviations=2.5)
    second = record(root, file, SPEC.changed(rho=0.3, solver="sgd"), other)
    found = {d.name: (d.first, d.second) for d in differences(first, second)}
    assert found == {
        "rho": (SPEC.rho, 0.3),
        "solver": (SPEC.solver, "sgd"),
        "deviations": (3.0, 2.5),
    }
    assert differences(first, first) == []


def test_other_data_is_a_difference(root, file, tmp_path):
    first = record(root, file, SPEC)
    second = record(root, write(tmp_path / "other.npy", images(seed=2)), SPEC)
    (one,) = differences(first, second)
    assert one.name == "data"
    assert (one.first, one.second) == ("patches.npy ▸ array", "other.npy ▸ array")
    # A file that was changed since has the same name: its checksum tells.
    third = record(root, write(file, images(seed=3)), SPEC)
    (one,) = differences(first, third)
    sums = [run.info.source.sha256[:8] for run in (first, third)]
    assert [one.first, one.second] == [f"patches.npy ▸ array, {text}" for text in sums]


# --- labels


def test_labels_come_back_as_they_were_written(run):
    assert read_labels(run.path) == RunLabels()
    labels = RunLabels(tags=("ρ study", "good"), note="two\nlines", colour="#2f6fed")
    write_labels(run.path, labels)
    assert read_labels(run.path) == labels


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"tags": "one"}',
        b'{"tags": [1]}',
        b'{"colour": "red"}',
        b'{"colour": "#2f6fed; }"}',
        b'{"version": 2}',
        b'{"more": 1}',
        b'{"note": "%s"}' % (b"x" * 5000),
        b'{"tags": ["%s"]}' % (b"x" * 41),
    ],
)
def test_labels_that_make_no_sense_are_none(run, data):
    (run.path / "labels.json").write_bytes(data)
    assert read_labels(run.path) == RunLabels()
    assert read_row(run).labels == RunLabels()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_labels_or_none(tmp_path, data):
    (tmp_path / "labels.json").write_bytes(data)
    assert isinstance(read_labels(tmp_path), RunLabels)


def test_labels_are_not_read_through_a_link(run, tmp_path):
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(RunLabels(note="secret").to_json())
    (run.path / "labels.json").symlink_to(elsewhere)
    assert read_labels(run.path) == RunLabels()


def test_tags_are_words_between_commas():
    assert parse_tags(" good,  two  words ,good,, ") == ("good", "two words")
    assert parse_tags("") == ()
    with pytest.raises(UsageError, match="cannot be kept"):
        parse_tags("x" * 41)
    with pytest.raises(UsageError, match="cannot be kept"):
        parse_tags(",".join(map(str, range(21))))


def test_labels_of_a_run_that_is_replaced_go_with_it(run, file):
    write_labels(run.path, RunLabels(note="of the old one"))
    source = record(run.path.parent, file, SPEC)
    info = source.info
    again = RunFolder.create(
        run.path.parent, kind="autoencoder", run_id="f" * 32, spec=SPEC,
        preprocess=info.preprocess, source=run_source(info), threads=1, path=run.path,
    )  # fmt: skip
    assert read_labels(again.path) == RunLabels()


def run_source(info):
    return Source(**info.source.model_dump())


# --- the trash


def test_a_run_in_the_trash_is_out_of_the_table_and_whole(root, run, file):
    files = {path.relative_to(run.path) for path in run.path.rglob("*")}
    gone = move_to_trash(run)
    assert not run.path.exists()
    assert read_rows(root) == []
    assert {path.relative_to(gone) for path in gone.rglob("*")} == files
    RunFolder.open(gone).read_weights()
    # It comes back as it was, unless its place is taken.
    assert restore_from_trash(RunFolder.open(gone)) == run.path
    assert {path.relative_to(run.path) for path in run.path.rglob("*")} == files
    gone = move_to_trash(RunFolder.open(run.path))
    run.path.mkdir()
    with pytest.raises(UsageError, match="another"):
        restore_from_trash(RunFolder.open(gone))
    RunFolder.open(gone).read_weights()
    run.path.rmdir()
    restore_from_trash(RunFolder.open(gone))
    with pytest.raises(UsageError, match="not in the trash"):
        restore_from_trash(RunFolder.open(run.path))


def test_its_size_is_that_of_its_files(run):
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert read_row(run).size == sum(path.stat().st_size for path in files) > 10_000


def test_what_several_runs_have_not_in_common(root, file):
    runs = [record(root, file, SPEC.changed(rho=rho, epochs=1)) for rho in (0.1, 0.2, 0.1)]
    assert settings_that_differ(runs) == [("rho", "Target activation", (0.1, 0.2, 0.1))]
    assert settings_that_differ(runs[::2]) == settings_that_differ(runs[:1]) == []


def test_two_runs_of_one_name_both_fit(root, file):
    first = record(root, file, SPEC)
    gone = move_to_trash(first)
    second = record(root, file, SPEC)
    second.path.rename(first.path)
    other = move_to_trash(RunFolder.open(first.path))
    assert gone != other
    assert gone.is_dir()
    assert other.is_dir()


def test_a_run_that_is_trained_stays(run):
    mine = {"pid": os.getpid(), "pid_started": psutil.Process().create_time()}
    run.write_info(run.info.changed(outcome=None, **mine))
    with pytest.raises(UsageError, match="being trained"):
        move_to_trash(run)
    assert run.path.is_dir()


# --- the command line


def test_a_run_is_found_by_path_or_name(run, monkeypatch):
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(run.path.parent))
    assert find_run(str(run.path)) == run.path
    assert find_run(run.path.name) == run.path
    assert str(find_run("nowhere")) == "nowhere"
    # As the table calls it, or by the letters of its id alone.
    assert run.name == f"autoencoder {run.info.run_id[:6]}"
    for text in (run.name, run.name.upper(), run.info.run_id[:6]):
        assert find_run(text) == run.path
    assert str(find_run("autoencoder")) == "autoencoder"
    (run.path.parent / f"20200101-000000-cnn-{run.info.run_id[:6]}").mkdir()
    assert find_run(run.name) == run.path
    with pytest.raises(UsageError, match="Several runs are called"):
        find_run(run.info.run_id[:6])


def test_list_show_and_compare_speak_json(root, file, capsys):
    first = record(root, file, SPEC)
    second = record(root, file, SPEC.changed(beta=1.5))
    write_labels(first.path, RunLabels(tags=("good",), note="the one"))
    assert main(["runs", "list", "--root", str(root), "--json"]) == 0
    listed = {row["path"]: row for row in json.loads(capsys.readouterr().out)["runs"]}
    assert listed.keys() == {str(first.path), str(second.path)}
    assert listed[str(first.path)]["tags"] == ["good"]
    assert listed[str(first.path)]["last"] == sum(first.info.outcome.terms)
    assert main(["runs", "show", str(first.path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["note"], shown["steps"], shown["epochs_done"]) == ("the one", 12, 3)
    assert main(["runs", "compare", str(first.path), str(second.path), "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["settings"] == {"beta": [SPEC.beta, 1.5]}
    assert 0 < compared["filters"]["stability"] <= 1
    assert len(compared["filters"]["pairs"]) == SPEC.hidden_units
    assert compared["filters"]["epochs"] == [3.0, 3.0]
    assert [row["last"] for row in compared["runs"]] == [
        sum(run.info.outcome.terms) for run in (first, second)
    ]


def test_compare_is_a_table_to_read(root, file, capsys):
    first = record(root, file, SPEC)
    second = record(root, file, SPEC.changed(beta=1.5))
    assert main(["runs", "compare", str(first.path), str(second.path)]) == 0
    out = capsys.readouterr().out
    names, beta, state, best, last, step, stability = out.splitlines()
    assert first.path.name in names
    assert beta.split() == ["beta", f"{SPEC.beta:g}", "1.5"]
    assert state.split() == ["state", "done", "done"]
    assert len(best.split()) == len(last.split()) == 3
    assert step.split() == ["step", "12", "12"]
    assert stability.split()[0] == "stability"
    assert "of 5 pairs of filters with |r| ≥ 0.9" in stability
    assert main(["runs", "compare", str(first.path), str(first.path), "--epoch", "0"]) == 0
    out = capsys.readouterr().out
    assert "same data and settings" in out
    assert "stability        1.000   100% of 5" in out
    assert "step             0" in out


def test_runs_without_weights_are_compared_in_all_else(root, file, capsys):
    run = record(root, file, SPEC)
    for _, path in run.keyframes():
        path.unlink()
    assert main(["runs", "compare", str(run.path), str(run.path), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["filters"] is None
    assert "no weights" in said.err
