"""Counts, sizes and times as a person says them."""

from __future__ import annotations

__all__ = [
    "age_in_words",
    "duration_in_words",
    "duration_to_the_second",
    "grouped",
    "size_in_words",
    "wait_in_words",
]


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


def duration_to_the_second(seconds: float) -> str:
    """Return a time that is over and worth its seconds, such as ``12 min 5 s``."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def wait_in_words(seconds: float) -> str:
    """Return a time to wait in words that do not claim to know better: ``about 40 s``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {5 * round(seconds / 5)} s"
    return f"about {duration_in_words(seconds)}"


def age_in_words(seconds: float) -> str:
    """Return how long ago something was, such as ``just now`` or ``12 min ago``."""
    return "just now" if seconds < 10 else f"{duration_in_words(seconds)} ago"
