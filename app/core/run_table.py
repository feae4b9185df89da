"""The table of all runs, and what differs between two of them."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.compare.groups import changed_settings, own_settings
from app.core.data.in_words import title_of
from app.core.data.sample import sample_path
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.errors import UsageError
from app.core.params import describe
from app.core.resume import where_it_stopped
from app.core.runs import RunFolder, RunInfo
from app.core.runs.files import folders_of
from app.core.runs.labels import RunLabels, race_of, read_labels
from app.core.runs.listing import by_start
from app.core.runs.names import run_name, short_id
from app.core.settings import data_folder
from app.core.storage import make_folder, move_folder
from app.core.waiting import Cancel

__all__ = [
    "TRASH",
    "Difference",
    "RunRow",
    "differences",
    "find_run",
    "move_to_trash",
    "read_row",
    "read_rows",
    "read_rows_again",
    "restore_from_trash",
    "settings_that_differ",
]

TRASH = "trash"


@dataclass(frozen=True)
class RunRow:
    """One line of the table: what ``run.json`` and the labels say, no more is read.

    `best` and `last` are validation accuracies of a convolutional network (larger is better),
    and costs of an autoencoder: the least mean of an epoch, and that of all patches at the end.
    None where they are not known. `size` is what the folder takes on the disk, in bytes.
    """

    run: RunFolder
    labels: RunLabels
    state: str
    data: str
    seconds: float | None
    epochs_done: float
    epochs: int
    best: float | None
    last: float | None
    size: int = 0

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.path

    @property
    def name(self) -> str:
        """What it is called, such as ``CNN 4d4c10``."""
        return self.run.name

    @property
    def kind(self) -> str:
        """``autoencoder`` or ``cnn``."""
        return self.run.info.kind

    @property
    def state_words(self) -> str:
        """How it ended, as a person reads it: of one that failed, the notice has told why."""
        return "failed" if self.state in ("expected", "bug") else self.state

    @property
    def family(self) -> str:
        """What it was trained as a part of, such as ``study rho`` or ``race 1a2b3c``; or nothing."""
        study = self.run.info.study
        return f"study {study}" if study else race_of(self.labels)

    @property
    def family_words(self) -> str:
        """What that is called, without when it began."""
        study = self.run.info.study
        if not study:
            return self.family
        title = run_name(study)
        # A study without a title of its own is called so.
        return title if title == "study" else f"study {title}"

    @property
    def words(self) -> str:
        """Everything that a search looks through, in small letters."""
        info = self.run.info
        values = " ".join(f"{name}={value}" for name, value in info.spec.model_dump().items())
        parent = "" if info.parent is None else info.parent.name
        parts = (
            self.path.name,
            self.name,
            self.kind,
            self.state,
            self.state_words,
            self.data,
            *self.labels.tags,
        )
        # As the table says them too: who reads “PyTorch” there types it here.
        parts = (*parts, info.study, parent, own_settings(info), changed_settings(info))
        return " ".join((*parts, self.labels.note, values)).lower()

    @property
    def resumable(self) -> bool:
        """Whether it ended before all its epochs were done, so that it can go on."""
        return self.state in ("crashed", "stopped", "expected", "bug")

    def as_json(self) -> dict[str, Any]:
        """Return what a script is told beside ``run.json``."""
        return {
            "path": str(self.path),
            "state": self.state,
            "data": self.data,
            "seconds": self.seconds,
            "epochs_done": self.epochs_done,
            "best": self.best,
            "last": self.last,
            "bytes": self.size,
            "tags": list(self.labels.tags),
            "note": self.labels.note,
            "colour": self.labels.colour,
        }


def read_row(run: RunFolder) -> RunRow:
    """Return a run's line of the table."""
    info, outcome = run.info, run.info.outcome
    if info.kind == "cnn":
        best = None if info.best is None else info.best.accuracy
        last = None if outcome is None else outcome.accuracy
    else:
        best = None if outcome is None else outcome.least_cost
        last = None if outcome is None or outcome.terms is None else sum(outcome.terms)
    return RunRow(
        run,
        read_labels(run.path),
        info.state,
        _data_name(info.source.path, info.source.dataset),
        _seconds(run),
        where_it_stopped(run),
        info.spec.epochs,
        best,
        last,
        _size(run.path),
    )


def read_rows(root: Path | None = None, cancel: Cancel | None = None) -> list[RunRow]:
    """Return all runs below `root`, the newest first; folders that are none are left out."""
    rows = []
    for folder in folders_of(root or data_folder()):
        if cancel is not None and cancel():
            break
        try:
            rows.append(read_row(RunFolder.open(folder)))
        except UsageError:
            continue
    return sorted(rows, key=lambda row: by_start(row.run), reverse=True)


