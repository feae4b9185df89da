"""Counts, sizes and times as a person says them."""

from __future__ import annotations

__all__ = ["duration_in_words", "grouped", "size_in_words"]


def grouped(count: float, decimals: int = 0) -> str:
    """Return a count with its thousands apart, such as ``10 240``."""
    return f"{count:,.{decimals}f}".replace(",", " ")


def size_in_words(size: float) -> str:
    """Return a number of bytes, such as ``512 bytes`` or ``1.46 MiB``."""
    if size < 1000:
        return f"{size:.0f} bytes"
    for unit in ("KiB", "MiB"):
        size /= 1024
        # What would be rounded to four digits has one of the next unit.
        if size < 999.5:
            return f"{size:.3g} {unit}"
    size /= 1024
    return f"{size:.3g} GiB" if size < 999.5 else f"{size:.0f} GiB"


def duration_in_words(seconds: float) -> str:
    """Return a time, such as ``1.5 s``, ``40 s``, ``12 min`` or ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
