"""A run's data that lies elsewhere now: it moved, or the run came from another machine."""

from __future__ import annotations

from pathlib import Path

from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.errors import RefusedInputError
from app.core.runs import RunFolder, SourceInfo

__all__ = ["check_place", "is_missing", "missing_words", "move_data", "was_folder"]


def is_missing(source: SourceInfo) -> bool:
    """Return whether a run's data is not where it was."""
    return source.path != SYNTHETIC_NAME and not Path(source.path).exists()


def was_folder(source: SourceInfo) -> bool:
    """Return whether the data was a folder, as far as a name tells where nothing is there."""
    cut = source.dataset.startswith("cut ")
    return cut or source.dataset.isdecimal() or not Path(source.path).suffix


def missing_words(run: RunFolder) -> str:
    """Return what is said where a run's data is not in its place."""
    return f"The data of {run.name}, {Path(run.info.source.path).name}, is not in its place."


def check_place(run: RunFolder) -> None:
    """Raise `RefusedInputError` when a run's data is not where it was."""
    if is_missing(run.info.source):
        raise RefusedInputError(
            missing_words(run),
            f"It was in {Path(run.info.source.path).parent}. To say where it is now: "
            f"filterscope runs data {run.path.name} PATH.",
        )


def move_data(run: RunFolder, path: Path) -> RunFolder:
    """Return the run as if its data had always been at `path`; its file is not changed.

    Whether the data is the same is for `app.core.rebuilt.check_data` to say, once it was read.
    """
    source = {**run.info.source.model_dump(), "path": str(path.absolute())}
    return RunFolder(run.path, run.info.changed(source=source))
