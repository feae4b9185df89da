"""Checks in a process of their own: what they say crosses unharmed, and they end when told to."""

from __future__ import annotations

import io
import json
import sys
import threading
from typing import Any

import numpy as np
import psutil
import pytest

from app.core.checks import CHECKS, Outcome, process, remote, run_check
from app.core.checks.comparison import USED, Comparison, parts_of, times
from app.core.checks.ladders import NetworkSource
from app.core.checks.layer_case import TimingSpec
from app.core.checks.machine_rate import MachineRate
from app.core.checks.remote import ask
from app.core.checks.table import outcomes_csv, outcomes_json
from app.core.checks.timing import Doing, Timed, time_layer
from app.core.checks.topics import TOPICS, Summary, summary, topic_of
from app.core.checks.wire import decode, encode
from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.params import describe
from app.core.specs import ConvNetSpec, ImageSpec

# --- the lines


def crossed(value: Any) -> Any:
    return decode(encode({"value": value}))["value"]


def test_an_outcome_crosses_with_every_element_of_its_gradients() -> None:
    outcome = run_check(CHECKS["conv_relu"])
    found = crossed(outcome)
    assert found.check is outcome.check
    assert found.measures == outcome.measures
    assert found.seconds == outcome.seconds
    pairs = zip(found.measures, outcome.measures, strict=True)
    details = [(a.detail, b.detail) for a, b in pairs if b.detail is not None]
    assert details
    for ours, theirs in details:
        assert ours.worst == theirs.worst
        assert ours.tried == theirs.tried
        for name in ("analytic", "numeric", "errors", "looked", "kinks", "rounding"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
            assert getattr(ours, name).dtype == getattr(theirs, name).dtype


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_what_json_has_no_word_for_crosses(value: float) -> None:
    assert crossed(value) == value
    assert np.isnan(crossed(float("nan")))
    assert crossed(np.float64(1.5)) == 1.5


@pytest.mark.parametrize(
    "line",
    [
        b"[]\n",
        b"{\n",
        b'{"value": {"$": "os.system"}}\n',
        b'{"value": {"$": "array", "kind": "object", "shape": [1], "data": ""}}\n',
        b'{"value": {"$": "Check", "name": "none"}}\n',
    ],
)
def test_what_is_none_of_ours_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(line)


# --- the process, asked here


def serve(request: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Answer a request as the process would, without one."""
    monkeypatch.setattr(process, "_follow", lambda _stream: None)
    monkeypatch.setattr(process, "step_back", lambda _niceness: None)
    sink = io.BytesIO()
    process.serve(io.BytesIO(json.dumps(request).encode() + b"\n"), sink)
    return [decode(line) for line in sink.getvalue().splitlines()]


def test_checks_are_begun_told_and_done(monkeypatch: pytest.MonkeyPatch) -> None:
    told = serve({"job": "checks", "names": ["relu", "affine"]}, monkeypatch)
    begun = [message["begun"] for message in told if "begun" in message]
    outcomes = [message["outcome"] for message in told if "outcome" in message]
    assert begun == ["relu", "affine"]
    assert [outcome.check.name for outcome in outcomes] == begun
    assert all(outcome.passed for outcome in outcomes)
    assert told[-1] == {"done": True}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (
            FilterscopeError("It is too large.", "Choose less."),
            {"problem": "It is too large.", "hint": "Choose less."},
        ),
        (MemoryError(), {"problem": "There is not enough memory for this."}),
        (ZeroDivisionError("a bug"), {"bug": "ZeroDivisionError"}),
    ],
)
def test_what_a_job_raises_is_told(
    raised: Exception, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def job(_request: Any, _say: Any) -> Any:
        raise raised
        yield

    monkeypatch.setitem(process.JOBS, "checks", job)
    (told,) = serve({"job": "checks"}, monkeypatch)
    for key, text in expected.items():
        assert text in told[key]


# --- the process itself


def test_a_process_makes_checks_and_is_gone_afterwards() -> None:
    children = set(psutil.Process().children())
    told = list(ask("checks", names=["relu"]))
    (outcome,) = [message["outcome"] for message in told if "outcome" in message]
    assert outcome.passed
    assert set(psutil.Process().children()) <= children


def test_giving_up_ends_the_process_at_once() -> None:
    stop = threading.Event()
    told = ask("checks", cancelled=stop.is_set, names=["conv_fast"])
    assert next(told) == {"begun": "conv_fast"}
    stop.set()
    with pytest.raises(Cancelled):
        list(told)


def test_a_problem_and_a_fault_of_a_job_are_raised_here() -> None:
    impossible = TimingSpec(height=2, width=2, window=9, pad=0).model_dump()
    with pytest.raises(FilterscopeError, match="9×9 does not fit"):
        list(ask("timing", spec=impossible))
    with pytest.raises(RuntimeError, match="KeyError"):
        list(ask("nothing"))


def test_a_process_that_goes_away_is_told_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        remote.sys, "executable", "/bin/true" if sys.platform != "win32" else "where"
    )
    with pytest.raises(FilterscopeError, match="ended before"):
        list(ask("checks", names=["relu"]))


@pytest.mark.slow
def test_torch_is_loaded_in_the_other_process_alone() -> None:
    already = "torch" in sys.modules
    list(
        ask("timing", spec=TimingSpec(batch=1, height=8, width=8, filters=2, window=3).model_dump())
    )
    assert ("torch" in sys.modules) == already


# --- what the list says


def test_every_check_has_a_topic_and_every_topic_its_code() -> None:
    assert sorted(name for topic in TOPICS for name in topic.checks) == sorted(CHECKS)
    for name in CHECKS:
        assert name in topic_of(name).checks
    for topic in TOPICS:
        assert topic.teaches.endswith(".")
        assert topic.layers or topic.code or topic.key == "pictures"


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (Summary(0, 0, 18), "18 checks"),
        (Summary(18, 0, 0), "18 of 18 hold"),
        (Summary(16, 1, 1), "16 of 17 hold, 1 fails, 1 not made yet"),
        (Summary(1, 2, 0, ("CIFAR-10",)), "1 of 3 hold, 2 fail, 1 needs CIFAR-10"),
        (Summary(36, 0, 0, ("CIFAR-10", "CIFAR-10")), "36 of 36 hold, 2 need CIFAR-10"),
        (Summary(0, 0, 0, ("",)), "1 cannot be made here"),
    ],
)
def test_the_summary_says_what_was_made_and_what_could_not_be(
    found: Summary, sentence: str
) -> None:
    assert found.sentence() == sentence


def test_outcomes_are_counted() -> None:
    relu = CHECKS["relu"]
    outcomes = [Outcome(relu, (), "", passed, 0.0) for passed in (True, False, True)]
    outcomes.append(Outcome(relu, (), "None here.", None, 0.0, needs="CIFAR-10"))
    assert summary(outcomes, 4) == Summary(2, 1, 4, ("CIFAR-10",))


def test_outcomes_are_taken_away_as_they_are() -> None:
    outcomes = [run_check(CHECKS[name]) for name in ("relu", "max_pool_ties")]
    lines = outcomes_csv(outcomes).decode().splitlines()
    assert len(lines) == 1 + sum(len(outcome.measures) for outcome in outcomes)
    assert lines[1].startswith("relu,")
    assert [row["name"] for row in json.loads(outcomes_json(outcomes))] == ["relu", "max_pool_ties"]


# --- times


def timed(engine: str, forward: float, backward: float, gflops: float | None) -> list[Timed]:
    error = None if engine == "NumPy" else 1e-6
    return [
        Timed(engine, "forward", forward, gflops, error, 4),
        Timed(engine, "backward", backward, gflops, error, 4),
    ]


def test_times_are_compared() -> None:
    spec = TimingSpec(batch=4)
    found = [MachineRate(200.0, 2, "float32"), *timed("NumPy", 2.0, 4.0, 0.01)]
    found += [*timed("compiled", 0.001, 0.003, 100.0), *timed("torch", 0.002, 0.006, 50.0)]
    comparison = Comparison(spec, *parts_of(found))
    numpy, compiled, torch = comparison.compared("both")
    assert (numpy.seconds, numpy.speedup) == (6.0, None)
    assert compiled.speedup == pytest.approx(1500)
    assert compiled.gflops == pytest.approx(100)
    assert torch.speedup == pytest.approx(750)
    assert comparison.limit("forward") == pytest.approx(2.0 * 0.01 / 200)
    assert comparison.compared("forward")[1].speedup == pytest.approx(2000)
    assert "0.50 of torch" in comparison.sentence("both")
    assert len(comparison.as_csv().decode().splitlines()) == 7


def test_a_comparison_that_is_not_done_says_what_it_knows() -> None:
    comparison = Comparison(TimingSpec(), None, tuple(timed("NumPy", 1.0, 1.0, None)[:1]))
    assert [one.engine for one in comparison.compared("forward")] == ["NumPy"]
    assert comparison.compared("both") == []
    assert comparison.limit("forward") is None
    assert comparison.sentence("both") == ""
    without = Comparison(
        TimingSpec(), None, (*timed("NumPy", 1.0, 1.0, None), *timed("torch", 0.1, 0.1, None))
    )
    assert without.sentence("both") == "torch is 10× as fast as NumPy’s"


def test_ratios_are_written_shortly() -> None:
    assert [times(value) for value in (0.512, 3.21, 47.3, 18834.0)] == [
        "0.51×",
        "3.2×",
        "47×",
        "18 800×",
    ]


def test_every_layer_that_is_timed_says_what_matters_for_it() -> None:
    parameters = {one.name: one for one in describe(TimingSpec)}
    assert set(USED) == set(parameters["layer"].choices)
    for layer, names in USED.items():
        assert set(names) <= set(parameters)
        base = TimingSpec(
            layer=layer, batch=2, channels=2, height=8, width=8, filters=2, window=2, pad=0
        )
        first = next(event for event in time_layer(base) if isinstance(event, Doing))
        assert first.share == 0


# --- networks in words


def test_a_network_in_words_is_the_same_afterwards() -> None:
    source = NetworkSource(ConvNetSpec(dropout=0.25), ImageSpec(), "/some/where", 32)
    assert NetworkSource.from_json(json.loads(json.dumps(source.as_json()))) == source
    told = source.as_json()
    told["spec"]["dropout"] = 7
    with pytest.raises(UsageError):
        NetworkSource.from_json(told)
