"""The process in which checks are made and layers are timed.

Readable loops hold the interpreter's lock, and torch takes its time to load: in a process of
their own neither is felt in the window. One request comes in, lines of JSON go out.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from app.core.checks import CHECKS, Conditions, run_check
from app.core.checks.five_ways import ways_of_source
from app.core.checks.ladders import NetworkSource, climb_source
from app.core.checks.layer_case import TimingSpec
from app.core.checks.timing import Doing, time_layer
from app.core.checks.wire import encode
from app.core.devices import find_devices
from app.core.errors import FilterscopeError

__all__ = ["JOBS", "serve"]

# The window comes first; what is timed gives way a little less.
NICENESS = {"timing": 5, "ways": 5}
USUAL_NICENESS = 10
# A word of progress is not worth more often than the eye sees.
SECONDS_BETWEEN_WORDS = 0.05

Say = Callable[[str, float], None]


def _checks(request: dict[str, Any], say: Say) -> Iterator[dict[str, Any]]:
    """Make the checks that are named, one after the other."""
    names = request["names"]
    data = request.get("data")
    for place, name in enumerate(names):
        yield {"begun": name}

        def between(text: str, share: float, place: int = place) -> None:
            say(text, (place + share) / len(names))

        say(name.replace("_", " "), place / len(names))
        conditions = Conditions(data=Path(data) if data else None, between=between)
        yield {"outcome": run_check(CHECKS[name], conditions)}


def _timing(request: dict[str, Any], say: Say) -> Iterator[dict[str, Any]]:
    """Time a layer at a shape."""
    for event in time_layer(TimingSpec.build(request["spec"])):
        if isinstance(event, Doing):
            say(event.text, event.share)
        else:
            yield {"timed": event}


def _ladder(request: dict[str, Any], say: Say) -> Iterator[dict[str, Any]]:
    """Try the sanity ladder with a network."""
    source = NetworkSource.from_json(request["source"])
    for step in climb_source(source, say):
        yield {"step": step}


def _ways(request: dict[str, Any], say: Say) -> Iterator[dict[str, Any]]:
    """Send some images through a network in five ways."""
    source = NetworkSource.from_json(request["source"])
    for told in ways_of_source(source, say):
        yield {"way": told}


def _devices(request: dict[str, Any], say: Say) -> Iterator[dict[str, Any]]:
    """Look where PyTorch can compute."""
    yield {"devices": find_devices()}


JOBS: dict[str, Callable[[dict[str, Any], Say], Iterator[dict[str, Any]]]] = {
    "checks": _checks,
    "timing": _timing,
    "ladder": _ladder,
    "ways": _ways,
    "devices": _devices,
}


def _follow(stream: BinaryIO) -> None:
    """End with the process that asked: its end of the pipe closes with it, whatever befell it."""
    while stream.read(1):
        continue
    os._exit(1)


def step_back(niceness: int) -> None:
    """Let other processes go first, where the system knows how."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(niceness)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Read one request and answer it."""
    request = json.loads(source.readline())
    step_back(NICENESS.get(request["job"], USUAL_NICENESS))
    threading.Thread(target=_follow, args=(source,), daemon=True).start()
    last = 0.0

    def send(message: dict[str, Any]) -> None:
        sink.write(encode(message))
        sink.flush()

    def say(text: str, share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_WORDS:
            last = now
            send({"text": text, "share": share})

    try:
        for message in JOBS[request["job"]](request, say):
            send(message)
        send({"done": True})
    except FilterscopeError as error:
        send({"problem": error.message, "hint": error.hint})
    except MemoryError:
        send({"problem": "There is not enough memory for this.", "hint": "Choose a smaller shape."})
    except Exception:
        send({"bug": traceback.format_exc()})


if __name__ == "__main__":
    # What a library prints must not end up between the lines.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr
    serve(sys.stdin.buffer, answers)
