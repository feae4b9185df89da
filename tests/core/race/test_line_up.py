"""Which settings may race, what their runs are called, and that there is room for all."""

from __future__ import annotations

import errno
import itertools
from types import SimpleNamespace

import psutil
import pytest

from app.core import storage
from app.core.errors import DiskFullError, FilterscopeError, UsageError
from app.core.race.entry import check_race, names_of, settings_of
from app.core.race.line_up import line_up, new_ids, tag_of
from app.core.runs import list_runs, room
from app.core.runs.labels import read_labels
from app.core.specs import ConvNetSpec
from tests.core import learners_of_images
from tests.core.race.racing import SMALL, begin, patches, specs_of


@pytest.mark.parametrize(
    ("specs", "says"),
    [
        ([], "A race is of 2 to 4 settings; there is none."),
        ([SMALL], "A race is of 2 to 4 settings; there is one."),
        (specs_of(rho=(0.1, 0.2, 0.3, 0.4, 0.5)), "A race is of 2 to 4 settings; there are more."),
        (specs_of(batch_size=(16, 32)), "same batches, so batch_size cannot differ"),
        (specs_of(seed=(0, 1)), "same batches, so seed cannot differ"),
        (specs_of(held_out=(0, 10)), "same batches, so held_out cannot differ"),
        ([SMALL, SMALL], "Two in the race have the same settings."),
        ([SMALL, ConvNetSpec()], "do not race"),
    ],
)
def test_what_cannot_race_is_refused_in_one_sentence(specs, says) -> None:
    with pytest.raises(UsageError) as caught:
        check_race(specs)
    assert says in caught.value.message


def test_values_are_typed_as_for_a_study() -> None:
    assert settings_of(SMALL, ["rho=0.05,0.2,0.5"]) == specs_of(rho=(0.05, 0.2, 0.5))
    assert settings_of(SMALL, ["beta=0.01..1:log:3"]) == specs_of(beta=(0.01, 0.1, 1.0))
    both = settings_of(SMALL, ["rho=0.1,0.2", "hidden_units=4,6"])
    assert [(spec.rho, spec.hidden_units) for spec in both] == [
        (0.1, 4), (0.1, 6), (0.2, 4), (0.2, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ([], "there is none"),
        (["rho=0.1..0.9:50"], "there are more"),
        (["rho=0.1,0.2", "beta=1,2,3"], "there are more"),
        (["rho=0.1,2"], "rho = 2.0 is out of range"),
        (["whiten=none,zca"], "same batches, so whiten cannot differ"),
        (["rho=0.1,0.2", "rho=0.3,0.4"], "rho is varied twice"),
        (["speed=1,2"], "There is no setting"),
        (["rho"], "is not NAME=VALUES"),
        (["rho=0.1,0.1"], "a value of rho comes twice"),
    ],
)
def test_what_is_typed_wrongly_is_refused(typed, says) -> None:
    with pytest.raises(UsageError) as caught:
        settings_of(SMALL, typed)
    assert says in caught.value.message


def test_names_say_what_differs() -> None:
    assert names_of(specs_of(rho=(0.05, 0.2))) == ["ρ 0.05", "ρ 0.2"]
    assert names_of(specs_of(solver=("adam", "lbfgs"))) == [
        "Solver Adam",
        "Solver L-BFGS, whole set",
    ]
    mixed = [SMALL, SMALL.changed(rho=0.3, hidden_units=9)]
    assert names_of(mixed) == ["ρ 0.05, L 5", "ρ 0.3, L 9"]


def test_runs_of_a_race_have_one_tag(tmp_path) -> None:
    data, ids = patches(tmp_path), new_ids(2)
    racers = line_up(data, specs_of(rho=(0.1, 0.2)), root=tmp_path, threads=1, run_ids=ids)
    for racer in racers:
        list(racer.close())
    assert [run.info.run_id for run in list_runs(tmp_path)][::-1] == ids
    assert {read_labels(racer.run.path).tags for racer in racers} == {(tag_of(ids),)}
    assert tag_of(ids) == f"race {ids[0][:6]}"


def test_settings_that_do_not_fit_the_data_are_refused(tmp_path) -> None:
    data = patches(tmp_path)
    with pytest.raises(UsageError, match="held out"):
        begin(tmp_path, data, specs_of(SMALL.changed(held_out=100), rho=(0.1, 0.2)))
    assert list_runs(tmp_path / "runs") == []


@pytest.mark.parametrize("kind", ["autoencoder", "cnn"])
def test_there_must_be_memory_for_all_at_once(tmp_path, monkeypatch, kind) -> None:
    if kind == "cnn":
        data = learners_of_images.data()
        specs = specs_of(learners_of_images.spec(layers="affine 4000, relu"), reg=(0.1, 0.2, 0.3))
    else:
        data, specs = patches(tmp_path), specs_of(SMALL.changed(hidden_units=4000), rho=(0.1, 0.2))
    free = 80 << 20 if kind == "cnn" else 30 << 20
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    with pytest.raises(FilterscopeError, match=f"These {len(specs)} networks need"):
        begin(tmp_path, data, specs)
    assert list_runs(tmp_path / "runs") == []


def test_there_must_be_room_for_all_on_the_disk(tmp_path, monkeypatch) -> None:
    data = patches(tmp_path)
    # Enough for three of the four.
    monkeypatch.setattr(room, "free_bytes", lambda _: room.LEAST_FREE + 7 * room.SMALL // 2)
    with pytest.raises(DiskFullError, match="This race needs"):
        begin(tmp_path, data, specs_of(rho=(0.1, 0.2, 0.3, 0.4)))
    assert list_runs(tmp_path / "runs") == []


# What is written: run.json and the labels of each of three.
@pytest.mark.parametrize("failing", range(6))
def test_a_race_that_cannot_be_written_leaves_no_folder(tmp_path, monkeypatch, failing) -> None:
    data, calls = patches(tmp_path), itertools.count()
    write = storage.disk.write

    def full(descriptor, data):
        if next(calls) >= failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(storage.disk, "write", full)
    with pytest.raises(DiskFullError):
        begin(tmp_path, data, specs_of(rho=(0.1, 0.2, 0.3)))
    assert next(calls) > failing
    assert list((tmp_path / "runs").iterdir()) == []


def test_that_there_may_be_too_little_room_is_said_once(tmp_path, monkeypatch) -> None:
    data = patches(tmp_path)
    monkeypatch.setattr(room, "free_bytes", lambda _: 300 << 20)
    racers, _ = begin(tmp_path, data, specs_of(rho=(0.1, 0.2)))
    for racer in racers:
        list(racer.close())
    assert racers[0].run.warning.startswith("This race may write")
    assert racers[1].run.warning == ""
