"""Can a window open here? Asked before Qt is, because Qt's answer is to abort the process.

Run as a program (``python -m app.preflight``) it prints the Debian packages that are missing;
the Makefile does that before it installs anything. Only the standard library is used.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["apt_line", "display_problem", "headless_command", "missing_packages"]

# What Qt's libraries are linked with and PyQt6's wheels do not bring along: soname -> Debian package.
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
XCB_LIBRARIES = {
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}
# Platforms of Qt that draw without a display server.
WITHOUT_DISPLAY = frozenset(
    {"offscreen", "minimal", "minimalegl", "vnc", "linuxfb", "eglfs", "vkkhrdisplay"}
)

Loader = Callable[[str], object]


def missing_packages(libraries: Mapping[str, str], load: Loader = ctypes.CDLL) -> list[str]:
    """Return the packages of those `libraries` that the system's loader does not find.

    The loader itself is asked, as Qt will: ``ctypes.util.find_library`` starts other programs
    and knows only what a cache says.
    """
    missing = []
    for soname, package in libraries.items():
        try:
            load(soname)
        except OSError:
            missing.append(package)
    return missing


def headless_command() -> str:
    """Return a command that trains without a window, as it can be typed here."""
    command = "filterscope"
    if shutil.which(command) is None:
        beside = Path(sys.executable).with_name(command)
        if beside.exists():
            folder = Path.cwd()
            command = str(beside.relative_to(folder) if beside.is_relative_to(folder) else beside)
        else:
            command = "python -m app.launch"
    return f"{command} train autoencoder --out run"


def apt_line(packages: list[str]) -> str:
    """Return the command that installs `packages` on Debian and Ubuntu."""
    return f"sudo apt-get install {' '.join(packages)}"


def _x_answers() -> bool:
    """Whether an X server accepts a connection to $DISPLAY."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    answers = bool(xcb.xcb_connection_has_error(connection) == 0)
    xcb.xcb_disconnect(connection)
    return answers


def _wayland_answers() -> bool:
    """Whether a compositor accepts a connection to $WAYLAND_DISPLAY."""
    wayland = ctypes.CDLL("libwayland-client.so.0")
    wayland.wl_display_connect.restype = ctypes.c_void_p
    wayland.wl_display_connect.argtypes = [ctypes.c_char_p]
    wayland.wl_display_disconnect.argtypes = [ctypes.c_void_p]
    display = wayland.wl_display_connect(None)
    if not display:
        return False
    wayland.wl_display_disconnect(display)
    return True


def _answers(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except (OSError, AttributeError):
        return False


def display_problem(
    environ: Mapping[str, str] = os.environ,
    system: str = sys.platform,
    load: Loader = ctypes.CDLL,
    x_answers: Callable[[], bool] = _x_answers,
    wayland_answers: Callable[[], bool] = _wayland_answers,
) -> str:
    """Return why no window can open here and what to do, in two or three lines, or nothing.

    Windows and macOS always have a display as far as Qt is concerned.
    """
    if not system.startswith("linux"):
        return ""
    missing = missing_packages(QT_LIBRARIES, load)
    platform = environ.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    wayland = bool(environ.get("WAYLAND_DISPLAY")) and not platform.startswith("xcb")
    x = bool(environ.get("DISPLAY")) and not platform.startswith("wayland")
    if platform in WITHOUT_DISPLAY:
        return _lacking(missing)
    if wayland and _answers(wayland_answers):
        return _lacking(missing)
    if not x:
        name = "Wayland compositor" if wayland else "display"
        return f"Filterscope's window needs a display, and no {name} is there.\nWithout one: {headless_command()}"
    missing += missing_packages(XCB_LIBRARIES, load)
    if missing:
        return _lacking(missing)
    if not _answers(x_answers):
        return (
            f"Filterscope's window needs a display, and {environ['DISPLAY']} does not answer.\n"
            f"Without one: {headless_command()}"
        )
    return ""


def _lacking(packages: list[str]) -> str:
    if not packages:
        return ""
    return (
        "Qt needs system libraries that are not installed. On Debian or Ubuntu:\n"
        f"    {apt_line(packages)}\n"
        f"Without a window: {headless_command()}"
    )


if __name__ == "__main__" and sys.platform.startswith("linux"):
    print(*missing_packages({**QT_LIBRARIES, **XCB_LIBRARIES}))
