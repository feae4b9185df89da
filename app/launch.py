"""The order in which the program starts.

Crash log and hooks first, so that whatever comes after them is reported; then the limits on
threads, which count only if they are set before NumPy is imported; then either the command
line, which never imports Qt, or the window.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from app import crash

__all__ = ["COMMANDS", "imports_before_qt", "limit_threads", "main", "window_options"]

COMMANDS = ("info", "train", "range", "check", "bench", "export", "runs", "study", "race")
# What the window opens that is no file.
IMAGE_NAMES = ("synthetic", "cifar10")
FOR_COMMAND_LINE = (*COMMANDS, "--help", "-h", "--version")

# BLAS is held to one thread: the kernels divide a batch over threads of their own, and two
# pools of threads on the same cores are slower than one. NumPy's OpenBLAS and Apple's
# Accelerate are named; OMP_NUM_THREADS is not, because it is torch's number of threads too.
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")
# OpenMP's threads, which are torch's, spin while they wait for each other. Where something else
# wants the cores too, each of them then waits for one that was put aside, a hundred times a step.
ASLEEP = "OMP_WAIT_POLICY", "PASSIVE"


def limit_threads() -> None:
    """Hold BLAS to one thread, and let torch's sleep while they wait.

    What the person's environment says otherwise stands.
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    os.environ.setdefault(*ASLEEP)


def imports_before_qt(
    system: str = sys.platform, find: Callable[[str], object] = importlib.util.find_spec
) -> tuple[str, ...]:
    """Return the modules to import before PyQt6.

    On Windows torch's libraries fail to load once Qt's are there; elsewhere torch waits
    until it is asked for.
    """
    return ("torch",) if system == "win32" and find("torch") is not None else ()


def window_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse what the window takes: files, and how to start."""
    parser = argparse.ArgumentParser(prog="filterscope", add_help=False, allow_abbrev=False)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--safe-mode", action="store_true")
    parser.add_argument("--reset-settings", action="store_true")
    parser.add_argument("--theme", choices=("dark", "light", "system"), default=None)
    return parser.parse_args(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Start the program; returns its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the program's name; those of the process by default.
    """
    multiprocessing.freeze_support()
    _give_streams()
    crash.start_log()
    crash.install()
    limit_threads()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in FOR_COMMAND_LINE:
            from app.cli import main as command_line

            return command_line(arguments)
        if arguments == ["--install-shortcut"]:
            return _install_shortcut()
        return _open_window(arguments)
    except SystemExit as end:
        # argparse ends this way; so does nothing else here.
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return 130
    finally:
        crash.end_log()


def _give_streams() -> None:
    """Give a program without a console, which has no streams, some that lead nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _install_shortcut() -> int:
    from app.core.errors import FilterscopeError
    from app.shortcut import install_shortcut

    try:
        print(f"A shortcut is at {install_shortcut()}.")
    except FilterscopeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _file_problem(files: Sequence[str]) -> str:
    """Return what is wrong with a word that is neither a file nor a command, or is a run.

    A path that is not there is left to the window, which says so beside the sample.
    """
    if not files:
        return ""
    word = files[0]
    path = Path(word)
    if (path / "run.json").is_file():
        return (
            f"{word} is a run, not data. Look at it with: filterscope runs show {word}\n"
            "The window lists runs in its Runs lab."
        )
    plain = word.replace("-", "").replace("_", "").isalnum()
    if not plain or path.exists() or word in IMAGE_NAMES:
        return ""
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, 1)
    meant = f"; did you mean {near[0]}?" if near else f". Commands are {', '.join(COMMANDS)}."
    return f"There is no command or file “{word}”{meant}"


def _open_window(arguments: Sequence[str]) -> int:
    options = window_options(arguments)
    from app.preflight import display_problem

    problem = _file_problem(options.files) or display_problem()
    if problem:
        print(problem, file=sys.stderr)
        return 2
    for name in imports_before_qt():
        try:
            importlib.import_module(name)
        except (ImportError, OSError) as error:
            # The program works without it, on the compiled kernels.
            crash.log.info("%s could not be imported: %s", name, error)
    try:
        from app.ui.application import run
    except ImportError as error:
        print(f"The window cannot be loaded: {error}.", file=sys.stderr)
        print("Try installing again: python -m pip install .", file=sys.stderr)
        return 1
    return run(
        options.files,
        safe_mode=options.safe_mode,
        reset_settings=options.reset_settings,
        theme_choice=options.theme,
    )


if __name__ == "__main__":
    sys.exit(main())
