"""What a run takes on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.core.runs.files import HISTORY, UNITS

__all__ = ["DiskUse"]


@dataclass(frozen=True)
class DiskUse:
    """Bytes that a run takes on the disk, by what they are for."""

    keyframes: int
    checkpoints: int
    history: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.keyframes + self.checkpoints + self.history + self.other

    @classmethod
    def of(cls, folder: Path) -> DiskUse:
        """Measure the folder of a run."""
        history = _size(folder / HISTORY) + _size(folder / UNITS)
        return cls(
            _below(folder / "keyframes"),
            _below(folder / "checkpoints"),
            history,
            _below(folder) - history,
        )


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:
        # It was replaced or thinned meanwhile.
        return 0


def _below(folder: Path) -> int:
    return sum(map(_size, folder.glob("*")))
