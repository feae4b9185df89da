"""``history.jsonl``: one record a line, each with its checksum."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.errors import UsageError
from app.core.events import Change, Evaluated
from app.core.history import History
from app.core.settings import read_json

__all__ = ["cut_log", "line", "parse_log", "replay"]

MOST_STEPS = 1 << 53


def line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line of the log, its checksum before it."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def parse_log(data: bytes) -> Iterator[dict[str, Any] | str]:
    """Yield the records of a log; a string says why it ends before its end."""
    lines = data.split(b"\n")
    for number, line in enumerate(lines):
        if not line:
            continue
        checksum, _, text = line.partition(b" ")
        whole = number < len(lines) - 1
        if len(checksum) == 8 and checksum == b"%08x" % zlib.crc32(text):
            try:
                record = read_json(text, 64 << 20)
            except UsageError:
                record = None
            if isinstance(record, dict):
                yield record
                continue
        if whole and any(lines[number + 1 :]):
            yield f"The history is damaged at line {number + 1}; what comes after it is left out."
        elif whole:
            yield f"The last line of the history, {number + 1}, is damaged."
        else:
            yield "The history ends in the middle of a line: it is still written, or was cut off."
        return


def cut_log(
    data: bytes, step: int, *, epoch_ended: bool, evaluated: bool
) -> Iterator[dict[str, Any]]:
    """Yield the records of what was done by the time `step` steps were, for a continuation.

    What came after the last checkpoint is computed anew, to the same bits. At `step` itself,
    the end of an epoch and an evaluation count when the checkpoint was made after them.
    """
    for record in parse_log(data):
        if isinstance(record, str):
            return
        kind = record.get("type")
        if kind == "steps":
            first, terms = record.get("first"), record.get("terms")
            if not isinstance(first, int) or not isinstance(terms, list) or first > step:
                continue
            room = step - first + 1
            cut = {**record, "terms": terms[:room]}
            if isinstance(record.get("accuracies"), list):
                cut["accuracies"] = record["accuracies"][:room]
            yield cut
            continue
        at = record.get("step")
        if not isinstance(at, int) or at > step:
            continue
        if at == step and not {"epoch": epoch_ended, "evaluated": evaluated}.get(str(kind), True):
            continue
        yield record


def replay(history: History, record: Mapping[str, Any]) -> None:
    """Put a record into `history`; raises `UsageError` when it makes no sense."""
    try:
        kind = record["type"]
        if kind == "steps":
            terms = np.asarray(record["terms"])
            if terms.ndim != 2 or terms.shape[1] != len(history.term_names):
                raise ValueError("other terms")
            if terms.dtype.kind not in "if":
                raise ValueError("no numbers")
            first = _whole(record["first"], 1)
            if len(history) and first <= history.steps[-1]:
                raise ValueError("steps run backwards")
            history.append(first, terms.astype(np.float64), _accuracies(record, len(terms)))
        elif kind == "changed":
            for name, old, new in record["changes"]:
                change = Change(str(name), _number(old), _number(new))
                history.changes.append((_whole(record["step"], 0), change))
        elif kind == "epoch":
            history.epoch_steps.append(_whole(record["step"], 0))
        elif kind == "evaluated":
            history.evaluations.append(
                Evaluated(
                    "",
                    _whole(record["step"], 0),
                    _number(record["epoch"]),
                    _number(record["train_accuracy"]),
                    _number_or_none(record["validation_accuracy"]),
                    _number_or_none(record["validation_loss"]),
                    record["best"] is True,
                )
            )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UsageError("The history has a line that makes no sense.") from None


def _accuracies(record: Mapping[str, Any], count: int) -> NDArray[np.float64] | None:
    given = record.get("accuracies")
    if given is None:
        return None
    accuracies = np.asarray(given)
    if accuracies.shape != (count,) or accuracies.dtype.kind not in "if":
        raise ValueError("other accuracies")
    return accuracies.astype(np.float64)


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)


def _whole(value: Any, least: int) -> int:
    if type(value) is not int or not least <= value < MOST_STEPS:
        raise ValueError(f"{value!r} is no step")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} is no number")
    return float(value)
