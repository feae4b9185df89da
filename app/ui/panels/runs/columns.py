"""What each column of the table of runs shows, and what it is sorted by."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.compare.groups import changed_settings, own_settings
from app.core.run_table import RunRow
from app.core.words import duration_in_words, size_in_words

__all__ = ["COLUMNS", "NOTE", "NUMBERS", "SETTINGS", "TAGS", "TITLES", "Column"]


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else duration_in_words(seconds)


def started_text(text: str) -> str:
    """Return when a run began by the clock on the wall, without a year that is this one's."""
    try:
        when = datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return text[:16]
    this_year = when.year == datetime.datetime.now().astimezone().year
    return f"{when:%d %b %H:%M}" if this_year else f"{when:%Y-%m-%d}"


def _settings_text(row: RunRow) -> str:
    """Return the settings that are not the default; of a branch, where it begins and what is new."""
    info = row.run.info
    if info.parent is None:
        return own_settings(info)
    changed = changed_settings(info)
    return f"from epoch {info.parent.epoch:.3g}" + (f": {changed}" if changed else "")


def _value_text(row: RunRow, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if row.kind == "cnn" else f"J {value:.4g}"


def _better(rows: Sequence[RunRow]) -> RunRow:
    """Return the run with the best value: of networks of layers the highest, else the lowest."""
    known = [row for row in rows if row.best is not None]
    if not known:
        return rows[0]
    sign = -1.0 if known[0].kind == "cnn" else 1.0
    return min(known, key=lambda row: sign * (row.best or 0.0))


def _same(texts: Sequence[str]) -> str:
    return texts[0] if len(set(texts)) == 1 else ""


def _states(rows: Sequence[RunRow]) -> str:
    """Return how many of them are done, or what all are."""
    states = [row.state_words for row in rows]
    return _same(states) or f"{sum(state == 'done' for state in states)} of {len(rows)} done"


def _seconds(rows: Sequence[RunRow]) -> float | None:
    known = [row.seconds for row in rows if row.seconds is not None]
    return sum(known) if known else None


@dataclass(frozen=True)
class Column:
    """One column.

    `text` and `key` are of a run: what is shown, what is sorted by. `of_many` is what is shown of
    the runs of a study or race, `key_of_many` what it is sorted by.
    """

    title: str
    tip: str
    text: Callable[[RunRow], str]
    key: Callable[[RunRow], Any]
    of_many: Callable[[Sequence[RunRow]], str]
    key_of_many: Callable[[Sequence[RunRow]], Any]
    width: int
    number: bool = False


def _best_text(rows: Sequence[RunRow]) -> str:
    best = _better(rows)
    return _value_text(best, best.best)


COLUMNS: tuple[Column, ...] = (
    Column(
        "Name", "Network and first letters of the run's id; its folder stands in the tip. Double-click "
        "to see it in its lab",
        lambda r: r.name, lambda r: (r.name, r.path.name),
        lambda rows: f"{rows[0].family_words} · {len(rows)} run{'s' * (len(rows) > 1)}",
        lambda rows: (rows[0].family, ""), 210,
    ),
    Column(
        "Settings", "What it was told that is not the default; of a branch, where it begins and what is new",
        _settings_text, _settings_text,
        lambda rows: "", lambda rows: "", 190,
    ),
    Column(
        "State", "How it ended", lambda r: r.state_words, lambda r: r.state_words, _states, _states, 62,
    ),
    Column(
        "Best", "Least mean cost of an epoch, or best validation accuracy",
        lambda r: _value_text(r, r.best), lambda r: r.best,
        _best_text, lambda rows: _better(rows).best, 66, True,
    ),
    Column(
        "Last", "Cost at the end, or last validation accuracy",
        lambda r: _value_text(r, r.last), lambda r: r.last,
        lambda rows: "", lambda rows: None, 66, True,
    ),
    Column(
        "Epochs", "Done, and asked for",
        lambda r: f"{r.epochs_done:.4g} / {r.epochs}", lambda r: r.epochs_done,
        lambda rows: "", lambda rows: sum(r.epochs_done for r in rows), 86, True,
    ),
    Column(
        "Time", "How long it trained",
        lambda r: _duration(r.seconds), lambda r: r.seconds,
        lambda rows: _duration(_seconds(rows)), _seconds, 54, True,
    ),
    Column(
        "Started", "When it began, by the clock of this computer",
        lambda r: started_text(r.run.info.started), lambda r: r.run.info.started,
        lambda rows: started_text(max(r.run.info.started for r in rows)),
        lambda rows: max(r.run.info.started for r in rows), 100,
    ),
    Column(
        "Tags", "Words between commas: double-click or F2 to edit",
        lambda r: ", ".join(r.labels.tags), lambda r: ", ".join(r.labels.tags),
        lambda rows: "", lambda rows: "", 84,
    ),
    Column(
        "Note", "Double-click or Shift+F2 to edit", lambda r: r.labels.note, lambda r: r.labels.note,
        lambda rows: "", lambda rows: "", 100,
    ),
    Column(
        "Size", "What its folder takes on the disk",
        lambda r: size_in_words(r.size), lambda r: r.size,
        lambda rows: size_in_words(sum(r.size for r in rows)), lambda rows: sum(r.size for r in rows),
        74, True,
    ),
    Column(
        "Data", "What it learned from", lambda r: r.data, lambda r: r.data,
        lambda rows: _same([r.data for r in rows]), lambda rows: rows[0].data, 124,
    ),
)  # fmt: skip
TITLES = [column.title for column in COLUMNS]
SETTINGS = TITLES.index("Settings")
TAGS, NOTE = TITLES.index("Tags"), TITLES.index("Note")
NUMBERS = {place for place, column in enumerate(COLUMNS) if column.number}
