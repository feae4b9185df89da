"""The child process and the talk with it: what each side does when the other misbehaves."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest

from app.core.data import child as module
from app.core.data.child import Child
from app.core.data.files import receive_array
from app.core.data.untrusted.frames import Broken, read_frame, write_bytes, write_json
from app.core.errors import Cancelled, FilterscopeError, RefusedInputError

# --- messages


def test_what_is_written_is_read():
    stream = io.BytesIO()
    write_json(stream, {"path": "ü\udcff", "n": [1, 2.5, None]})
    write_bytes(stream, memoryview(np.arange(3, dtype=np.float32)))
    write_bytes(stream, b"")
    stream.seek(0)
    assert read_frame(stream) == {"path": "ü\udcff", "n": [1, 2.5, None]}
    assert read_frame(stream) == np.arange(3, dtype=np.float32).tobytes()
    assert read_frame(stream) == b""
    with pytest.raises(Broken, match="went away"):
        read_frame(stream)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"J",
        struct.pack("<cQ", b"J", 5) + b"{}",
        struct.pack("<cQ", b"J", 2) + b"[]",
        struct.pack("<cQ", b"J", 2) + b"{]",
        struct.pack("<cQ", b"J", 2) + b"\xff\xfe",
        struct.pack("<cQ", b"J", 1 << 40),
        struct.pack("<cQ", b"B", 1 << 40),
        struct.pack("<cQ", b"P", 4) + b"cos\n",
        struct.pack("<cQ", b"J", 100_000) + b'{"a":' * 20_000,
    ],
)
def test_what_is_no_message_is_noticed_before_anything_is_allocated(data):
    with pytest.raises(Broken):
        read_frame(io.BytesIO(data))


# --- a child that does not do what it should


def child_that(monkeypatch, tmp_path, code):
    """Let the child run `code` in place of its program; `out` is where it answers."""
    program = tmp_path / "program.py"
    program.write_text(
        "import json, os, signal, struct, sys, time\n"
        "out = sys.stdout.buffer\n"
        "def say(kind, data): out.write(struct.pack('<cQ', kind, len(data)) + data); out.flush()\n"
        "def tell(**m): say(b'J', json.dumps(m).encode())\n" + code
    )
    monkeypatch.setattr(module, "PROGRAM", program)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "ended the reader"),
        ("sys.exit(3)", "reader"),
        ("raise ValueError", "reader"),
        ("out.write(b'rubbish that is no message'); out.flush()", "damaged"),
        ("say(b'B', b'1234')", "no sensible answer"),
        ("say(b'J', b'[1]')", "damaged"),
        ("tell(refused='two\\nlines \\x1b[31m' + 'x' * 900 + '.')", "two lines"),
        ("time.sleep(60)", "did not get on for 1 seconds"),
    ],
)
def test_the_parent_says_one_sentence(code, reason, monkeypatch, tmp_path):
    child_that(monkeypatch, tmp_path, code)
    with (
        Child("x.h5", patience=1.0) as child,
        pytest.raises(RefusedInputError, match=reason) as said,
    ):
        child.receive_json()
    assert said.value.message.startswith("x.h5 is not opened: ")
    assert said.value.message.isprintable()
    assert len(said.value.message) < 400


HEAD = "tell(shape=[4, 3], dtype='uint8', axis=0); "


@pytest.mark.parametrize(
    "code",
    [
        "tell(end=True)",
        "tell(shape=[4], dtype='uint8')",
        "tell(shape=[4, 3], dtype='object')",
        "tell(shape=[4, 3], dtype='no such type')",
        "tell(shape=['4', None], dtype='uint8')",
        "tell(shape=[1 << 62, 1 << 62], dtype='uint8')",
        HEAD + "tell(end=True)",
        HEAD + "tell(entries=0)",
        HEAD + "tell(entries=-1)",
        HEAD + "tell(entries=5)",
        HEAD + "tell(entries='4')",
        HEAD + "tell(entries=4); say(b'B', bytes(13))",
        HEAD + "tell(entries=4); say(b'B', b'')",
        HEAD + "tell(entries=4); say(b'B', bytes(6)); tell(more=1)",
        HEAD + "tell(entries=2); say(b'B', bytes(6)); tell(end=True)",
    ],
)
def test_numbers_that_the_child_tells_are_checked(code, monkeypatch, tmp_path):
    child_that(monkeypatch, tmp_path, code)
    with Child("x.h5", patience=5.0) as child, pytest.raises(RefusedInputError):
        list(receive_array(child, "", 0, "x", 0, (4, 3)))


def test_a_child_is_given_up_when_nobody_wants_its_answer(monkeypatch, tmp_path):
    child_that(monkeypatch, tmp_path, "time.sleep(60)")
    stop = threading.Event()
    with Child("x.h5", cancel=stop.is_set) as child:
        stop.set()
        with pytest.raises(Cancelled):
            child.receive()
        assert child.gone
        with pytest.raises(FilterscopeError):
            child.send({"do": "inspect"}, bytes(4 << 20))


# --- what a child gives up


def sandboxed(code):
    """Run `code` after the guard; returns what it prints."""
    program = (
        "import json, os, sys\n"
        "from app.core.data.untrusted.guard import close_the_door, hold_still\n"
        "def fails(what):\n"
        "    try: what()\n"
        "    except (OSError, MemoryError) as error: return type(error).__name__\n"
        "    return 'it was allowed'\n" + code
    )
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of Linux")
def test_the_limits_hold(tmp_path):
    done = sandboxed(
        f"path = {str(tmp_path / 'written')!r}\n"
        "descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "hold_still(64 << 20, 5)\n"
        "small = bytearray(16 << 20)\n"
        "said = [fails(lambda: bytearray(256 << 20)), fails(lambda: os.write(descriptor, b'x'))]\n"
        "close_the_door()\n"
        "said += [fails(lambda: open('/dev/null')), fails(lambda: os.pipe()), fails(lambda: os.dup(0))]\n"
        "print(json.dumps(said))\n"
    )
    assert json.loads(done.stdout) == ["MemoryError", "OSError", "OSError", "OSError", "OSError"]
    assert (tmp_path / "written").read_bytes() == b""


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of Linux")
def test_a_child_that_computes_for_ever_ends():
    done = sandboxed("hold_still(64 << 20, 1)\nwhile True: pass")
    assert done.returncode < 0


def test_a_child_knows_nothing_of_the_parent_s_environment(monkeypatch, tmp_path):
    for name in ("HDF5_PLUGIN_PATH", "HDF5_VDS_PREFIX", "PYTHONPATH", "LD_PRELOAD", "SECRET"):
        monkeypatch.setenv(name, "")
    child_that(monkeypatch, tmp_path, "tell(names=sorted(os.environ), path=sys.path)")
    with Child("x.h5") as child:
        found = child.receive_json()
    assert {
        n for n in found["names"] if n.startswith(("HDF5", "PYTHON", "LD_P", "SECRET"))
    } == set()
    assert os.getcwd() not in found["path"]  # noqa: PTH109
    assert "" not in found["path"]
