"""The hooks keep the program alive, in a process of its own: pytest-qt has hooks itself."""

from __future__ import annotations

import faulthandler
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import crash

ROOT = Path(__file__).parent.parent

BEFORE = """
import sys, threading, time
from app import crash
crash.install()
shown = []
crash.listen(lambda line, report: shown.append(line))
from PyQt6.QtCore import QCoreApplication, QObject, QThread, QTimer, pyqtSignal
from PyQt6.QtWidgets import QApplication, QWidget
application = QApplication([])
"""
AFTER = """
application.exec()
print("alive", len(shown), *shown, sep="|")
"""

SCENES = {
    "slot": """
class Sender(QObject):
    sent = pyqtSignal()
sender = Sender()
def slot(): raise ValueError("boom")
sender.sent.connect(slot)
QTimer.singleShot(0, sender.sent.emit)
QTimer.singleShot(50, application.quit)
""",
    "timer": """
def tick(): raise ValueError("boom")
timer = QTimer(); timer.timeout.connect(tick); timer.start(1)
QTimer.singleShot(100, application.quit)
""",
    "paint": """
class Broken(QWidget):
    def paintEvent(self, event): raise ValueError("boom")
widget = Broken(); widget.show()
QTimer.singleShot(100, application.quit)
""",
    "qthread": """
class Job(QThread):
    def run(self): raise ValueError("boom")
job = Job(); job.finished.connect(application.quit); job.start()
""",
    "thread": """
def job(): raise ValueError("boom")
helper = threading.Thread(target=job); helper.start(); helper.join()
QTimer.singleShot(0, application.quit)
""",
    "destructor": """
class Grave:
    def __del__(self): raise ValueError("boom")
def tick():
    Grave()
QTimer.singleShot(0, tick)
QTimer.singleShot(50, application.quit)
""",
    "signal argument": """
class Odd(Exception):
    def __str__(self): raise RuntimeError("cannot say")
def tick(): raise Odd()
QTimer.singleShot(0, tick)
QTimer.singleShot(50, application.quit)
""",
}


def run(body: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(body)],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("scene", SCENES)
def test_an_exception_does_not_end_the_program(scene: str) -> None:
    done = run(BEFORE + SCENES[scene] + AFTER)
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1].split("|")
    assert last[:2] == ["alive", "1"], done
    if scene != "signal argument":
        assert last[2] == "ValueError: boom"
        assert "ValueError: boom" in done.stderr


def test_without_the_hooks_the_same_slot_ends_it() -> None:
    """The scenes above would otherwise prove nothing."""
    without = BEFORE.replace("crash.install()", "")
    done = run(without + SCENES["slot"] + AFTER)
    assert done.returncode in (-6, 134)


def test_a_listener_that_fails_does_not_end_the_program() -> None:
    broken = BEFORE + "def broken(line, report): raise KeyError('x')\ncrash.listen(broken)\n"
    done = run(broken + SCENES["timer"] + AFTER)
    assert done.returncode == 0, done.stderr
    assert "could not be shown: KeyError" in done.stderr


def test_a_hook_that_fails_itself_does_not_end_the_program() -> None:
    broken = BEFORE + "def broken(*args): raise SystemExit('hook')\ncrash._note = broken\n"
    done = run(broken + SCENES["slot"] + AFTER)
    assert done.returncode == 0, done.stderr
    assert "ValueError, and reporting it failed (SystemExit)" in done.stderr


def test_interrupt_in_a_slot_ends_the_event_loop() -> None:
    scene = """
def tick(): raise KeyboardInterrupt
QTimer.singleShot(0, tick)
QTimer.singleShot(30000, lambda: print("too late"))
"""
    done = run(BEFORE + scene + AFTER)
    assert done.returncode == 0
    assert done.stdout.strip() == "alive|0"


def test_a_flood_is_shown_once_and_logged_rarely() -> None:
    scene = """
done = []
def tick():
    done.append(1)
    if len(done) == 1000: application.quit()
    raise ValueError("boom")
timer = QTimer(); timer.timeout.connect(tick); timer.start(0)
"""
    done = run(BEFORE + scene + AFTER)
    assert done.returncode == 0
    assert done.stdout.strip() == "alive|1|ValueError: boom"
    assert done.stderr.count("Traceback") == 1
    assert len(done.stderr.splitlines()) < 20
    assert "1000 times by now" in done.stderr


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """The reporter as it is when the program has just started."""
    monkeypatch.setattr(crash, "_counts", {})
    monkeypatch.setattr(crash, "_shown", type(crash._shown)(maxlen=crash.MOST_SHOWN_A_MINUTE))
    shown: list[tuple[str, str]] = []
    crash.listen(lambda line, report: shown.append((line, report)))
    yield shown
    crash.listen(None)


