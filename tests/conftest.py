"""What holds for every test: no display, no real home, nothing left behind, nothing unexpected said."""

from __future__ import annotations

import os

# Before anything imports NumPy, torch or Qt.
os.environ["QT_QPA_PLATFORM"] = "offscreen"
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"
for _name in ("FILTERSCOPE_RUNS", "FILTERSCOPE_KERNELS", "FILTERSCOPE_KILL_AT", "SUDO_USER"):
    os.environ.pop(_name, None)

import gc
import itertools
import logging
import re
import threading
import traceback
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

# The same examples on every run, so that a failure is a change; `deep` looks for new ones.
hypothesis.settings.register_profile(
    "fixed", derandomize=True, database=None, deadline=None, max_examples=50
)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

_homes = itertools.count()
FOLDERS = {
    "HOME": "",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
    "XDG_CACHE_HOME": ".cache",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses a Qt application, so that ``-m "not gui"`` leaves it out."""
    for item in items:
        if {"qapp", "qtbot"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.gui)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home of its own; it is made by whoever writes to it first."""
    path = tmp_path_factory.getbasetemp() / f"home-{next(_homes)}"
    for name, below in FOLDERS.items():
        monkeypatch.setenv(name, str(path / below))
    return path


class Logs(logging.Handler):
    """Collects records of level WARNING and above; `expect` says which are meant."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []
        self.patterns: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def expect(self, pattern: str) -> None:
        """Allow records in whose message `pattern` is found; one at least must come."""
        self.patterns.append(pattern)

    def check(self) -> None:
        said = [record.getMessage() for record in self.records]
        surprises = [line for line in said if not any(re.search(p, line) for p in self.patterns)]
        assert not surprises, f"unexpected in the log: {surprises}"
        missing = [p for p in self.patterns if not any(re.search(p, line) for line in said)]
        assert not missing, f"never said in the log: {missing}"


@pytest.fixture(autouse=True)
def logs() -> Iterator[Logs]:
    """Fail a test during which something unexpected was logged."""
    handler = Logs()
    root = logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    handler.check()


# Milliseconds that a test waits for what has to come. On a busy machine all takes many times as
# long: only what never comes is a failure.
PATIENCE = 60_000


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """Return pytest-qt's hand, which is patient whatever a test says.

    Only where it is a failure if nothing comes: whoever waits for nothing waits as long as told.
    """

    def patient(wait: Any) -> Any:
        def waits(*args: Any, timeout: int = 0, **more: Any) -> Any:
            if more.get("raising", True):
                timeout = max(timeout, PATIENCE)
            return wait(*args, timeout=timeout, **more)

        return waits

    for name in ("waitUntil", "waitSignal", "waitSignals"):
        setattr(qtbot, name, patient(getattr(qtbot, name)))
    return qtbot


def _stack() -> str:
    """Return who called, without the frames of pytest."""
    frames = [f for f in traceback.extract_stack()[:-2] if "site-packages" not in f.filename]
    return "".join(traceback.format_list(frames[-4:]))


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that leaves a thread or a child process, or after a Qt test a timer or window.

    The next test would meet them, and fail or crash in its place.
    """
    threads = set(threading.enumerate())
    children = set(psutil.Process().children())
    if request.node.get_closest_marker("gui") is None:
        yield
    else:
        yield from _watch_qt(request, monkeypatch)
    left = [
        thread
        for thread in set(threading.enumerate()) - threads
        # The kernels keep their helpers for the next call; they belong to their thread.
        if not thread.daemon and not thread.name.startswith("kernel")
    ]
    for thread in left:
        thread.join(10.0)
    assert not [thread for thread in left if thread.is_alive()], "threads are left"
    alive = [child for child in set(psutil.Process().children()) - children if child.is_running()]
    _, alive = psutil.wait_procs(alive, timeout=10.0)
    assert not alive, f"child processes are left: {alive}"


def _watch_qt(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from PyQt6.QtCore import QCoreApplication, QEvent, QThread, QTimer
    from PyQt6.QtWidgets import QApplication

    request.getfixturevalue("qapp")
    started: list[tuple[weakref.ref[Any], str]] = []
    for kind in (QThread, QTimer):
        original = kind.start

        def start(self: Any, *args: Any, _original: Any = original) -> None:
            started.append((weakref.ref(self), _stack()))
            _original(self, *args)

        monkeypatch.setattr(kind, "start", start)
    before = set(map(id, QApplication.topLevelWidgets()))
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    QCoreApplication.processEvents()
    problems = []
    for reference, where in started:
        found = reference()
        try:
            if isinstance(found, QThread) and found.isRunning():
                problems.append(f"a QThread still runs; it was started at\n{where}")
                found.requestInterruption()
                found.wait(5000)
            elif isinstance(found, QTimer) and found.isActive():
                problems.append(f"a QTimer is still active; it was started at\n{where}")
                found.stop()
        except RuntimeError:
            continue  # Qt has deleted it: that is what is wanted.
    windows = [w for w in QApplication.topLevelWidgets() if id(w) not in before]
    if windows:
        del windows
        gc.collect()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        windows = [w for w in QApplication.topLevelWidgets() if id(w) not in before]
    names = [f"{type(w).__name__} {w.objectName()}" for w in windows]
    for window in windows:
        window.close()
        window.deleteLater()
    del windows
    if names:
        problems.append(f"top-level widgets are left: {names}")
    assert not problems, "\n".join(problems)
