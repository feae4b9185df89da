"""Which file a person's network is in; it is read here and run elsewhere."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from app.core.data.files import Limits, opened, read_all, shown
from app.core.errors import UsageError

__all__ = ["ModelFile", "needs_consent", "read_model_file"]

MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelFile:
    """A program, as it was when it was read.

    Attributes
    ----------
    path : str
        Absolute.
    wanted : str
        The name in it that is the network; empty where the file has but one.
    source : str
        Its text.
    sha256 : str
        Of its bytes.
    """

    path: str
    wanted: str
    source: str = field(repr=False)
    sha256: str

    @property
    def name(self) -> str:
        """What the file is called, in one line."""
        return shown(self.path)

    @property
    def text(self) -> str:
        """File and name as they are typed."""
        return f"{self.path}:{self.wanted}" if self.wanted else self.path


def read_model_file(text: str) -> ModelFile:
    """Read ``FILE.py`` or ``FILE.py:Name``; nothing of it is run.

    Raises
    ------
    FilterscopeError
        There is no such file, it is no text, or too long for a program.
    """
    path, wanted = text, ""
    stem, mark, last = text.rpartition(":")
    if mark and last.isidentifier() and not os.path.exists(text):  # noqa: PTH110 - any text
        path, wanted = stem, last
    file = Path(path)
    if file.suffix.lower() != ".py":
        raise UsageError(f"{shown(path)} is no file of Python.", "Its name must end in .py.")
    with opened(file, Limits(file_bytes=MOST_BYTES)) as (descriptor, _, _):
        data = read_all(descriptor)
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{shown(path)} is no text in UTF-8.") from None
    return ModelFile(str(file.absolute()), wanted, source, hashlib.sha256(data).hexdigest())


def needs_consent(name: str) -> UsageError:
    """Return what to raise where nobody agreed that a program is run."""
    return UsageError(
        f"{name} is a program: it would run with your rights on this computer.",
        "If you trust it, add --trust-code.",
    )
