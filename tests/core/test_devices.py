"""Where torch can compute, and what is said where it cannot."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.core import devices
from app.core.devices import Device, choose_device, find_devices

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parent.parent.parent
CPU = Device("cpu", "CPU", 1 << 30, 1 << 31)


def test_the_cpu_is_always_there_with_its_memory():
    cpu = find_devices()[-1]
    assert (cpu.name, cpu.kind, cpu.problem) == ("cpu", "cpu", "")
    assert 0 < cpu.free <= cpu.total
    assert "GiB free" in cpu.sentence


def test_a_device_is_believed_only_when_it_multiplies(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Old GPU")

    def ones(*_shape, device):
        raise RuntimeError("CUDA error: no kernel image is available for execution\nmore lines")

    monkeypatch.setattr(torch, "ones", ones)
    first = find_devices()[0]
    assert first.title == "Old GPU"
    assert first.problem == "CUDA error: no kernel image is available for execution"
    assert first.sentence == f"Old GPU: {first.problem}"
    device, note = choose_device("auto")
    assert device.name == "cpu"
    assert note == f"Old GPU cannot be used: {first.problem}"


def test_a_driver_that_raises_is_no_device(monkeypatch):
    def broken():
        raise RuntimeError("driver too old")

    monkeypatch.setattr(torch.cuda, "is_available", broken)
    assert all(device.kind != "cuda" for device in find_devices())


@pytest.mark.parametrize(
    ("wanted", "there", "name", "word"),
    [
        ("auto", (), "cpu", ""),
        ("cpu", (Device("cuda:0", "GPU", 5, 9),), "cpu", ""),
        ("auto", (Device("cuda:0", "GPU", 5, 9),), "cuda:0", ""),
        (
            "cuda",
            (Device("cuda:0", "A", problem="bad"), Device("cuda:1", "B")),
            "cuda:1",
            "A cannot",
        ),
        ("cuda", (), "cpu", "finds no CUDA device"),
        ("mps", (), "cpu", "finds no Apple GPU"),
        ("cuda", (Device("cuda:0", "GPU", problem="bad"),), "cpu", "GPU cannot be used: bad"),
    ],
)
def test_the_first_that_works_is_taken_and_what_is_not_is_said(
    monkeypatch, wanted, there, name, word
):
    monkeypatch.setattr(devices, "find_devices", lambda: (*there, CPU))
    device, note = choose_device(wanted)
    assert device.name == name
    assert word in note
    assert bool(word) == bool(note)


@pytest.mark.parametrize(
    ("error", "memory", "device"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True, True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True, False),
        (MemoryError(), True, False),
        (RuntimeError("CUDA error: device-side assert triggered"), False, True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"), False, True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False, False),
        (ValueError("CUDA"), False, False),
    ],
)
def test_errors_are_told_apart(error, memory, device):
    assert devices.is_out_of_memory(error) == memory
    assert devices.is_device_error(error) == device


# --- a torch that is not there, or does not load


def command(*arguments: str, before: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    import os

    code = (
        "import sys\n"
        + textwrap.dedent(before)
        + "from app.launch import main\nsys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


FAILING = """
import importlib.abc
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise {error}
sys.meta_path.insert(0, Finder())
"""
SHORT = ("--set", "train_count=200", "--epochs", "1", "--set", "layers=affine 8, relu")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "said"),
    [
        ('ModuleNotFoundError("No module named torch", name="torch")', "PyTorch is not installed."),
        ('OSError("libcudart.so.13: cannot open shared object file")', "does not load: libcudart"),
        (
            'ImportError("undefined symbol: ncclGetVersion", name="torch._C")',
            "does not load: undefined",
        ),
    ],
)
def test_without_torch_the_own_loops_compute_and_the_run_says_so(tmp_path, error, said):
    before = FAILING.format(error=error)
    out = tmp_path / "run"
    done = command(
        "train", "cnn", "--set", "engine=torch", *SHORT, "--out", str(out), before=before
    )
    assert done.returncode == 0, done.stderr
    assert said.rstrip(".") in done.stderr
    assert "the program's own loops compute" in done.stderr
    assert "Traceback" not in done.stderr
    assert "own loops compute" in (out / "run.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_without_a_gpu_that_answers_the_cpu_computes_and_the_run_says_so(tmp_path):
    out = tmp_path / "run"
    done = command(
        "train", "cnn", "--set", "engine=torch", "--device", "cuda", *SHORT, "--out", str(out),
        CUDA_VISIBLE_DEVICES="",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "PyTorch finds no CUDA device here; the CPU computes" in done.stderr
    assert "the CPU computes" in (out / "run.json").read_text(encoding="utf-8")