def read_rows_again(rows: Sequence[RunRow]) -> list[RunRow]:
    """Return what these runs say by now; those that are gone are left out."""
    found = []
    for row in rows:
        try:
            found.append(read_row(RunFolder.open(row.path)))
        except UsageError:
            continue
    return found


def _size(folder: Path) -> int:
    """Return how many bytes the files of a run have; those that nobody may see count nothing."""
    total = 0
    for part in (folder, folder / "keyframes", folder / "checkpoints"):
        try:
            with os.scandir(part) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def find_run(text: str) -> Path:
    """Return the folder that a person names.

    Parameters
    ----------
    text : str
        A path, the name of a kept run's folder, or what the table calls it: ``CNN 4d4c10``, or
        the six letters alone.

    Raises
    ------
    UsageError
        Several of the kept runs have these letters.
    """
    path = Path(text)
    if path.exists() or path.name != text:
        return path
    named = data_folder() / text
    if named.is_dir():
        return named
    wanted = text.lower()
    found = [
        folder
        for folder in folders_of(data_folder())
        if wanted in (short_id(folder), run_name(folder.name).lower())
    ]
    if len(found) > 1:
        names = ", ".join(sorted(folder.name for folder in found))
        raise UsageError(f"Several runs are called {text}: {names}.", "Write a whole name.")
    return found[0] if found else path


def _data_name(path: str, dataset: str) -> str:
    name = title_of(path)
    own = path in (str(sample_path()), SYNTHETIC_NAME)
    return f"{name} ▸ {dataset.lstrip('/')}" if dataset and not own else name


def _seconds(run: RunFolder) -> float | None:
    """Return how long it trained, or for how long it has been training."""
    info = run.info
    if info.outcome is not None and info.outcome.seconds:
        return info.outcome.seconds
    if info.state != "running":
        return None
    try:
        began = datetime.datetime.fromisoformat(info.started)
        return (datetime.datetime.now(datetime.UTC) - began).total_seconds()
    except (ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Difference:
    """A setting that two runs have not in common; None where a run has no such setting."""

    name: str
    label: str
    first: Any
    second: Any


def differences(first: RunFolder, second: RunFolder) -> list[Difference]:
    """Return what differs: data, settings, preprocessing, in this order."""
    return [
        Difference(name, label, *values)
        for name, label, values in settings_that_differ([first, second])
    ]


def settings_that_differ(runs: Sequence[RunFolder]) -> list[tuple[str, str, tuple[Any, ...]]]:
    """Return name, label and the value in each run of what not all have in common.

    Data, settings, preprocessing, in this order; None where a run has no such setting.
    """
    infos = [run.info for run in runs]
    lines: list[tuple[str, str, tuple[Any, ...]]] = [
        ("kind", "Network", tuple(info.kind for info in infos)),
        ("data", "Data", _sources(infos)),
    ]
    for specs in ([info.spec for info in infos], [info.preprocess for info in infos]):
        labels = {p.name: p.hyper.label for spec in specs for p in describe(type(spec))}
        for name, label in labels.items():
            lines.append((name, label, tuple(getattr(spec, name, None) for spec in specs)))
    return [line for line in lines if any(value != line[2][0] for value in line[2])]


def _sources(infos: Sequence[RunInfo]) -> tuple[str, ...]:
    """Return what each learned from; where names do not tell other data apart, its checksum does."""
    names = [_data_name(info.source.path, info.source.dataset) for info in infos]
    sums = [info.source.sha256 for info in infos]
    if len(set(names)) == len(set(sums)) == len(set(zip(names, sums, strict=True))):
        return tuple(names)
    return tuple(f"{name}, {one[:8]}" for name, one in zip(names, sums, strict=True))


def move_to_trash(run: RunFolder) -> Path:
    """Move a run into the folder ``trash`` beside it; returns where it is now.

    Raises
    ------
    UsageError
        It is being trained.
    StorageError
        It cannot be moved.
    """
    if RunFolder.open(run.path).info.state == "running":
        raise UsageError(f"{run.name} is being trained right now.", "Stop it first.")
    trash = run.path.parent / TRASH
    make_folder(trash, exist_ok=True)
    target, number = trash / run.path.name, 2
    while target.exists():
        target, number = trash / f"{run.name}-{number}", number + 1
    move_folder(run.path, target)
    return target


def restore_from_trash(run: RunFolder) -> Path:
    """Move a run out of the trash, beside the others; returns where it is now.

    Raises
    ------
    UsageError
        It is not in the trash, or its place is taken.
    StorageError
        It cannot be moved.
    """
    trash = run.path.parent
    if trash.name != TRASH:
        raise UsageError(f"{run.name} is not in the trash.")
    target = trash.parent / run.path.name
    if os.path.lexists(target):
        raise UsageError(
            f"There is another {run.name} already.", f"Rename {run.path} to something else."
        )
    move_folder(run.path, target)
    return target
