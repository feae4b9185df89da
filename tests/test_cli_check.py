"""``filterscope check`` as a person and a script meet it."""

from __future__ import annotations

import json

import pytest

from app.cli import main
from app.core import checks
from app.core.checks.outcomes import Check, Measure, NotHere


@pytest.fixture
def said(capsys):
    """Run a command; returns its exit code, standard output and standard error."""

    def run(*arguments):
        code = main(list(arguments))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def three(monkeypatch):
    """Leave one check that passes, one that fails, one that cannot be made, and a slow one."""

    def missing(_):
        raise NotHere("There is no data.")

    made = [
        Check("good", "Layers", "It is right", lambda _: [Measure("dx", 1e-9, 1e-7, "1e-8")]),
        Check("bad", "Layers", "It is wrong", lambda _: [Measure("dw", 1e-3, 1e-7)]),
        Check("away", "Networks", "It is elsewhere", missing),
        Check("long", "Networks", "It lasts", lambda _: [Measure("x", 0.0, 1.0)], slow=True),
    ]
    monkeypatch.setattr(checks, "CHECKS", {one.name: one for one in made})


def test_one_line_for_each_and_a_sum(said, three):
    code, out, _ = said("check")
    lines = out.splitlines()
    assert code == 1
    assert [line.split()[0] for line in lines[:2]] == ["ok", "FAILED"]
    assert lines[0].split()[1] == "good"
    assert "1e-09 ≤ 1e-07 (the report has 1e-8)" in lines[0]
    assert lines[2].startswith("not here")
    assert lines[3] == "1 of 2 passed, 1 not here"


def test_exit_code_is_one_only_when_something_failed(said, three):
    assert said("check", "good", "away")[0] == 0
    assert said("check", "bad")[0] == 1


def test_slow_ones_are_made_when_they_are_named_or_all_are_asked_for(said, three):
    assert "long" not in said("check")[1]
    assert "long" in said("check", "--all")[1]
    assert "long" in said("check", "long")[1]
    assert "long" in said("check", "Networks")[1]


def test_json_is_a_list_with_error_bound_reference_and_passed(said, three):
    code, out, _ = said("check", "--all", "--json")
    told = json.loads(out)
    assert code == 1
    assert [(one["name"], one["passed"]) for one in told] == [
        ("good", True), ("bad", False), ("away", None), ("long", True),
    ]  # fmt: skip
    assert (told[0]["error"], told[0]["bound"], told[0]["reference"]) == (1e-9, 1e-7, "1e-8")
    assert (told[2]["error"], told[2]["note"]) == (None, "There is no data.")


def test_the_list_checks_nothing(said, three):
    code, out, _ = said("check", "--list")
    assert code == 0
    assert [line.strip().split()[0] for line in out.splitlines()] == [
        "Layers", "good", "bad", "Networks", "away", "long",
    ]  # fmt: skip
    assert out.splitlines()[-1].endswith("(slow)")
    told = json.loads(said("check", "--list", "--json")[1])
    assert [one["slow"] for one in told] == [False, False, False, True]


def test_a_name_that_is_none_is_refused(said, three):
    code, out, err = said("check", "conv")
    assert (code, out) == (2, "")
    assert "“conv”" in err
    assert "--list" in err


def test_a_real_one(said):
    code, out, _ = said("check", "max_pool_forward", "--json")
    (told,) = json.loads(out)
    assert code == 0
    assert told["bound"] == 5e-8
    assert 4.1e-8 < told["error"] < 4.2e-8
    assert told["reference"] == "4.2e-8"
