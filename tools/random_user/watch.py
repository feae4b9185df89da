"""Hears whatever goes wrong: faults, warnings, a window that stands still, a hand outside its folder."""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, QtMsgType, qInstallMessageHandler

from app.ui.widgets.notice_bar import NoticeBar

# The window must answer within so many seconds of its thread's own work; and by the clock, since it
# may wait for something, while others have the processor.
PATIENCE, PATIENCE_BY_THE_CLOCK = 5.0, 30.0
ACTIONS_KEPT = 30
# What an offscreen window says of itself, and a second start in one process.
MEANT = re.compile("^This plugin does not support|setHighDpiScaleFactorRoundingPolicy")
# What the program may start: itself, a film maker of a library, and who tells its version.
PROGRAMS = re.compile(r"^(python[0-9.]*|ffmpeg.*|git|uname|ldconfig)$")
HERE = ("127.0.0.1", "::1", "localhost")
# Where every process may write.
OURS = ("/dev/", "/proc/self/")


class Watch(QObject):
    """Keeps what was done, and ends the program with a report as soon as something is wrong.

    Parameters
    ----------
    seed : int
        Told with what was found.
    root : Path
        The only folder that may be written to.
    """

    def __init__(self, seed: int, root: Path) -> None:
        super().__init__()
        self._seed, self._root = seed, str(root)
        self.actions: deque[str] = deque(maxlen=ACTIONS_KEPT)
        self.done, self.patience = 0, PATIENCE
        self._beat = 0.0, 0.0
        self._on_beat()
        self._ending = threading.Lock()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_beat)
        self._timer.start(50)
        logging.getLogger().addHandler(_Log(self.found))
        qInstallMessageHandler(self._on_message)
        self._hear_reports()
        sys.addaudithook(self._on_audit)
        threading.Thread(target=self._guard, name="watch", daemon=True).start()

    def note(self, text: str) -> None:
        """Keep what is about to be done."""
        self.done += 1
        self.actions.append(f"{self.done:5} {text}")

    def add(self, text: str) -> None:
        """Say more of what is being done."""
        self.actions.append(f"      … {text}")

    def found(self, what: str, *, stacks: bool = False) -> None:
        """Tell of a fault and end the process at once; whoever comes second stays silent."""
        if not self._ending.acquire(blocking=False):
            return
        lines = [f"FOUND, seed {self._seed}, action {self.done}, {self._root}:", what]
        lines += ["The last actions:", *self.actions, ""]
        os.write(1, "\n".join(lines).encode(errors="backslashreplace"))
        if stacks:
            faulthandler.dump_traceback(1, all_threads=True)
        os._exit(1)

    # --- what is listened to

    def _on_beat(self) -> None:
        self._beat = self._now()

    def _now(self) -> tuple[float, float]:
        """Return the time by the clock, and how long the window's thread has worked."""
        thread = threading.main_thread().ident
        if thread is None or not hasattr(time, "pthread_getcpuclockid"):
            return time.monotonic(), 0.0
        return time.monotonic(), time.clock_gettime(time.pthread_getcpuclockid(thread))

    def _guard(self) -> None:
        """Look, in a thread of its own, whether the window answers."""
        while True:
            time.sleep(0.25)
            (by_clock, worked), (then, before) = self._now(), self._beat
            silent, busy = by_clock - then, worked - before
            if busy > self.patience or silent > PATIENCE_BY_THE_CLOCK:
                words = f"for {silent:.1f} s, {busy:.1f} s of them at work"
                self.found(f"The window does not answer {words}.", stacks=True)

    def _on_message(self, kind: QtMsgType, _context: Any, text: str | None) -> None:
        if kind != QtMsgType.QtDebugMsg and not MEANT.search(text or ""):
            self.found(f"Qt says: {text}", stacks=True)

    def _hear_reports(self) -> None:
        """Notice every message that has the report of a fault."""
        original: Callable[..., None] = NoticeBar.tell

        def tell(bar: NoticeBar, kind: str, message: str, hint: str = "", report: str = "") -> None:
            if report:
                self.found(f"{message} {hint}\n{report}")
            original(bar, kind, message, hint, report)

        NoticeBar.tell = tell  # type: ignore[method-assign]

    def _on_audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Refuse what leaves the folder; Python calls this before it does anything like it."""
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self._may_change(path, event)
        elif event in ("os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"):
            # A name below an open folder, as `shutil.rmtree` has them, is of a folder it told of.
            if event == "shutil.rmtree" or arguments[-1] == -1:
                self._may_change(arguments[0], event)
        elif event in ("os.rename", "os.link", "os.symlink"):
            self._may_change(arguments[1], event)
        elif event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple) and address[0] not in HERE:
                self.found(f"The program connects to {address}.", stacks=True)
        elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
            if not PROGRAMS.match(Path(os.fsdecode(arguments[0])).name):
                self.found(f"The program starts {arguments[0]} {arguments[1]}.", stacks=True)
        elif event == "os.system":
            self.found(f"The program runs {arguments[0]}.", stacks=True)

    def _may_change(self, path: Any, event: str) -> None:
        if isinstance(path, int):
            return
        place = os.path.realpath(os.fsdecode(path))
        if not place.startswith((self._root, *OURS)):
            self.found(f"The program changes {place} ({event}).", stacks=True)


class _Log(logging.Handler):
    """Takes every warning for a fault: the program logs what nobody expected, and nothing else."""

    def __init__(self, found: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self._found(f"The log says: {text}")
