"""The process in which a person's network runs, as seen from the one that asks it."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import app
from app.core.control import END
from app.core.data.untrusted.frames import Broken, read_frame, write_json
from app.core.errors import Cancelled, FilterscopeError
from app.core.own_model.file import ModelFile
from app.core.own_model.shared import SharedMemory, lay_out, views

__all__ = ["ModelProcess", "OwnModelError"]

ROOT = Path(app.__file__).parents[1]
# So long a stop waits for an answer, then the process is ended.
STOP_SECONDS = 1.0
# What is between two states for so long is taken for lost.
UPDATE_SECONDS = 1.0
KEPT_OUTPUT = 4_000


class OwnModelError(FilterscopeError):
    """The person's code raised, or its process ended.

    Attributes
    ----------
    memory : bool
        There was no room for what it was asked.
    """

    def __init__(self, message: str, hint: str = "", *, memory: bool = False) -> None:
        super().__init__(message, hint)
        self.memory = memory


class ModelProcess:
    """One process; `close` ends it, whatever it is doing.

    Parameters
    ----------
    model : ModelFile
        What it runs.

    Attributes
    ----------
    gone : bool
        Whether it has ended, or was ended.
    torn : bool
        Whether it ended while weights were between two states.
    """

    def __init__(self, model: ModelFile) -> None:
        self.model = model
        self.gone = self.torn = False
        self._verdict = ""
        self._interrupt: NDArray[np.int32] | None = None
        self._asked = 0.0
        self._patience: float | None = None
        self._arrays: dict[str, NDArray[Any]] = {}
        self._over = threading.Event()
        self._said = b""
        self._memory = SharedMemory()
        environment = dict(os.environ)
        paths = [str(ROOT), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        handle = self._memory.handle
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "app.core.own_model.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=() if isinstance(handle, str) else (handle,),
            # What the code starts by itself is ended with it.
            start_new_session=sys.platform != "win32",
        )
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._guard, "model watch"), (self._drain, "model output"))
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> ModelProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self.gone = True
        self._over.set()
        self._kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                # Unsent words to a process that is gone are of no interest.
                with contextlib.suppress(OSError):
                    stream.close()
        self._memory.close()

    # --- beside the talk

    def _guard(self) -> None:
        """End the process when a stop is not heard, or an answer is nowhere to be seen."""
        stopped_at: float | None = None
        while not self._over.wait(0.03):
            if self.process.poll() is not None:
                # Somebody whom it started might keep the pipes open, and the answer would be awaited.
                self._kill()
                return
            now = time.monotonic()
            asked, interrupt = self._asked, self._interrupt
            if not asked:
                stopped_at = None
                continue
            if interrupt is not None and interrupt[0] >= END:
                stopped_at = stopped_at or now
                if now - stopped_at > STOP_SECONDS and self._settled(now - stopped_at):
                    self._end("stopped")
                    return
            else:
                stopped_at = None
            if self._patience is not None and now - asked > self._patience:
                self._end("silent")
                return

    def _settled(self, waited: float) -> bool:
        """Return whether weights are whole; if they never become so, they are lost."""
        return not self._updating or waited > STOP_SECONDS + UPDATE_SECONDS

    @property
    def _updating(self) -> bool:
        return "updating" in self._arrays and bool(self._arrays["updating"][0])

    def _end(self, verdict: str) -> None:
        self._verdict = verdict
        self._kill()

    def _kill(self) -> None:
        """End it and all that it started."""
        if sys.platform == "win32":
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _drain(self) -> None:
        """Read what the person's code prints, however much it is; the end of it is kept."""
        assert self.process.stderr is not None
        with contextlib.suppress(OSError, ValueError):
            while block := os.read(self.process.stderr.fileno(), 1 << 16):
                self._said = (self._said + block)[-KEPT_OUTPUT:]

    @property
    def last_words(self) -> str:
        """What the code printed last, in one line."""
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        words = "".join(c for c in " ".join(lines[-1:]) if c.isprintable())
        return words[-200:]

    # --- the talk

    def share(self, arrays: dict[str, tuple[str, int]]) -> dict[str, NDArray[Any]]:
        """Return arrays of (type, count) that both processes see; the network's are filled in."""
        layout, size = lay_out(arrays)
        memory: mmap.mmap = self._memory.resize(size)
        self._arrays = views(memory, layout)
        handle = self._memory.handle
        self.ask({"do": "share", "handle": handle, "size": size, "layout": layout})
        return self._arrays

    def ask(
        self,
        request: dict[str, Any],
        *,
        interrupt: NDArray[np.int32] | None = None,
        patience: float | None = None,
    ) -> dict[str, Any]:
        """Send a request and return the answer.

        Parameters
        ----------
        interrupt : ndarray, shape (1,), int32, optional
            See `Control.interrupt`: a stop waits a second, then ends the process.
        patience : float, optional
            Seconds after which it is ended.

        Raises
        ------
        Cancelled
            It was ended for a stop.
        OwnModelError
            The person's code raised, or the process is gone.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._interrupt, self._patience = interrupt, patience
        self._asked = time.monotonic()
        try:
            write_json(self.process.stdin, request)
            answer = read_frame(self.process.stdout)
        except (Broken, OSError, ValueError):
            raise self._lost() from None
        finally:
            self._asked = 0.0
        if not isinstance(answer, dict):
            raise self._lost()
        if "problem" in answer:
            raise OwnModelError(
                str(answer["problem"]), str(answer["hint"]), memory=bool(answer.get("memory"))
            )
        return answer

    def _lost(self) -> FilterscopeError:
        """Return what to raise when there is no answer."""
        self.torn = self._updating
        verdict = self._verdict
        self.close()
        name = self.model.name
        if verdict == "stopped":
            return Cancelled(f"{name} did not answer within a second and was ended.")
        if verdict == "silent":
            return OwnModelError(
                f"{name} did not come back for {self._patience or 0:.0f} seconds and was ended.",
                "It may be in a loop that never ends.",
            )
        said = f" It said last: {self.last_words}" if self.last_words else ""
        return OwnModelError(
            f"The process of {name} ended by itself ({_ending(self.process.returncode)}).{said}",
            "The run has what was kept last.",
        )


def _ending(code: int) -> str:
    """Return how a process ended, for people."""
    if code >= 0:
        return f"with the status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    notes = {"SIGKILL": ": something killed it, perhaps for want of memory", "SIGSEGV": ": a crash"}
    return f"by signal {name}{notes.get(name, '')}"
