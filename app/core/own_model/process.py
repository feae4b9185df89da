"""The process in which a person's own network runs: it may loop, crash or fill the memory here.

One request comes in, one answer goes out, in JSON; weights and batches lie in shared memory. It
ends with the process that asked, and whenever that one says so.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import traceback
from typing import IO, Any

from app.core.data.untrusted.frames import Broken, read_frame, write_json
from app.core.devices import is_out_of_memory, load_torch
from app.core.errors import FilterscopeError
from app.core.own_model.shared import open_shared, views

__all__ = ["describe_error", "serve"]

# The share of the memory that is free when the network has been built.
SHARE = 0.8
MOST_TEXT = 300


def describe_error(error: BaseException, path: str) -> dict[str, Any]:
    """Return what the other process is told of an error: a sentence with the line that raised."""
    if isinstance(error, FilterscopeError):
        return {"problem": error.message, "hint": error.hint}
    name = os.path.basename(path)  # noqa: PTH119 - a text, which may be no path here
    line = 0
    if isinstance(error, SyntaxError) and error.filename == path:
        line = error.lineno or 0
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == path:
            line = frame.lineno or 0
    said = " ".join(str(error).split())[:MOST_TEXT]
    text = f"{type(error).__name__}{f': {said}' if said else ''}"
    if isinstance(error, SystemExit):
        text = "it ended its own process (sys.exit)"
    if is_out_of_memory(error):
        text = "there is not enough memory for it"
    where = f"{name}, line {line}" if line else name
    report = "".join(traceback.format_exception(error))
    return {
        "problem": f"{where}: {text.rstrip('.')}.",
        "hint": "",
        "report": report[-20_000:],
        "memory": is_out_of_memory(error),
    }


def limit_memory() -> None:
    """Let this process have most of the memory that is free and no more: the rest is the window's."""
    if sys.platform != "linux":
        return
    import resource

    import psutil

    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        (size,) = (line.split()[1] for line in file if line.startswith("VmData:"))
    mapped = int(size) << 10
    most = mapped + int(SHARE * psutil.virtual_memory().available)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


class _Server:
    """Answers requests until there are no more."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out
        self.path = ""
        self.own: Any = None
        self.arrays: dict[str, Any] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what was asked."""
        what = request["do"]
        if what == "build":
            return self._build(request)
        if what == "share":
            memory = open_shared(request["handle"], int(request["size"]))
            self.arrays = views(memory, request["layout"])
            self.own.share(self.arrays)
        elif what == "step":
            self.own.step(request, self._updating)
        elif what == "scores":
            self.own.scores(int(request["count"]))
        elif what == "pull":
            self.own.pull()
        elif what == "push":
            self.own.push()
        return {"done": True}

    def _updating(self, on: bool) -> None:
        """Say that weights are between two states: who ends this process now must not use them."""
        self.arrays["updating"][0] = on

    def _build(self, request: dict[str, Any]) -> dict[str, Any]:
        self.path = request["path"]
        torch = load_torch()
        torch.set_num_threads(int(request["threads"]))
        if request["device"] == "cpu" or not torch.cuda.is_available():
            limit_memory()
        from app.core.torch_models.own_module import OwnModule

        self.own = OwnModule(request)
        facts: dict[str, Any] = self.own.facts
        return facts

    def run(self, requests: queue.Queue[Any]) -> None:
        """Answer one after the other; what the person's code raises is an answer."""
        while True:
            request = requests.get()
            try:
                found = self.answer(request)
            except BaseException as error:
                # Also SystemExit: a file may end the process that it believes to be its own.
                found = describe_error(error, self.path)
            write_json(self.out, found)


def _listen(source: IO[bytes], requests: queue.Queue[Any]) -> None:
    """Hand requests over, also while one is computed; end with the process that asks."""
    while True:
        try:
            requests.put(read_frame(source))
        except (Broken, OSError):
            os._exit(0)


def serve(source: IO[bytes], out: IO[bytes]) -> None:
    """Serve until the other side goes away."""
    # Ctrl-C in a terminal reaches all; the one that asks decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(source, requests), daemon=True).start()
    _Server(out).run(requests)


if __name__ == "__main__":
    # What the person's code prints or reads must not end up between the messages.
    answers = os.fdopen(os.dup(1), "wb")
    asked = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    serve(asked, answers)
