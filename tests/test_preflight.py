from __future__ import annotations

import pytest

from app import preflight


def all_there(name: str) -> object:
    return name


def lacking(*names: str):  # type: ignore[no-untyped-def]
    def load(name: str) -> object:
        if name in names:
            raise OSError(name)
        return name

    return load


def yes() -> bool:
    return True


def no() -> bool:
    return False


def problem(environ, load=all_there, x=yes, wayland=yes, system="linux") -> str:  # type: ignore[no-untyped-def]
    return preflight.display_problem(environ, system, load, x, wayland)


@pytest.mark.parametrize(
    "environ",
    [
        {"DISPLAY": ":0"},
        {"WAYLAND_DISPLAY": "wayland-0"},
        {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"},
        {"QT_QPA_PLATFORM": "offscreen"},
        {"QT_QPA_PLATFORM": "offscreen:enable_fonts;xcb"},
        {"QT_QPA_PLATFORM": "vnc:size=800x600"},
    ],
)
def test_a_display_is_there(environ: dict[str, str]) -> None:
    assert problem(environ) == ""


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "no display is there"),
        ({"DISPLAY": "", "WAYLAND_DISPLAY": ""}, "no display is there"),
        ({"QT_QPA_PLATFORM": "xcb"}, "no display is there"),
        ({"QT_QPA_PLATFORM": "xcb", "WAYLAND_DISPLAY": "wayland-0"}, "no display is there"),
    ],
)
def test_no_display(environ: dict[str, str], says: str) -> None:
    lines = problem(environ).splitlines()
    assert len(lines) == 2
    assert says in lines[0]
    assert "train autoencoder --out run" in lines[1]


def test_a_display_that_does_not_answer_is_named() -> None:
    lines = problem({"DISPLAY": ":7"}, x=no).splitlines()
    assert len(lines) == 2
    assert ":7 does not answer" in lines[0]


def test_a_dead_compositor_falls_back_to_x() -> None:
    both = {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}
    assert problem(both, wayland=no) == ""
    assert "no Wayland compositor" in problem({"WAYLAND_DISPLAY": "wayland-0"}, wayland=no)


def test_a_question_that_cannot_be_asked_is_answered_no() -> None:
    def unable() -> bool:
        raise OSError("libxcb.so.1")

    assert "does not answer" in problem({"DISPLAY": ":0"}, x=unable)


def test_missing_libraries_give_the_exact_line() -> None:
    load = lacking("libxcb-cursor.so.0", "libEGL.so.1")
    lines = problem({"DISPLAY": ":0"}, load).splitlines()
    assert len(lines) == 3
    assert lines[1].strip() == "sudo apt-get install libegl1 libxcb-cursor0"


def test_a_compositor_needs_no_x_libraries() -> None:
    load = lacking("libxcb-cursor.so.0")
    assert problem({"WAYLAND_DISPLAY": "wayland-0"}, load) == ""
    assert "libxcb-cursor0" in problem({"WAYLAND_DISPLAY": "w", "DISPLAY": ":0"}, load, wayland=no)


def test_offscreen_needs_what_qt_itself_needs() -> None:
    assert "libegl1" in problem({"QT_QPA_PLATFORM": "offscreen"}, lacking("libEGL.so.1"))


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_other_systems_always_have_a_display(system: str) -> None:
    assert problem({}, lacking("libEGL.so.1"), no, no, system) == ""
