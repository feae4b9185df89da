"""A study on the disk: made, read as a stranger's, and taken by one process at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import FilterscopeError, UsageError
from app.core.studies.folder import StudyFolder, StudyInfo, find_study, list_studies
from tests.core.studies.small import small_study


def test_members_have_names_and_seeds_that_do_not_change(tmp_path) -> None:
    study = small_study(tmp_path, seeds=2)
    again = StudyFolder.open(study.path)
    assert again.info == study.info
    members = again.info.members
    assert [(m.trial, m.values["rho"], m.seed) for m in members] == [
        (0, 0.1, 0),
        (0, 0.1, 1),
        (1, 0.3, 0),
        (1, 0.3, 1),
    ]
    assert [again.run_path(m).name for m in members] == [
        f"{again.info.study_id}-{number:03d}" for number in range(4)
    ]
    assert len({again.run_id(m) for m in members}) == 4
    assert again.run_id(members[1]) == study.run_id(members[1])
    assert [again.state_of(m, again.run_of(m)) for m in members] == ["waiting"] * 4


def test_values_are_kept_as_the_setting_holds_them(tmp_path) -> None:
    study = small_study(tmp_path, vary=[{"name": "hidden_units", "values": [4.0, 6]}])
    held = [member.values["hidden_units"] for member in study.info.members]
    assert [(value, type(value)) for value in held] == [(4, int), (6, int)]


def test_two_studies_of_one_second_have_two_folders(tmp_path) -> None:
    first, second = small_study(tmp_path), small_study(tmp_path)
    assert first.path != second.path
    assert {study.path for study in list_studies(tmp_path / "runs")} == {first.path, second.path}


def test_a_study_is_found_by_its_name(tmp_path, monkeypatch) -> None:
    study = small_study(tmp_path)
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path / "runs"))
    assert find_study(study.info.study_id).info == study.info
    assert find_study(str(study.path)).info == study.info
    with pytest.raises(UsageError, match="nothing is not a study"):
        find_study("nothing")


def test_failures_are_noted(tmp_path) -> None:
    study = small_study(tmp_path)
    study.note_failure(1, "Its process ended.")
    study.note_failure(1, "Again.")
    members = StudyFolder.open(study.path).info.members
    assert [m.failures for m in members] == [(), ("Its process ended.", "Again.")]
    assert study.state_of(members[1], None) == "failed"


def test_one_process_conducts_a_study_at_a_time(tmp_path) -> None:
    study = small_study(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as other:
        started = psutil.Process(other.pid).create_time()
        study.write(study.info.changed(pid=other.pid, pid_started=started))
        assert study.conducted
        with pytest.raises(UsageError, match=f"being conducted right now, by process {other.pid}"):
            study.take()
        assert other.stdin is not None
        other.stdin.close()
        other.wait()
    # Whoever is gone conducts nothing.
    study.take()
    assert StudyFolder.open(study.path).info.pid == os.getpid()
    study.leave()
    assert not StudyFolder.open(study.path).conducted


def test_a_study_under_another_name_is_refused(tmp_path) -> None:
    study = small_study(tmp_path)
    moved = study.path.rename(study.path.with_name("other"))
    with pytest.raises(UsageError, match="under another name"):
        StudyFolder.open(moved)
    assert list_studies(tmp_path / "runs") == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "newer version"),
        ({"study_id": "../elsewhere"}, "study_id"),
        ({"members": [{"number": 4, "trial": 0, "values": {"rho": 0.1}, "seed": 0}]}, "Run 0"),
        ({"members": [{"number": 0, "trial": 0, "values": {}, "seed": 0}]}, "Run 0"),
        (
            {"members": [{"number": 0, "trial": 0, "values": {"rho": 7.0}, "seed": 0}]},
            "rho = 7.0 is out of range",
        ),
    ],
)
def test_what_a_study_cannot_say_is_refused(changes: dict, said: str, tmp_path) -> None:
    study = small_study(tmp_path)
    values = json.loads((study.path / "study.json").read_text())
    (study.path / "study.json").write_text(json.dumps({**values, **changes}))
    with pytest.raises(UsageError, match=said):
        StudyFolder.open(study.path)


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[StudyFolder, bytes]:
    study = small_study(tmp_path_factory.mktemp("study"))
    return study, (study.path / "study.json").read_bytes()


@given(st.data())
def test_a_fuzzed_study_is_one_or_refused(written, data) -> None:
    study, good = written
    how = data.draw(st.sampled_from(["cut", "flip", "value"]))
    if how == "cut":
        said = good[: data.draw(st.integers(0, len(good)))]
    elif how == "flip":
        at, byte = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(0, 255))
        said = good[:at] + bytes([byte]) + good[at + 1 :]
    else:
        values = json.loads(good)
        inside = data.draw(st.sampled_from([values, values["spec"], values["members"][0]]))
        name = data.draw(st.sampled_from(sorted(inside)))
        inside[name] = data.draw(
            st.none()
            | st.integers()
            | st.text(max_size=5)
            | st.lists(st.integers(), max_size=2)
            | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
        )
        said = json.dumps(values).encode()
    (study.path / "study.json").write_bytes(said)
    try:
        found = StudyFolder.open(study.path)
    except FilterscopeError as error:
        assert error.message.startswith(study.path.name)  # noqa: PT017 - either will do
        return
    assert isinstance(found.info, StudyInfo)
    for member in found.info.members:
        found.spec.member_specs(member.values, member.seed)
        assert found.run_path(member).parent == study.runs
