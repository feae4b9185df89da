"""Outcomes of checks as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from app.core.checks.five_ways import WayTold
from app.core.checks.outcomes import Outcome

__all__ = ["outcomes_csv", "outcomes_json", "ways_csv"]

COLUMNS = (
    "check",
    "group",
    "description",
    "passed",
    "measure",
    "engine",
    "value",
    "bound",
    "at_least",
    "reference",
    "seconds",
    "note",
)

# Differences are from the loops, relative to their largest number; seconds are of both ways.
WAY_COLUMNS = (
    "way",
    "precision",
    "images",
    "loss",
    "scores_apart",
    "gradient_apart",
    "seconds",
)


def outcomes_csv(outcomes: Sequence[Outcome]) -> bytes:
    """Return a row for each measure, and one for a check that measured nothing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for outcome in outcomes:
        check = outcome.check
        passed = "" if outcome.passed is None else outcome.passed
        head = [check.name, check.group, check.description]
        tail = [f"{outcome.seconds:.3f}", outcome.note]
        for one in outcome.measures:
            bound = "" if one.bound is None else repr(float(one.bound))
            figures = [one.name, one.engine, repr(float(one.value)), bound, one.at_least]
            writer.writerow([*head, one.passed, *figures, one.reference, *tail])
        if not outcome.measures:
            writer.writerow([*head, passed, "", "", "", "", "", "", *tail])
    return out.getvalue().encode()


def outcomes_json(outcomes: Sequence[Outcome]) -> bytes:
    """Return what ``filterscope check --json`` prints."""
    told = [outcome.as_json() for outcome in outcomes]
    return (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()


def ways_csv(ways: Sequence[WayTold], precision: str, images: int) -> bytes:
    """Return a row for each way in which a network was computed."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(WAY_COLUMNS)
    for way in ways:
        apart = repr(way.scores_apart), repr(way.gradient_apart)
        writer.writerow([way.name, precision, images, repr(way.loss), *apart, repr(way.seconds)])
    return out.getvalue().encode()
