"""Talks to the child process that opens untrusted files, and believes it only so far."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from app.core.data.untrusted import frames
from app.core.errors import Cancelled, RefusedInputError
from app.core.waiting import Cancel

__all__ = ["Child"]

PROGRAM = Path(frames.__file__).with_name("process.py")
PIPE_BYTES = 1 << 20
KEPT_VARIABLES = ("PATH", "SYSTEMROOT", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "TEMP")


class Child:
    """One child process; use it as a context.

    Parameters
    ----------
    name : str
        What the file is called in messages.
    patience : float
        Seconds without a word after which the child is given up.
    cancel : callable, optional
        Asked now and then whether to give up.
    descriptor : int, optional
        An open file to hand down.

    Attributes
    ----------
    gone : bool
        Whether it died while somebody spoke with it: there will be no further answer.
    """

    def __init__(
        self,
        name: str,
        *,
        patience: float = 30.0,
        cancel: Cancel | None = None,
        descriptor: int | None = None,
    ) -> None:
        self.name = name
        self.gone = False
        self._patience, self._cancel = patience, cancel
        self._verdict = ""
        self._heard = time.monotonic()
        self._over = threading.Event()
        environment = {k: v for k, v in os.environ.items() if k in KEPT_VARIABLES}
        environment["OPENBLAS_NUM_THREADS"] = "1"
        keep = () if descriptor is None or sys.platform == "win32" else (descriptor,)
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            pass_fds=keep,
            # Where pipes can be made larger, blocks of numbers wait less.
            pipesize=PIPE_BYTES,
        )
        self._watch = threading.Thread(target=self._guard, name="reader watch", daemon=True)
        self._watch.start()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._over.set()
        self.process.kill()
        self.process.wait()
        self._watch.join()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    # Unsent words to a child that is dead are of no interest.
                    continue

    def _guard(self) -> None:
        """Kill the child when it is silent for too long or nobody wants its answer any more."""
        while not self._over.wait(0.05):
            if self._cancel is not None and self._cancel():
                self._verdict = "cancelled"
            elif time.monotonic() - self._heard > self._patience:
                self._verdict = "silent"
            else:
                continue
            self.process.kill()
            return

    def send(self, message: dict[str, Any], data: bytes | None = None) -> None:
        """Send a request, with bytes after it."""
        assert self.process.stdin is not None
        self._heard = time.monotonic()
        try:
            frames.write_json(self.process.stdin, message)
            if data is not None:
                frames.write_bytes(self.process.stdin, data)
        except OSError:
            raise self._gone() from None

    def receive(self) -> dict[str, Any] | bytes:
        """Return the next message; raises `RefusedInputError` when it is a refusal or none comes."""
        assert self.process.stdout is not None
        try:
            message = frames.read_frame(self.process.stdout)
        except (frames.Broken, OSError, ValueError):
            raise self._gone() from None
        self._heard = time.monotonic()
        if isinstance(message, dict) and message.get("refused"):
            raise RefusedInputError(f"{self.name} is not opened: {_one_line(message['refused'])}.")
        return message

    def receive_json(self) -> dict[str, Any]:
        """Return the next message, which must be a JSON object."""
        message = self.receive()
        if not isinstance(message, dict):
            raise self.broken()
        return message

    def receive_bytes(self, count: int) -> bytes:
        """Return exactly `count` bytes, from as many messages as it takes."""
        parts, left = [], count
        while left:
            part = self.receive()
            if not isinstance(part, bytes) or not 0 < len(part) <= left:
                raise self.broken()
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def broken(self) -> RefusedInputError:
        """Return what to raise when the child says what it must not."""
        return RefusedInputError(f"{self.name} is not opened: the reader gave no sensible answer.")

    def _gone(self) -> RefusedInputError | Cancelled:
        """Return what to raise when the child is dead."""
        self.gone = True
        if self._verdict == "cancelled":
            return Cancelled("Reading was given up.")
        if self._verdict == "silent":
            return RefusedInputError(
                f"{self.name} is not opened: reading it did not get on for {self._patience:.0f} seconds."
            )
        code = self.process.poll()
        why = "it ended the reader" if code is None or code < 0 else "its reader failed"
        return RefusedInputError(
            f"{self.name} is not opened: {why}, so the file is damaged or made to harm.",
            "Nothing of it was used.",
        )


def _one_line(text: object) -> str:
    """Return what the child says, printable and short."""
    line = " ".join(str(text).split())
    return "".join(c for c in line if c.isprintable())[:300].rstrip(".")
