"""Which run went on from which: the runs as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import UsageError
from app.core.run_table import RunRow
from app.core.runs import ParentInfo, RunFolder

__all__ = ["Branch", "lineage", "tree_of"]

# Of a chain of runs longer than this nobody looks at the beginning.
MOST_ANCESTORS = 100


@dataclass(frozen=True)
class Branch:
    """A run in its place in the tree.

    Attributes
    ----------
    row : RunRow
    depth : int
        0 for a run without a parent among those that were given.
    last : bool
        Whether no sister comes after it.
    open : tuple of bool
        For each ancestor but the root, in order: whether sisters of it come below, so that a
        line is drawn past this run.
    """

    row: RunRow
    depth: int
    last: bool
    open: tuple[bool, ...] = ()

    @property
    def prefix(self) -> str:
        """The lines of the tree before its name, in box characters."""
        if not self.depth:
            return ""
        past = "".join("│  " if more else "   " for more in self.open)
        return past + ("└─ " if self.last else "├─ ")


def tree_of(rows: Sequence[RunRow]) -> list[Branch]:
    """Return the runs as a tree, each below its parent, depth first.

    Roots keep the order of `rows`. The children of a run stand in the order of the step at
    which they left it. What says that it descends from itself is a root.
    """
    known = {row.run.info.run_id: row for row in rows}
    children: dict[str, list[RunRow]] = {}
    roots = []
    for row in rows:
        parent = row.run.info.parent
        if parent is None or parent.run_id not in known or _turns_in_a_circle(row, known):
            roots.append(row)
        else:
            children.setdefault(parent.run_id, []).append(row)
    found: list[Branch] = []
    # A stack, for a chain of runs may be longer than Python calls deep.
    waiting = [Branch(row, 0, True) for row in reversed(roots)]
    while waiting:
        branch = waiting.pop()
        found.append(branch)
        below = sorted(children.get(branch.row.run.info.run_id, ()), key=_left_at)
        past = (*branch.open, not branch.last) if branch.depth else ()
        waiting.extend(
            Branch(row, branch.depth + 1, place == len(below) - 1, past)
            for place, row in reversed(list(enumerate(below)))
        )
    return found


def _left_at(row: RunRow) -> tuple[float, str]:
    parent = row.run.info.parent
    return (0.0 if parent is None else parent.epoch, row.run.info.started)


def _turns_in_a_circle(row: RunRow, known: dict[str, RunRow]) -> bool:
    """Return whether a run is among its own ancestors: files can say anything."""
    seen = set()
    at: RunRow | None = row
    while at is not None and at.run.info.run_id not in seen:
        seen.add(at.run.info.run_id)
        parent = at.run.info.parent
        at = None if parent is None else known.get(parent.run_id)
    return at is row


def lineage(run: RunFolder) -> list[tuple[RunFolder, ParentInfo]]:
    """Return the ancestors of a run, the first one first, each with the moment it was left at.

    They are looked for beside the run's folder; the first that is not there, or is another run
    by now, ends the line.
    """
    found: list[tuple[RunFolder, ParentInfo]] = []
    seen = {run.info.run_id}
    at = run
    while at.info.parent is not None and len(found) < MOST_ANCESTORS:
        parent = at.info.parent
        if parent.run_id in seen or not _is_plain(parent.name):
            break
        try:
            older = RunFolder.open(run.path.parent / parent.name)
        except UsageError:
            break
        if older.info.run_id != parent.run_id:
            break
        seen.add(parent.run_id)
        found.append((older, parent))
        at = older
    return found[::-1]


def _is_plain(name: str) -> bool:
    """Return whether a name is one of a folder beside, and no way to elsewhere."""
    return bool(name) and name not in (".", "..") and name == Path(name).name and "\0" not in name
