"""``history.jsonl``: one record a line, each with its checksum.

Numbers of many steps are one string: base64 of float64, little-endian. That is half as large as
their digits, exact, and written ten times as fast.
"""

from __future__ import annotations

import base64
import binascii
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

__all__ = ["cut_log", "line", "pack", "parse_log", "replay", "unpack"]

MOST_STEPS = 1 << 53


def line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line of the log, its checksum before it."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def pack(array: NDArray[Any], dtype: str = "<f8") -> str:
    """Return numbers as text: their bytes in base64, row by row."""
    return base64.b64encode(np.ascontiguousarray(array, dtype).tobytes()).decode()


def unpack(text: str, columns: int, dtype: str = "<f8") -> NDArray[Any]:
    """Return what `pack` packed, as rows of so many columns (n, columns).

    Raises
    ------
    ValueError
        It is something else, or has numbers that are not finite.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    array: NDArray[Any] = np.frombuffer(data, dtype).reshape(-1, columns)
    if not np.isfinite(array).all():
        raise ValueError("not finite")
    return array


def parse_log(data: bytes, *, live: bool = False) -> Iterator[dict[str, Any] | str]:
    """Yield the records of a log; a string says why it ends before its end.

    `live` says that somebody is writing it: a last line without its end is no fault then.
    """
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
        elif live:
            yield "The last line of the history is still being written."
        else:
            yield "The history was cut off in the middle of its last line."
        return


def cut_log(
    data: bytes, step: int, columns: int, *, epoch_ended: bool, evaluated: bool
) -> Iterator[dict[str, Any]]:
    """Yield the records of what was done by the time `step` steps were, for a continuation.

    Its steps have so many terms (`columns`). What came after the last checkpoint is computed anew, to the same bits. At `step` itself,
    the end of an epoch and an evaluation count when the checkpoint was made after them.
    """
    for record in parse_log(data):
        if isinstance(record, str):
            return
        kind = record.get("type")
        if kind == "steps":
            first = record.get("first")
            if isinstance(first, int) and first <= step:
                yield _first_steps(record, step - first + 1, columns)
            continue
        at = record.get("step")
        if not isinstance(at, int) or at > step:
            continue
        if at == step and not {"epoch": epoch_ended, "evaluated": evaluated}.get(str(kind), True):
            continue
        yield record


def _first_steps(record: dict[str, Any], room: int, columns: int) -> dict[str, Any]:
    """Return a record of steps with at most `room` of them; one that makes no sense as it is."""
    try:
        terms = _rows(record["terms"], columns)
        if len(terms) <= room:
            return record
        cut = {**record, "terms": pack(terms[:room])}
        if "accuracies" in record:
            cut["accuracies"] = pack(_rows(record["accuracies"], 1)[:room])
        if "seconds" in record:
            cut["seconds"] = _number(record["seconds"]) * room / len(terms)
    except (KeyError, TypeError, ValueError, OverflowError):
        return record
    return cut


def replay(history: History, record: Mapping[str, Any]) -> None:
    """Put a record into `history`; raises `UsageError` when it makes no sense."""
    try:
        kind = record["type"]
        if kind == "steps":
            terms = _rows(record["terms"], len(history.term_names))
            first = _whole(record["first"], 1)
            if len(history) and first <= history.steps[-1]:
                raise ValueError("steps run backwards")
            seconds = _number(record.get("seconds", np.nan))
            accuracies = None
            if record.get("accuracies") is not None:
                accuracies = _rows(record["accuracies"], 1)[:, 0]
                if len(accuracies) != len(terms):
                    raise ValueError("other accuracies")
            history.append(first, terms, accuracies, seconds)
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


def _rows(value: Any, columns: int) -> NDArray[np.float64]:
    """Return numbers (n, columns) of a record: packed, or a list, as they once were written."""
    if isinstance(value, str):
        return unpack(value, columns)
    array = np.asarray(value)
    if columns == 1 and array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != columns or array.dtype.kind not in "if":
        raise ValueError("no numbers")
    return array.astype(np.float64)


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
