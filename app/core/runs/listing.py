"""The runs below a folder."""

from __future__ import annotations

from pathlib import Path

from app.core.errors import UsageError
from app.core.runs.files import folders_of
from app.core.runs.folder import RunFolder

__all__ = ["by_start", "list_runs"]


def list_runs(root: Path) -> list[RunFolder]:
    """Return the runs below `root`, newest first; folders that are none are left out."""
    runs = []
    for folder in folders_of(root):
        try:
            runs.append(RunFolder.open(folder))
        except UsageError:
            continue
    return sorted(runs, key=by_start, reverse=True)


def by_start(run: RunFolder) -> tuple[str, str]:
    """Return what puts runs into the order of their start; the name decides between equals."""
    return run.info.started, run.path.name
