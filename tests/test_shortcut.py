from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import resources
from app import shortcut
from app.core.errors import FilterscopeError

ROOT = Path(__file__).parent.parent
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="desktop entries are Linux's")


def entry(path: Path) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path, encoding="utf-8")
    return parser["Desktop Entry"]


@on_linux
def test_a_double_click_starts_the_program(home: Path) -> None:
    desktop = shortcut.install_shortcut()
    menu = home / ".local/share/applications/Filterscope.desktop"
    assert desktop == home / "Desktop/Filterscope.desktop"
    for path in (desktop, menu):
        assert os.access(path, os.X_OK)
        found = entry(path)
        assert found["Name"] == "Filterscope"
        assert found["Terminal"] == "false"
        assert Path(found["Icon"]).is_file()
    # What it starts is this program, from any folder.
    done = subprocess.run(
        [*shlex.split(entry(desktop)["Exec"]), "--version"],
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "0." in done.stdout


@on_linux
def test_it_can_be_made_again(home: Path) -> None:
    assert shortcut.install_shortcut() == shortcut.install_shortcut()


@on_linux
@pytest.mark.parametrize(
    "folder", ["with space", "per%cent", 'quo"te', "dollar$HOME", "back\\slash"]
)
def test_any_path_of_python_survives(
    monkeypatch: pytest.MonkeyPatch, home: Path, folder: str
) -> None:
    python = f"/opt/{folder}/python"
    monkeypatch.setattr(shortcut.sys, "executable", python)
    line = entry(shortcut.install_shortcut())["Exec"]
    # A desktop undoes the escapes of the value, then those inside the quotes, then field codes.
    undone = line.replace("\\\\", "\\")
    quoted = re.match(r'"((?:[^"\\]|\\.)*)" -P', undone)
    assert quoted is not None, line
    assert re.sub(r"\\(.)", r"\1", quoted[1]).replace("%%", "%") == python


@on_linux
def test_a_desktop_that_cannot_be_written_is_one_clear_message(home: Path) -> None:
    home.mkdir()
    (home / "Desktop").write_text("a file is in the way")
    with pytest.raises(FilterscopeError, match="No shortcut could be made") as caught:
        shortcut.install_shortcut()
    assert "filterscope" in caught.value.hint


def test_the_icons_are_there_in_all_sizes() -> None:
    folder = Path(resources.__file__).parent
    for size in (64, 256):
        with Image.open(folder / f"filterscope-{size}.png") as picture:
            assert picture.size == (size, size)
    with Image.open(folder / "filterscope.ico") as picture:
        assert {16, 32, 48, 256} <= {size for size, _ in picture.info["sizes"]}
    with Image.open(folder / "filterscope.icns") as picture:
        assert picture.format == "ICNS"