def fail(kind: type[Exception], text: str) -> None:
    try:
        raise kind(text)
    except Exception as error:
        crash._on_exception(type(error), error, error.__traceback__)


def test_a_burst_of_different_errors_is_not_all_shown(hooks: list[tuple[str, str]], logs) -> None:  # type: ignore[no-untyped-def]
    logs.expect("Error")
    for number in range(100):
        fail(type(f"Number{number}Error", (Exception,), {}), "x")
    assert len(hooks) == crash.MOST_SHOWN_A_MINUTE


def test_the_book_of_errors_is_bounded(hooks: list[tuple[str, str]], logs) -> None:  # type: ignore[no-untyped-def]
    logs.expect("Error")
    for number in range(crash.MOST_DISTINCT + 50):
        fail(type(f"Number{number}Error", (Exception,), {}), "x")
    assert len(crash._counts) <= crash.MOST_DISTINCT


def test_a_report_names_versions_and_hides_the_home(
    hooks: list[tuple[str, str]], home: Path, logs
) -> None:  # type: ignore[no-untyped-def]
    logs.expect("no such place")
    fail(OSError, f"no such place: {home}/private.h5")
    line, report = hooks[0]
    assert line == f"OSError: no such place: {home}/private.h5"
    assert "~/private.h5" in report
    assert str(home) not in report
    assert report.startswith("Filterscope ")


def test_reports_hold_the_last_lines_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash, "_lines", type(crash._lines)(maxlen=crash.LINES_KEPT))
    memory = crash._Memory(logging.INFO)
    for number in range(crash.LINES_KEPT + 10):
        memory.emit(logging.LogRecord("x", logging.INFO, "", 0, "line %d", (number,), None))
    memory.emit(logging.LogRecord("x", logging.INFO, "", 0, "line %d", ("not a number",), None))
    report = crash.report("")
    assert "line 9\n" not in report
    assert f"line {crash.LINES_KEPT + 9}" in report
    assert "a log record could not be written: TypeError" in report


def test_a_thread_that_exits_is_no_error(hooks: list[tuple[str, str]]) -> None:
    args = threading.ExceptHookArgs((SystemExit, SystemExit(0), None, threading.current_thread()))
    crash._on_thread_exception(args)
    assert hooks == []


# --- the log of a crash that Python cannot catch


def crashed(folder: Path, how: str) -> subprocess.CompletedProcess[str]:
    body = f"""
import ctypes, os, signal
from pathlib import Path
from app import crash
crash.start_log(Path({str(folder)!r}))
{how}
"""
    return run(body)


def test_a_crash_is_reported_by_the_next_start_once(tmp_path: Path) -> None:
    done = crashed(tmp_path, "ctypes.string_at(1)")
    assert done.returncode == -11
    report = crash.left_over(tmp_path)
    assert report is not None
    assert "Segmentation fault" in report
    assert "string_at" in report
    assert crash.left_over(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["crash.end_log()", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_an_orderly_end_or_a_kill_is_no_crash(tmp_path: Path, how: str) -> None:
    crashed(tmp_path, how)
    assert crash.left_over(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_log_of_a_program_that_runs_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        path = tmp_path / f"crash-{other.pid}.log"
        path.write_text("still writing")
        assert crash.left_over(tmp_path) is None
        assert path.exists()
    finally:
        other.communicate(b"\n", timeout=60)
    assert "still writing" in (crash.left_over(tmp_path) or "")


def test_a_number_used_again_does_not_hide_a_crash(tmp_path: Path) -> None:
    path = tmp_path / f"crash-{os.getppid()}.log"
    path.write_text("long ago")
    os.utime(path, (1, 1))
    assert "long ago" in (crash.left_over(tmp_path) or "")


@pytest.mark.parametrize("name", ["crash-.log", "crash-x.log", "crash-99999999999999999999.log"])
def test_strange_logs_are_read_and_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe strange")
    assert "strange" in (crash.left_over(tmp_path) or "")
    assert list(tmp_path.iterdir()) == []


def test_a_start_without_a_place_for_logs_goes_on(tmp_path: Path) -> None:
    before = faulthandler.is_enabled()
    file = tmp_path / "file"
    file.write_text("")
    assert crash.start_log(file / "below") is None
    assert crash.left_over(file / "below") is None
    crash.end_log()
    assert faulthandler.is_enabled() == before
