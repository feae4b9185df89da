"""The order of start-up, without a window and, in processes of their own, with one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

from app import crash, launch

ROOT = Path(__file__).parent.parent
NO_DISPLAY = dict.fromkeys(("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"), "")


def run(
    *arguments: str, cwd: Path = ROOT, script: str = "main.py", **environ: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("environ", [NO_DISPLAY, {**NO_DISPLAY, "DISPLAY": ":7654"}])
def test_without_a_display_it_says_so_and_names_the_command(environ: dict[str, str]) -> None:
    done = run(**environ)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert "display" in lines[0]
    assert "train autoencoder --out run" in lines[1]
    assert done.stdout == ""


def test_an_unknown_option_is_refused() -> None:
    done = run("--nonsense")
    assert done.returncode == 2
    assert "--nonsense" in done.stderr


def test_it_leaves_no_crash_log_behind(home: Path) -> None:
    run("--version")
    assert list((home / ".local/state").rglob("crash-*")) == []


def test_a_home_that_cannot_be_written_does_not_matter(home: Path) -> None:
    home.write_text("no folder at all")
    assert run("--version").returncode == 0


def script(body: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(body)],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_program_without_streams_starts() -> None:
    """As filterscope-window does on Windows."""
    done = script(
        """
        import os, sys
        sys.stdout = sys.stderr = None
        from app.launch import main
        code = main(["--version"])
        print("written somewhere")
        os._exit(40 + code)
        """
    )
    assert done.returncode == 40


def test_limits_are_set_before_numpy_is_there() -> None:
    done = script(
        """
        import os, sys
        for name in list(os.environ):
            if name.endswith("_NUM_THREADS"):
                del os.environ[name]
        from app import launch
        assert "numpy" not in sys.modules
        seen = {}
        class Watch:
            def find_spec(self, name, path=None, target=None):
                if name == "numpy" and not seen:
                    seen.update(os.environ)
        sys.meta_path.insert(0, Watch())
        launch.main(["info", "/nowhere.h5"])
        assert "numpy" in sys.modules
        names = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY"
        print(*(seen.get(name) for name in names))
        """
    )
    assert done.stdout.split()[-3:] == ["1", "None", "PASSIVE"], done.stderr


def test_the_environment_of_the_person_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    launch.limit_threads()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_hooks_are_set_before_anything_heavy_is_imported() -> None:
    done = script(
        """
        import sys
        from app import crash, launch
        def start(folder=None):
            heavy = {"numpy", "pydantic", "PyQt6", "torch", "pyqtgraph"} & set(sys.modules)
            print("start", sorted(heavy))
        def install():
            print("install")
        crash.start_log, crash.install = start, install
        sys.exit(launch.main(["--version"]))
        """
    )
    assert done.stdout.splitlines()[:2] == ["start []", "install"], done.stderr


@pytest.mark.parametrize(
    ("system", "there", "expected"),
    [
        ("win32", True, ("torch",)),
        ("win32", False, ()),
        ("linux", True, ()),
        ("darwin", True, ()),
    ],
)
def test_torch_comes_before_qt_on_windows(
    system: str, there: bool, expected: tuple[str, ...]
) -> None:
    assert launch.imports_before_qt(system, lambda name: object() if there else None) == expected


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A window that only says how it was started, and in which order."""
    seen: list[object] = []
    application = types.ModuleType("app.ui.application")
    application.run = lambda files, **options: seen.append((files, options)) or 0  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "app.ui.application", application)
    for name in ("start_log", "install", "end_log"):
        monkeypatch.setattr(crash, name, lambda name=name: seen.append(name))
    monkeypatch.setattr(launch, "limit_threads", lambda: seen.append("limits"))
    return seen


def test_the_order_of_a_start(window: list[object]) -> None:
    assert launch.main(["a.h5", "--theme", "dark", "--safe-mode"]) == 0
    assert window == [
        "start_log",
        "install",
        "limits",
        (["a.h5"], {"safe_mode": True, "reset_settings": False, "theme_choice": "dark"}),
        "end_log",
    ]


