"""Whether the other processes of a group still live.

A process that is killed does not say goodbye, and whoever adds gradients with it would wait for
ever. So each writes every second into the store that it lives, and reads what the others wrote;
who ends with a reason leaves it there. Clocks of different hosts are never compared: a beat is a
number, and what counts is how long ago it changed here.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from app.core.errors import FilterscopeError

__all__ = ["HINT", "Member", "Watch", "life"]

BEAT_SECONDS = 1.0
# Who is silent for so long is taken for gone: a host that was switched off, a process that hangs.
SILENT_SECONDS = 20.0
# So long the thread that trains has to come out of its waiting by itself. With the half minute that
# torchrun gives to a process that hangs, all has ended within a minute.
GRACE_SECONDS = 5.0

HINT = "What was kept last is good: “runs resume” goes on with it."


def life(rank: int) -> str:
    """Return the key under which a process says that it lives."""
    return f"life/{rank}"


@dataclass(frozen=True)
class Member:
    """One process, as it introduced itself.

    Attributes
    ----------
    rank : int
    host : str
        Its host's name, for people.
    home : str
        Where its number is known: two hosts, or containers, may have one name.
    pid : int
    born : float
        When it was started, by its own clock.
    """

    rank: int
    host: str
    home: str
    pid: int
    born: float

    @classmethod
    def here(cls, rank: int) -> Member:
        """Return this process."""
        home = [socket.gethostname(), f"{uuid.getnode():x}"]
        # Containers of one machine number their processes apart.
        with contextlib.suppress(OSError):
            home.append(str(Path("/proc/self/ns/pid").readlink()))
        born = psutil.Process().create_time()
        return cls(rank, home[0], " ".join(home), os.getpid(), born)

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return f"Rank {self.rank} (process {self.pid} on {self.host})"

    def has_died(self) -> bool:
        """Return whether the process, at home here, is not there any more."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.born) >= 1:
                return True
            # Whoever started it has not asked yet how it ended.
            return bool(process.status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


class Watch:
    """Beats, and listens.

    Parameters
    ----------
    store : torch.distributed.Store
        A connection of its own: a call of one waits for the others on the same connection.
    me : int
        This process's place in `members`.
    members : sequence of Member
    leave : callable
        Called, in a thread, with what to say, when another is gone and the training does not
        come out of its waiting; must end the process.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(
        self,
        store: Any,
        me: int,
        members: Sequence[Member],
        leave: Callable[[FilterscopeError], None],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._me, self._members, self._clock = store, me, members, clock
        self._leave = leave
        self._beats = 0
        now = clock()
        self._heard = {member.rank: (-1, now) for member in members}
        self._answered = now
        # Why each that is gone is gone, in words.
        self.gone: dict[int, str] = {}
        # Those of them that said nothing themselves.
        self._died: set[int] = set()
        # Why the store cannot be asked any more.
        self._silence = ""
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._hurry = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for name, target in (("beat", self._beat), ("guard", self._guard))
        ]

    def start(self) -> None:
        """Say for the first time that this process lives, and go on so."""
        self._write(None)
        for thread in self._threads:
            thread.start()

    def close(self, reason: str = "") -> None:
        """Say that this process ends, with `reason` where it was not meant to."""
        self._closing.set()
        self._hurry.set()
        if not self._silence and self._threads[0].is_alive():
            # Who left without a word would be taken for dead.
            self._threads[0].join(SILENT_SECONDS)
        try:
            if not self._threads[0].is_alive() and not self._silence:
                self._write(reason)
        except RuntimeError:
            # The store went first. Nobody is left to be told.
            pass

    # --- what is known

    @property
    def speaks(self) -> bool:
        """Whether this is the one that tells people: the first that did not die without a word."""
        return all(rank in self._died for rank in range(self._me))

    def problem(self, wait: float = 0.0) -> FilterscopeError | None:
        """Return what became of another process, waiting up to so many seconds to know it."""
        if wait:
            self._hurry.set()
        with self._changed:
            self._changed.wait_for(lambda: bool(self.gone or self._silence), wait)
            if self.gone:
                return FilterscopeError(self.gone[min(self.gone)], HINT)
            return FilterscopeError(self._silence, HINT) if self._silence else None

    def everyone_ended(self) -> bool:
        """Return whether all others said that they ended, or are gone."""
        said = self._read()
        return all(
            member.rank in self.gone or said[member.rank].get("end") is not None
            for member in self._members
            if self._other(member)
        )

    def _other(self, member: Member) -> bool:
        return member.rank != self._me

    # --- the two threads

    def _write(self, end: str | None) -> None:
        self._beats += 1
        self._store.set(life(self._me), json.dumps({"beat": self._beats, "end": end}))

    def _read(self) -> dict[int, dict[str, Any]]:
        values = self._store.multi_get([life(member.rank) for member in self._members])
        return {
            member.rank: json.loads(value)
            for member, value in zip(self._members, values, strict=True)
        }

    def _beat(self) -> None:
        while not self._closing.is_set():
            self._hurry.wait(BEAT_SECONDS)
            self._hurry.clear()
            if self._closing.is_set():
                return
            try:
                self.listen()
            except RuntimeError:
                with self._changed:
                    self._silence = "What holds the processes together, torchrun, is gone."
                    self._changed.notify_all()
                return

    def listen(self) -> None:
        """Beat once, and note what the others say."""
        home = self._members[self._me].home
        # Looked at before the store is: who died after giving a reason is told with it.
        dead = {
            member.rank
            for member in self._members
            if self._other(member) and member.home == home and member.has_died()
        }
        self._write(None)
        said, now = self._read(), self._clock()
        with self._changed:
            self._answered = now
            for member in self._members:
                if self._other(member) and member.rank not in self.gone:
                    why = self._look(member, said[member.rank], now, member.rank in dead)
                    if why:
                        self.gone[member.rank] = why
                        if said[member.rank].get("end") is None:
                            self._died.add(member.rank)
            self._changed.notify_all()

    def _look(self, member: Member, said: dict[str, Any], now: float, dead: bool) -> str:
        """Return why a process counts as gone, or nothing."""
        end, beat = said.get("end"), int(said.get("beat", 0))
        if end is not None:
            return f"Rank {member.rank} on {member.host} ended: {end}" if end else ""
        if dead:
            return f"{member.name} is gone: it was killed, or it crashed."
        last, when = self._heard[member.rank]
        if beat != last:
            self._heard[member.rank] = (beat, now)
        elif now - when > SILENT_SECONDS:
            return f"{member.name} has not answered for {SILENT_SECONDS:g} seconds."
        return ""

    def _guard(self) -> None:
        """End the process when the training waits for somebody who does not come."""
        since: float | None = None
        while not self._closing.wait(BEAT_SECONDS / 2):
            now = self._clock()
            with self._changed:
                if not self._silence and now - self._answered > SILENT_SECONDS:
                    self._silence = (
                        "The host where torchrun holds the processes together has not answered "
                        f"for {SILENT_SECONDS:g} seconds."
                    )
                    self._changed.notify_all()
            problem = self.problem()
            if problem is None:
                continue
            since = now if since is None else since
            if now - since > GRACE_SECONDS:
                self._leave(problem)
                return
