"""What a check is, what it measured, and when that is good enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.errors import Cancelled, FilterscopeError
from app.core.nn.gradient_check import GradientCheck

__all__ = ["Check", "Conditions", "Measure", "NotHere", "Outcome", "check", "run_check"]


@dataclass(frozen=True)
class Measure:
    """One number that was measured.

    Attributes
    ----------
    name : str
        Of what, for example ``dx``.
    value : float
    bound : float or None
        What it must not exceed, or where `at_least` must reach; None when it is only shown.
    reference : str
        The figure of the exercise's report, as it was printed; empty where there is none.
    at_least : bool
    engine : str
        ``NumPy`` or ``compiled``; empty where it is about both or neither.
    detail : GradientCheck, optional
        Where it is the error of a gradient: element by element.
    """

    name: str
    value: float
    bound: float | None = None
    reference: str = ""
    at_least: bool = False
    engine: str = ""
    detail: GradientCheck | None = field(default=None, repr=False, compare=False)

    @property
    def passed(self) -> bool:
        """Whether it keeps its bound; what is not a number does not."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def strain(self) -> float:
        """How near the bound it is: above 1 it breaks it."""
        if self.bound is None:
            return -1.0
        if math.isnan(self.value):
            return math.inf
        if self.at_least:
            return self.bound / self.value if self.value > 0 else math.inf
        if self.bound == 0:
            return 0.0 if self.value == 0 else math.inf
        return self.value / self.bound


class NotHere(FilterscopeError):  # noqa: N818 - nothing is wrong
    """A check cannot be made here, and why.

    Parameters
    ----------
    message : str
    needs : str
        What it needs, in a word or two: ``CIFAR-10``.
    """

    def __init__(self, message: str, needs: str = "") -> None:
        super().__init__(message)
        self.needs = needs


@dataclass
class Conditions:
    """What a check may use.

    Attributes
    ----------
    data : Path, optional
        Where CIFAR-10 is; checks that train take the synthetic images without it.
    seeds : tuple of int
        Of trainings.
    between : callable
        Told what is done and how far it is, 0 … 1; may raise `Cancelled`.
    """

    data: Path | None = None
    seeds: tuple[int, ...] = (231,)
    between: Callable[[str, float], None] = lambda _text, _share: None


@dataclass(frozen=True)
class Check:
    """A named check.

    Attributes
    ----------
    name, group, description : str
        The description says what must be true, in one sentence.
    measure : callable
        Takes the conditions and returns what was measured.
    code : tuple of str
        Layers whose code is shown beside it: names in `app.core.kernels.reference`.
    slow : bool
        Takes more than a few seconds; left out unless it is named or all are asked for.
    """

    name: str
    group: str
    description: str
    measure: Callable[[Conditions], Iterable[Measure]]
    code: tuple[str, ...] = ()
    slow: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Attributes
    ----------
    check : Check
    measures : tuple of Measure
    note : str
        Why it could not be made or broke off; else empty.
    passed : bool or None
        None when it could not be made here.
    seconds : float
    needs : str
        What would have to be here for it, where it could not be made; may be empty.
    """

    check: Check
    measures: tuple[Measure, ...]
    note: str
    passed: bool | None
    seconds: float
    needs: str = ""

    @property
    def deciding(self) -> Measure | None:
        """The measure that is nearest to its bound, or furthest beyond."""
        return max(self.measures, key=lambda one: one.strain, default=None)

    def as_json(self) -> dict[str, Any]:
        """Return what ``filterscope check --json`` prints."""
        worst = self.deciding
        return {
            "name": self.check.name,
            "group": self.check.group,
            "description": self.check.description,
            "error": None if worst is None else finite(worst.value),
            "bound": None if worst is None else worst.bound,
            "reference": "" if worst is None else worst.reference,
            "passed": self.passed,
            "measures": [
                {
                    "name": one.name,
                    "value": finite(one.value),
                    "bound": one.bound,
                    "at_least": one.at_least,
                    "reference": one.reference,
                    "engine": one.engine,
                    "passed": one.passed,
                }
                for one in self.measures
            ],
            "note": self.note,
            "seconds": round(self.seconds, 3),
        }

    def line(self) -> str:
        """Return one line for the terminal."""
        word = {True: "ok", False: "FAILED", None: "not here"}[self.passed]
        # Of one thing measured on two engines the worse.
        worst: dict[str, Measure] = {}
        for one in sorted(self.measures, key=lambda one: one.strain):
            worst[one.name] = one
        names = dict.fromkeys(one.name for one in self.measures)
        shown = ", ".join(_say(worst[name]) for name in names) or self.note
        extra = f" ({self.note})" if self.note and self.measures else ""
        return f"{word:8} {self.check.name:26} {shown}{extra}"


def finite(value: float) -> float | str:
    """Return the number, or its name where JSON has no number for it."""
    return value if math.isfinite(value) else str(value)


def _say(one: Measure) -> str:
    text = f"{one.name} {one.value:.3g}" if one.bound is not None else f"{one.name} {one.value:.6g}"
    if one.bound is not None:
        text += f" {'≥' if one.at_least else '≤'} {one.bound:.3g}"
        if not one.passed:
            text += " ✗"
    return f"{text} (the report has {one.reference})" if one.reference else text


def check(
    group: str, description: str, *, code: tuple[str, ...] = (), slow: bool = False
) -> Callable[[Callable[[Conditions], Iterable[Measure]]], Check]:
    """Make a check of a function; its name is the function's."""

    def made(function: Callable[[Conditions], Iterable[Measure]]) -> Check:
        return Check(function.__name__, group, description, function, code, slow)

    return made


def run_check(one: Check, conditions: Conditions | None = None) -> Outcome:
    """Make one check. What goes wrong in it is its outcome; only `Cancelled` is raised."""
    conditions = conditions or Conditions()
    start = time.perf_counter()
    measures: list[Measure] = []
    note, needs, passed = "", "", None
    try:
        # One by one: what was measured before it broke stays.
        for measure in one.measure(conditions):
            measures.append(measure)  # noqa: PERF402
        passed = all(measure.passed for measure in measures) and bool(measures)
    except Cancelled:
        raise
    except NotHere as reason:
        note, needs = reason.message, reason.needs
    except Exception as error:  # A layer that raises has failed its check, whatever it raised.
        note, passed = f"{type(error).__name__}: {error}", False
    return Outcome(one, tuple(measures), note, passed, time.perf_counter() - start, needs)
