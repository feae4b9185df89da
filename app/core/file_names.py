"""A person's words as the name of a file that every system takes."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["safe_name"]

# Names that Windows keeps for devices.
RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}


def safe_name(text: str, otherwise: str = "untitled") -> str:
    """Return `text` as a file name that is one on every system: letters, digits, ``. _ -``.

    At most 80 characters, never hidden, never reserved, never a path.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", plain)[:80].strip(".-_ ")
    if not name:
        return otherwise
    # Windows looks at what stands before the first dot.
    return f"file-{name}"[:80].rstrip(".-_") if name.partition(".")[0].lower() in RESERVED else name
