"""Parts of a page beside or below each other, with a handle between them that moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QSplitter, QWidget

__all__ = ["one_below_another", "side_by_side"]

Part = TypeVar("Part", bound=QWidget)

# Between two cards, in pixels; the handle is the gap itself.
GAP = 10


def side_by_side(
    parts: Mapping[Part, int], name: str = "", *, stretch: Sequence[int] = (), gap: int = GAP
) -> QSplitter:
    """Return parts side by side.

    Parameters
    ----------
    parts : mapping
        Each with its width at first, as a share of all.
    name : str
        Object name.
    stretch : sequence of int
        How much of more room the first, the second … part takes; in proportion by default.
    gap : int
    """
    return _split(Qt.Orientation.Horizontal, parts, name, stretch, gap)


def one_below_another(
    parts: Mapping[Part, int], name: str = "", *, stretch: Sequence[int] = (), gap: int = GAP
) -> QSplitter:
    """Return parts below each other, each with its height at first; see `side_by_side`."""
    return _split(Qt.Orientation.Vertical, parts, name, stretch, gap)


def _split(
    direction: Qt.Orientation,
    parts: Mapping[Part, int],
    name: str,
    stretch: Sequence[int],
    gap: int,
) -> QSplitter:
    splitter = QSplitter(direction)
    splitter.setObjectName(name)
    splitter.setHandleWidth(gap)
    splitter.setChildrenCollapsible(False)
    for part in parts:
        splitter.addWidget(part)
    splitter.setSizes(list(parts.values()))
    for place, share in enumerate(stretch):
        splitter.setStretchFactor(place, share)
    return splitter
