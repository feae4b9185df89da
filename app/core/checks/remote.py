"""Checks in a process of their own, as seen from the one that asks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import app
from app.core.checks.wire import decode
from app.core.errors import Cancelled, FilterscopeError

__all__ = ["ask"]

ROOT = Path(app.__file__).parents[1]


def _never() -> bool:
    return False


def ask(
    job: str, *, cancelled: Callable[[], bool] = _never, **request: Any
) -> Iterator[dict[str, Any]]:
    """Have a job of `app.core.checks.process` done, and yield what it says.

    Parameters
    ----------
    job : str
        Its name in `JOBS`.
    cancelled : callable
        Asked often whether to give up; the process is then ended, whatever it is doing.
    **request
        What the job needs, fit for JSON.

    Yields
    ------
    dict
        ``text`` and ``share`` are progress; everything else is the job's own.

    Raises
    ------
    Cancelled
        It was given up.
    FilterscopeError
        What the job met, or that its process went away.
    """
    environment = dict(os.environ)
    paths = [str(ROOT), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "app.core.checks.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    over = threading.Event()
    given_up = threading.Event()

    def guard() -> None:
        while not over.wait(0.03):
            if cancelled():
                given_up.set()
                process.kill()
                return

    watch = threading.Thread(target=guard, name="check watch", daemon=True)
    watch.start()
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # If it is gone already, the missing answer says so.
        with contextlib.suppress(OSError):
            process.stdin.write(json.dumps({"job": job, **request}).encode() + b"\n")
            process.stdin.flush()
        for line in process.stdout:
            if given_up.is_set():
                break
            message = decode(line)
            if message.get("done"):
                return
            if "bug" in message:
                # A fault of the program, told by whoever runs this.
                raise RuntimeError(f"in the process of the checks:\n{message['bug']}")
            if "problem" in message:
                raise FilterscopeError(message["problem"], message["hint"])
            yield message
        if given_up.is_set() or cancelled():
            raise Cancelled("The checks were given up.")
        raise FilterscopeError(
            "The process of the checks ended before it was done.",
            "There may not be enough memory. Try again, or choose a smaller shape.",
        )
    finally:
        over.set()
        process.kill()
        process.wait()
        watch.join()
        process.stdout.close()
        # Unsent words to a process that is gone are of no interest.
        with contextlib.suppress(OSError):
            process.stdin.close()
