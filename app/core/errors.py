"""Expected failures, each a sentence a person can act on.

Anything that is not a `FilterscopeError` is a bug and is reported as one.
"""

from __future__ import annotations

__all__ = [
    "AlreadyExistsError",
    "Cancelled",
    "DiskFullError",
    "FilterscopeError",
    "RefusedInputError",
    "ShapeError",
    "StorageError",
    "UsageError",
]


class FilterscopeError(Exception):
    """An expected failure, shown as it stands.

    Parameters
    ----------
    message : str
        One sentence: what went wrong, naming the file, field or step.
    hint : str, optional
        One sentence: what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(FilterscopeError):
    """A value or an option that cannot be meant."""

    exit_code = 2


class ShapeError(UsageError, ValueError):
    """Arrays or windows that do not fit each other, with their numbers."""


class RefusedInputError(FilterscopeError):
    """A file that is not opened further, and why."""

    exit_code = 2


class StorageError(FilterscopeError):
    """Nothing was written; what stood at the destination is untouched."""


class DiskFullError(StorageError):
    """There is no room now; there may be later."""


class AlreadyExistsError(StorageError):
    """The destination exists and nobody said that it may be replaced."""

    exit_code = 2


class Cancelled(FilterscopeError):  # noqa: N818 - not a failure: the person asked for it
    """Work given up because the person asked for it."""

    exit_code = 130
