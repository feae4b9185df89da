"""Which of several processes this one is, as torchrun says it in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.errors import UsageError

__all__ = ["Place"]

MOST_PROCESSES = 4096
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Place:
    """One process among the others.

    Attributes
    ----------
    rank, size : int
        Its number, from 0, and how many there are.
    local_rank, local_size : int
        The same among those on this host.
    host, port : str, int
        Where the store of keys is.
    opens_store : bool
        Whether rank 0 opens that store; torchrun has one open already.
    attempt : int
        How often torchrun has started all processes anew.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    host: str
    port: int
    opens_store: bool = False
    attempt: int = 0

    @property
    def on_one_host(self) -> bool:
        """Whether all processes are here."""
        return self.local_size == self.size

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Place | None:
        """Return where this process stands; None for one that is alone, under torchrun or not.

        Raises
        ------
        UsageError
            The environment says something that cannot be.
        """
        if any(not environment.get(name) for name in NEEDED) or environment["WORLD_SIZE"] == "1":
            return None

        def number(name: str, otherwise: int, low: int, high: int) -> int:
            text = environment.get(name, "")
            value = int(text) if text.isdecimal() and len(text) < 10 else None
            if not text:
                value = otherwise
            if value is None or not low <= value <= high:
                raise UsageError(
                    f"{name}={text} is not a number from {low} to {high}.",
                    "Start the processes with torchrun.",
                )
            return value

        size = number("WORLD_SIZE", 1, 1, MOST_PROCESSES)
        rank = number("RANK", 0, 0, size - 1)
        local_size = number("LOCAL_WORLD_SIZE", 1, 1, size)
        return cls(
            rank,
            size,
            number("LOCAL_RANK", 0, 0, local_size - 1),
            local_size,
            environment["MASTER_ADDR"],
            number("MASTER_PORT", 0, 1, 65535),
            opens_store=environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
            attempt=number("TORCHELASTIC_RESTART_COUNT", 0, 0, 1_000_000),
        )
