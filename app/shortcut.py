"""An icon on the desktop and in the menu, so that a double click starts the program."""

from __future__ import annotations

import sys
from pathlib import Path

import resources
from app.core.errors import FilterscopeError

__all__ = ["install_shortcut"]

NAME = "Filterscope"
ICONS = {"win32": "filterscope.ico", "darwin": "filterscope.icns"}


def _executable() -> str:
    """Return this environment's Python, written as the desktop's files want it."""
    python = Path(sys.executable)
    if sys.platform == "win32":
        windowed = python.with_name("pythonw.exe")
        return str(windowed if windowed.exists() else python)
    # In the Exec line of a desktop entry a quoted word has \ " ` $ escaped, % doubled; then
    # the whole value once more has its backslashes doubled. /bin/sh agrees but for the last.
    text = str(python)
    for mark in '\\"`$':
        text = text.replace(mark, f"\\{mark}")
    if sys.platform.startswith("linux"):
        text = text.replace("\\", "\\\\").replace("%", "%%")
    return f'"{text}"'


def install_shortcut() -> Path:
    """Make a shortcut on the desktop and in the start menu; an older one is replaced.

    Returns
    -------
    Path
        The shortcut on the desktop.

    Raises
    ------
    FilterscopeError
        The desktop cannot be found or written to.
    """
    icon = Path(resources.__file__).with_name(ICONS.get(sys.platform, "filterscope-256.png"))
    try:
        from pyshortcuts import make_shortcut

        made = make_shortcut(
            # -P: a folder called app where it is started must not be taken for this program.
            "-P -m app.launch",
            name=NAME,
            description="See what small networks learn",
            icon=str(icon),
            executable=_executable(),
            terminal=False,
        )
        return Path(str(made.desktop_dir), str(made.target))
    except Exception as error:  # pyshortcuts lets all kinds through, COM errors of Windows too
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise FilterscopeError(
            f"No shortcut could be made ({reason}).",
            "Start Filterscope with the command filterscope instead.",
        ) from error
