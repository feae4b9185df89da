"""Files made to harm: each is refused in one line that says why, and leads to no other file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from app.core.data.child import PROGRAM
from app.core.data.reader import inspect, open_patches
from app.core.data.untrusted.frames import read_frame, write_json
from app.core.errors import FilterscopeError, RefusedInputError
from tests.core.data.crafted import CASES, pixels, write_all

ROOT = Path(__file__).parents[3]
posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
# What a reader with nothing but NumPy and h5py in it takes, and some room.
MOST_READER_MIB = 200


def python(*arguments, **more):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False, **more,
    )  # fmt: skip


class Outside:
    """A FIFO: whoever opens it to read waits for a writer, and can be noticed from the other end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)

    def somebody_reads(self) -> bool:
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def crafted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crafted")
    outside = folder / "outside"
    if hasattr(os, "mkfifo"):
        os.mkfifo(outside)
    return write_all(folder, outside), outside


@pytest.fixture(scope="module")
def verdicts(crafted):
    paths, _ = crafted
    done = python("-m", "tests.core.data.verdicts", *map(str, paths.values()))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {name: found["files"][str(path)] for name, path in paths.items()}, found["reader_mib"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_in_one_line_that_says_why(case, verdicts):
    said = verdicts[0][case.name]
    assert case.dataset in said, said
    reason = said[case.dataset]
    assert reason is not None, "it was read"
    assert re.search(case.verdict, reason)
    for line in said.values():
        # Nothing waited for the file that is outside, and no line breaks a window or a terminal.
        assert line is None or ("did not get on" not in line and line.isprintable())


def test_no_reader_took_more_memory_than_it_needs_to_say_no(verdicts):
    assert verdicts[1] < MOST_READER_MIB


@posix
@pytest.mark.parametrize("name", ["external_link", "external_storage", "virtual"])
def test_a_plain_reader_would_open_the_other_file(name, crafted):
    """Without this, the tests above could pass because the files are harmless."""
    paths, outside = crafted
    process = subprocess.Popen(
        [sys.executable, "-c", "import h5py, sys; h5py.File(sys.argv[1])['x'][()]", paths[name]],
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None:
            try:
                os.close(os.open(outside, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue
            break
        else:
            pytest.fail("it ended without opening the file outside")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["external_link_on_the_way", "soft_link_through_an_external_one"])
def test_a_path_through_a_link_is_not_followed(name, crafted):
    path = crafted[0][name]
    for asked in ("/group/data", "/away/data", "/x", "group/../group/data"):
        with pytest.raises(RefusedInputError):
            open_patches(path, dataset=asked)
        assert ask_child(path, {"do": "read", "dataset": asked, "axis": 0}).get("refused")


def ask_child(path: Path, request: dict, **environment: str) -> dict:
    """Speak with the child as the parent does, without the parent's own caution."""
    process = subprocess.Popen(
        [sys.executable, "-I", str(PROGRAM)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )  # fmt: skip
    write_json(process.stdin, {**request, "path": str(path), "size": path.stat().st_size})
    answer = read_frame(process.stdout)
    process.communicate(timeout=60)
    assert isinstance(answer, dict)
    return answer


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_the_system_sees_no_other_file_opened(crafted, tmp_path):
    """Counted by the kernel: from the moment the file is open, nothing else is."""
    names = [
        "external_link",
        "external_link_on_the_way",
        "external_storage",
        "virtual",
        "unknown_filter",
    ]
    log = tmp_path / "log"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True)
    if tried.returncode:
        pytest.skip("strace may not trace here")
    for name in names:
        path = crafted[0][name]
        traced = subprocess.Popen(
            ["strace", "-f", "-o", log, "-e", "trace=open,openat,openat2,execve",
             sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        write_json(traced.stdin, {"do": "inspect", "path": str(path), "size": path.stat().st_size})
        assert isinstance(read_frame(traced.stdout), dict)
        traced.communicate(timeout=60)
        lines = [line for line in log.read_text().splitlines() if "open" in line]
        first = next(n for n, line in enumerate(lines) if str(path) in line)
        assert [line for line in lines[first:] if str(path) not in line] == [], name


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_no_plugin_is_looked_for(crafted, tmp_path, monkeypatch):
    source, canary = tmp_path / "plugin.c", tmp_path / "canary"
    source.write_text(
        "#include <stdio.h>\n"
        "__attribute__((constructor)) static void run(void)"
        f' {{ FILE *file = fopen("{canary}", "w"); if (file) fclose(file); }}\n'
        "int H5PLget_plugin_type(void) { return 0; }\n"
        "const void *H5PLget_plugin_info(void) { return 0; }\n"
    )
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    subprocess.run(["cc", "-shared", "-fPIC", "-o", plugins / "libcanary.so", source], check=True)
    # It does run where somebody asks for the filter.
    asks = "import h5py; h5py.h5z.filter_avail(32015)"
    python("-c", asks, env={**os.environ, "HDF5_PLUGIN_PATH": str(plugins)})
    assert canary.exists()
    canary.unlink()
    monkeypatch.setenv("HDF5_PLUGIN_PATH", str(plugins))
    path = crafted[0]["unknown_filter"]
    with pytest.raises(RefusedInputError, match="zstd"):
        open_patches(path, dataset="/x")
    # Nor when the child is told of the folder, which the parent would not do.
    request = {"do": "read", "dataset": "/x", "axis": 0}
    said = ask_child(path, request, HDF5_PLUGIN_PATH=str(plugins))
    assert "zstd" in said["refused"]
    assert not canary.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["contiguous", "gzip", "latest"])
def test_a_file_cut_anywhere_is_refused_or_read(kind, tmp_path):
    """At every 64 bytes of three files; what is still whole may be read, nothing else."""
    whole = tmp_path / "whole.h5"
    options = {} if kind == "contiguous" else {"chunks": (5, 3, 4, 4), "compression": "gzip"}
    with h5py.File(whole, "w", libver="latest" if kind == "latest" else None) as file:
        file.create_dataset("x", data=pixels(), **options)
        file.create_dataset("more/y", data=pixels(), **options)
    content = whole.read_bytes()
    cuts = {}
    for end in range(64, len(content), 64):
        cut = tmp_path / f"{end}.h5"
        cut.write_bytes(content[:end])
        cuts[end] = str(cut)
    done = python("-m", "tests.core.data.batch", *cuts.values())
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert len(said) == len(cuts) > 50
    for end, path in cuts.items():
        assert re.search("cut short|damaged|not an HDF5", said[path]["refused"]), end


# --- what is no file, or not alone


def test_what_is_no_ordinary_file_is_refused_at_once(tmp_path):
    fifo = tmp_path / "fifo.h5"
    nothing = tmp_path / "nothing.h5"
    nothing.touch()
    loop = tmp_path / "loop.h5"
    loop.symlink_to(loop)
    wanted = {
        tmp_path: "is a folder",
        nothing: "is empty",
        tmp_path / "missing.h5": "There is no file",
        loop: "cannot be opened",
        "nul\0.h5": "NUL",
        tmp_path / ("n" * 300): "cannot be opened",
    }
    if hasattr(os, "mkfifo"):
        os.mkfifo(fifo)
        wanted |= {fifo: "not an ordinary file", "/dev/zero": "not an ordinary file"}
    for path, reason in wanted.items():
        with pytest.raises(RefusedInputError, match=reason) as caught:
            inspect(path)
        assert caught.value.message.isprintable()


def test_a_file_that_is_open_elsewhere_for_writing_is_named_with_the_cure(tmp_path):
    path = tmp_path / "locked.h5"
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import h5py, sys; f = h5py.File(sys.argv[1], 'w'); f['x'] = [[1]]; f.flush(); "
         "print('ready', flush=True); sys.stdin.read()", path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "HDF5_USE_FILE_LOCKING": "TRUE"},
    )  # fmt: skip
    try:
        assert holder.stdout.readline().strip() == b"ready"
        with pytest.raises(RefusedInputError, match=r"locked.h5 .*another program.*close it"):
            inspect(path)
    finally:
        holder.communicate()


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "changing.h5"
    with h5py.File(path, "w") as file:
        file["x"] = pixels()

    def touch(_share, _text):
        os.utime(path, ns=(0, 0))

    with pytest.raises(RefusedInputError, match="changed while it was read"):
        open_patches(path, progress=touch)


def test_a_refusal_never_shows_what_a_link_says(crafted):
    paths, outside = crafted
    for name in ("external_link", "external_storage", "virtual"):
        with pytest.raises(FilterscopeError) as caught:
            open_patches(paths[name])
        assert str(outside) not in str(caught.value)
