"""What happens when something goes wrong that nobody expected: log it, show it once, go on.

PyQt6 ends the process when an exception leaves a slot and the hooks are Python's own; with
these it does not. Nothing here may fail, so that all of it is as simple as it can be.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import platform
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from app import __version__

__all__ = ["end_log", "install", "left_over", "listen", "log_folder", "report", "start_log"]

log = logging.getLogger(__name__)

LINES_KEPT = 200
# An error that comes back is logged again at these counts only.
TOLD_AGAIN = frozenset(10**power for power in range(1, 12))
MOST_DISTINCT = 500
# A burst of different errors: more than this a minute are logged but not shown.
MOST_SHOWN_A_MINUTE = 20
MOST_LOG_BYTES = 256 * 1024

_lock = threading.RLock()
_counts: dict[tuple[str, str, int], int] = {}
_shown: deque[float] = deque(maxlen=MOST_SHOWN_A_MINUTE)
_listener: Callable[[str, str], None] | None = None
_lines: deque[str] = deque(maxlen=LINES_KEPT)
_log_file: TextIO | None = None


class _Memory(logging.Handler):
    """Keeps the last lines of the log for a report."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            _lines.append(f"{record.levelname} {record.name}: {record.getMessage()}")
        except Exception as error:
            _lines.append(f"a log record could not be written: {type(error).__name__}")


def log_folder() -> Path:
    """Return where crash logs are kept."""
    import platformdirs

    return Path(platformdirs.user_log_dir("filterscope", False))


def install() -> None:
    """Set the three hooks of Python and keep the last lines of the log in memory."""
    sys.excepthook = _on_exception
    threading.excepthook = _on_thread_exception
    sys.unraisablehook = _on_unraisable
    root = logging.getLogger()
    if not any(isinstance(handler, _Memory) for handler in root.handlers):
        root.addHandler(_Memory(logging.INFO))
        # With any handler of its own the log no longer writes warnings to the error stream.
        stream = logging.StreamHandler()
        stream.setLevel(logging.WARNING)
        root.addHandler(stream)


def listen(callback: Callable[[str, str], None] | None) -> None:
    """Call ``callback(headline, report)`` for each distinct error, in whichever thread had it.

    A window emits a signal there and does nothing else. None ends it.
    """
    global _listener
    with _lock:
        _listener = callback


def report(text: str) -> str:
    """Return a report that a person can copy: versions, `text` and the last lines of the log.

    The path of the home folder is written as ``~``.
    """
    head = (
        f"Filterscope {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"NumPy {_version('numpy')}, PyQt {_version('PyQt6.QtCore', 'PYQT_VERSION_STR')}",
    )
    whole = "\n".join((*head, "", text.rstrip(), "", "Last lines of the log:", *list(_lines)))
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home raises where there is none
    return whole.replace(home, "~") if len(home) > 1 and home != "~" else whole


def _version(module: str, name: str = "__version__") -> str:
    return str(getattr(sys.modules.get(module), name, "not loaded"))


# --- the hooks


def _on_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    _take(kind, error, trace, "")


