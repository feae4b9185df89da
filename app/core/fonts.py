"""The letters of captions, the same on every system: DejaVu Sans, which has Greek and arrows."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

import resources

__all__ = ["BOLD", "REGULAR", "drawable", "font"]

_FOLDER = Path(resources.__file__).with_name("fonts")
REGULAR = _FOLDER / "DejaVuSans.ttf"
BOLD = _FOLDER / "DejaVuSans-Bold.ttf"


@lru_cache(maxsize=16)
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the letters for drawing with Pillow, `size` in pixels."""
    # The plain layout is there everywhere; what a system adds to it would draw other pictures.
    plain = ImageFont.Layout.BASIC
    return ImageFont.truetype(BOLD if bold else REGULAR, size, layout_engine=plain)


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    from fontTools.ttLib import TTFont

    with TTFont(REGULAR, lazy=True) as file:
        return frozenset(file.getBestCmap())


def drawable(text: str) -> str:
    """Return `text` with a ▯ for each letter that the font lacks; one line for line breaks."""
    known = _letters()
    return "".join(c if ord(c) in known else " " if c.isspace() else "▯" for c in text)
