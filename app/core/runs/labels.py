"""What a person writes on a run: tags, a note, a colour. It lies in the run's own folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from app.core.errors import FilterscopeError, UsageError
from app.core.params import Spec
from app.core.runs.files import LABELS, read
from app.core.settings import read_json
from app.core.storage import save_bytes

__all__ = ["RunLabels", "parse_tags", "race_of", "read_labels", "write_labels"]

MOST_BYTES = 1 << 16
# As `app.core.race.line_up.tag_of` writes it.
RACE = re.compile(r"race [0-9a-f]{6}")
Tag = Annotated[str, Field(min_length=1, max_length=40)]


class RunLabels(Spec):
    """What ``labels.json`` holds."""

    version: Literal[1] = 1
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    note: Annotated[str, Field(max_length=4000)] = ""
    colour: Annotated[str, Field(pattern="^(#[0-9a-f]{6})?$")] = ""


def read_labels(folder: Path) -> RunLabels:
    """Return what was written on a run; nothing when there is none, or none that can be read."""
    if not (folder / LABELS).exists():
        return RunLabels()
    try:
        values = read_json(read(folder / LABELS, MOST_BYTES, "There is nothing"))
        return RunLabels.build(values if isinstance(values, dict) else {"version": 0})
    except FilterscopeError:
        return RunLabels()


def write_labels(folder: Path, labels: RunLabels) -> None:
    """Keep what a person wrote; raises `StorageError`."""
    save_bytes(folder / LABELS, labels.to_json(), overwrite=True)


def parse_tags(text: str) -> tuple[str, ...]:
    """Return the tags in a line, divided by commas, each once.

    Raises
    ------
    UsageError
        One is too long, or there are too many.
    """
    words = (" ".join(word.split()) for word in text.split(","))
    tags = tuple(dict.fromkeys(word for word in words if word))
    try:
        return RunLabels(tags=tags).tags
    except ValueError:
        raise UsageError(
            "These tags cannot be kept.", "Take at most 20, of at most 40 letters each."
        ) from None


def race_of(labels: RunLabels) -> str:
    """Return the tag by which the runs of a race are known; empty for a run of none."""
    return next((tag for tag in labels.tags if RACE.fullmatch(tag)), "")