def _on_thread_exception(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is SystemExit:
        return
    name = getattr(args.thread, "name", "?")
    _take(args.exc_type, args.exc_value, args.exc_traceback, f"in thread {name}")


def _on_unraisable(args: Any) -> None:
    # The object itself is not kept, not even for its name: that could bring it back to life.
    _take(args.exc_type, args.exc_value, args.exc_traceback, args.err_msg or "")


def _take(
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
    where: str,
) -> None:
    try:
        if issubclass(kind, KeyboardInterrupt):
            _interrupt()
            return
        _note(kind, error, trace, where)
    except BaseException as second:
        # The reporter failed: say the least there is to say, and let the program live.
        _say(f"{kind.__name__}, and reporting it failed ({type(second).__name__})")


def _note(
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
    where: str,
) -> None:
    key = (kind.__name__, *_place(trace))
    with _lock:
        if key not in _counts and len(_counts) >= MOST_DISTINCT:
            _counts.clear()
        count = _counts[key] = _counts.get(key, 0) + 1
        first = count == 1
        now = time.monotonic()
        crowded = len(_shown) == MOST_SHOWN_A_MINUTE and now - _shown[0] < 60
        if first and not crowded:
            _shown.append(now)
        listener = _listener if first and not crowded else None
    if not first:
        if count in TOLD_AGAIN:
            _say(f"{kind.__name__} at {key[1]}:{key[2]}, {count} times by now")
        return
    text = "".join(traceback.format_exception(kind, error, trace))
    if where:
        text = f"{where}:\n{text}"
    _say(text.rstrip())
    if listener is None:
        return
    try:
        headline = "".join(traceback.format_exception_only(kind, error)).strip().splitlines()[-1]
        listener(headline, report(text))
    except Exception as second:
        _say(f"An error could not be shown: {type(second).__name__}: {second}")


def _place(trace: TracebackType | None) -> tuple[str, int]:
    """Return file and line of the innermost frame, without formatting the rest."""
    if trace is None:
        return "?", 0
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename, trace.tb_lineno


def _say(text: str) -> None:
    """Log one text; what cannot be logged is written to the error stream, or dropped."""
    try:
        log.error("%s", text)
    except BaseException:
        try:
            os.write(2, f"{text}\n".encode(errors="replace"))
        except OSError:
            return


def _interrupt() -> None:
    """Ctrl+C reached a slot: ask Qt to end, or end as Python would."""
    core = sys.modules.get("PyQt6.QtCore")
    application = core.QCoreApplication.instance() if core is not None else None
    if application is not None:
        application.quit()
    else:
        _say("Interrupted")


# --- the log of a crash that Python cannot catch


def start_log(folder: Path | None = None) -> Path | None:
    """Let faulthandler write to a log of this run; returns its path, or None when it cannot.

    An empty log of an orderly run is removed by `end_log`; one with something in it that
    stays behind was left by a crash.
    """
    global _log_file
    try:
        folder = folder or log_folder()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"crash-{os.getpid()}.log"
        _log_file = path.open("w", encoding="utf-8", errors="replace")
        faulthandler.enable(_log_file)
    except Exception as error:
        log.info("There is no crash log: %s", error)
        _log_file = None
        return None
    return path


def end_log() -> None:
    """Remove the log of this run, which came to an orderly end."""
    global _log_file
    if _log_file is None:
        return
    path = Path(_log_file.name)
    try:
        faulthandler.disable()
        _log_file.close()
        path.unlink(missing_ok=True)
    except OSError as error:
        log.info("The crash log could not be removed: %s", error)
    _log_file = None


def left_over(folder: Path | None = None) -> str | None:
    """Return the report of a crash of an earlier run, once; None if there was none.

    Logs of programs that are still running are left alone. All others are removed.
    """
    texts: list[str] = []
    try:
        for path in sorted((folder or log_folder()).glob("crash-*.log")):
            if _alive(path):
                continue
            with path.open("rb") as file:
                text = file.read(MOST_LOG_BYTES).decode("utf-8", "replace").strip()
            path.unlink(missing_ok=True)
            if text:
                texts.append(text)
    except Exception as error:
        log.info("Crash logs could not be read: %s", error)
    return report("\n\n".join(texts)) if texts else None


def _alive(path: Path) -> bool:
    """Whether the process that writes this log still runs; a number used again is not it.

    Linux knows the start of a process to a second only, hence the few seconds of grace.
    """
    number = path.stem.removeprefix("crash-")
    if not number.isdecimal() or len(number) > 10:
        return False
    if int(number) == os.getpid():
        return _log_file is not None and Path(_log_file.name) == path
    import psutil

    try:
        return bool(psutil.Process(int(number)).create_time() <= path.stat().st_mtime + 5)
    except (psutil.Error, OSError):
        return False
