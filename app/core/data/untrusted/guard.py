"""What the child gives up before it looks at a file, and how it says no."""

from __future__ import annotations

import os
import sys

__all__ = ["Refused", "close_the_door", "hold_still", "readable"]


class Refused(Exception):  # noqa: N818 - a verdict on a file, not a fault of ours
    """The file or the object is not opened further; the text says why, in one line."""


def readable(name: str) -> str:
    """Return any name as one short line."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name[:200])


def hold_still(memory: int, cpu_seconds: int) -> None:
    """Limit memory, time and output of this process; where the system has no limits, do nothing.

    Parameters
    ----------
    memory : int
        Bytes of address space beyond what is mapped now.
    cpu_seconds : int
    """
    if sys.platform == "win32":
        return
    import resource

    def limit(which: int, value: int) -> None:
        _, hard = resource.getrlimit(which)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(which, (value, value))

    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_CPU, cpu_seconds)
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            mapped = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        limit(resource.RLIMIT_AS, mapped + memory)


def close_the_door() -> None:
    """Forbid any further descriptor: no other file can be opened from now on."""
    if sys.platform == "win32":
        return
    import resource

    probe = os.dup(0)
    os.close(probe)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
