"""A process that trains runs of studies, one after the other.

Lines of JSON come in: a job, or ``stop``. Lines of JSON go out: ``began``, where the run is, and
how it ended. When nobody is at the other end any more, the run is saved and the process ends.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO

from app.core.control import Control
from app.core.errors import FilterscopeError
from app.core.studies.job import Job, Stage, perform

__all__ = ["answer", "serve"]

# Whoever asked is gone: so long a run has to be saved.
SECONDS_TO_SAVE = 10.0


def answer(job: Job, say: Any, control: Control, stage: Stage) -> dict[str, Any]:
    """Train a run; whatever happens, return how it ended."""
    try:
        return perform(job, say, control, stage=stage)
    except FilterscopeError as error:
        return {"state": "failed", "message": f"{error.message} {error.hint}".strip()}
    except MemoryError:
        return {"state": "failed", "message": "There is not enough memory for this."}
    except Exception as error:
        words = f"{type(error).__name__}: {error}"
        return {"state": "failed", "message": words, "report": traceback.format_exc()}


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer jobs until the other end closes."""
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    lock = threading.Lock()
    at_work: list[Control] = []
    stopping = threading.Event()

    def listen() -> None:
        for line in source:
            message = json.loads(line)
            if "job" in message:
                jobs.put(Job.build(message["job"]))
            else:
                stop()
        jobs.put(None)
        stop()
        watchman = threading.Timer(SECONDS_TO_SAVE, os._exit, (1,))
        watchman.daemon = True
        watchman.start()

    def stop() -> None:
        with lock:
            stopping.set()
            for control in at_work:
                control.stop(in_haste=True)

    def send(message: dict[str, Any]) -> None:
        try:
            sink.write(json.dumps(message).encode() + b"\n")
            sink.flush()
        except OSError:
            # Nobody listens: the run is saved all the same.
            stop()

    threading.Thread(target=listen, daemon=True).start()
    stage = Stage()
    while (job := jobs.get()) is not None:
        control = Control()
        with lock:
            at_work.append(control)
            if stopping.is_set():
                control.stop(in_haste=True)
        key = job.key
        send({"key": key, "began": True})
        ended = answer(job, lambda words, key=key: send({"key": key, **words}), control, stage)
        with lock:
            at_work.remove(control)
        send({"key": key, "ended": ended})


if __name__ == "__main__":
    # Ctrl-C goes to all processes of a terminal; this one is told by whoever asked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not end up between the lines.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr
    serve(sys.stdin.buffer, answers)