def test_on_windows_torch_is_imported_before_the_window(
    window: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "imports_before_qt", lambda: ("torch",))
    monkeypatch.setattr(launch.importlib, "import_module", window.append)
    launch.main([])
    assert window.index("torch") < window.index(next(x for x in window if isinstance(x, tuple)))


@pytest.mark.parametrize("error", [OSError("shm.dll"), ImportError("no torch")])
def test_a_torch_that_fails_to_load_does_not_stop_the_window(
    window: list[object], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(launch, "imports_before_qt", lambda: ("torch",))
    monkeypatch.setattr(launch.importlib, "import_module", fail)
    assert launch.main([]) == 0
    assert any(isinstance(step, tuple) for step in window)


def test_a_window_that_cannot_be_loaded_is_said_plainly() -> None:
    done = script(
        """
        import sys
        sys.modules["PyQt6"] = None
        from app.launch import main
        sys.exit(main([]))
        """,
        QT_QPA_PLATFORM="offscreen",
    )
    assert done.returncode == 1
    assert "The window cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_ctrl_c_on_the_command_line_is_130() -> None:
    done = script(
        """
        import os, signal, sys, types
        # Whoever starts the tests in the background has the signal ignored below it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        cli = types.ModuleType("app.cli")
        cli.main = lambda arguments: signal.raise_signal(signal.SIGINT)
        import app
        sys.modules["app.cli"] = app.cli = cli
        from app.launch import main
        sys.exit(main(["train"]))
        """
    )
    assert done.returncode == 130


WINDOW = """
import sys
from PyQt6.QtCore import QTimer
from PyQt6.QtWidgets import QApplication
from app import crash, launch
from app.ui import application, main_window

def later():
    window = next(w for w in QApplication.topLevelWidgets() if isinstance(w, main_window.MainWindow))
    {body}

shown = main_window.MainWindow.show
def show(self):
    shown(self)
    QTimer.singleShot(200, later)
    QTimer.singleShot(30_000, lambda: QApplication.exit(3))
main_window.MainWindow.show = show
code = launch.main({arguments})
print("code", code)
sys.exit(code)
"""


def with_window(body: str, arguments: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    text = WINDOW.format(
        body=textwrap.dedent(body).replace("\n", "\n    "), arguments=arguments or []
    )
    return script(text, QT_QPA_PLATFORM="offscreen")


def test_the_window_opens_and_closes() -> None:
    done = with_window("window.close()")
    assert done.returncode == 0, done.stderr
    assert "code 0" in done.stdout
    assert done.stderr == ""


def test_a_fault_in_the_window_is_shown_and_it_goes_on() -> None:
    done = with_window(
        """
        QTimer.singleShot(0, lambda: 1 / 0)
        def look():
            print("shown", "ZeroDivisionError" in window.notice.message.text())
            window.close()
        QTimer.singleShot(100, look)
        """
    )
    assert done.returncode == 0, done.stderr
    assert "shown True" in done.stdout, done
    assert done.stderr.count("ZeroDivisionError") == 1


def test_a_crash_is_told_by_the_next_window(home: Path) -> None:
    folder = crash.log_folder()
    folder.mkdir(parents=True)
    (folder / "crash-x.log").write_text("Fatal Python error: Segmentation fault")
    done = with_window(
        """
        print("told", "ended unexpectedly" in window.notice.message.text())
        print("report", "Segmentation fault" in window.notice._report)
        window.close()
        """
    )
    assert "told True\nreport True" in done.stdout, done


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trian", "There is no command or file “trian”; did you mean train?"),
        ("xyzzy", "There is no command or file “xyzzy”. Commands are info, "),
    ],
)
def test_a_word_that_is_nothing_is_told_before_a_display_is_asked_for(word, said) -> None:
    done = run(word, **NO_DISPLAY)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert "display" not in done.stderr


def test_a_run_is_not_taken_for_photographs(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    done = run(str(tmp_path), **NO_DISPLAY)
    assert done.returncode == 2
    assert f"filterscope runs show {tmp_path}" in done.stderr
    assert "Runs lab" in done.stderr


def test_files_are_left_to_the_window(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    for word in (str(tmp_path / "plain"), "missing.h5", "a.h5::data", "synthetic"):
        assert launch._file_problem([word]) == ""
    assert launch._file_problem([]) == ""
