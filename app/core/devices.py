"""Where PyTorch can compute here: found by a small product, for a driver may be there and not work."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import psutil

from app.core.errors import FilterscopeError
from app.core.words import size_in_words

__all__ = [
    "Device",
    "choose_device",
    "find_devices",
    "gains_from_bfloat16",
    "is_device_error",
    "is_out_of_memory",
    "load_torch",
]

# What errors of a driver say of themselves; torch raises them as plain RuntimeError.
DEVICE_WORDS = (
    "CUDA",
    "cuDNN",
    "CUDNN",
    "CUBLAS",
    "CUFFT",
    "HIP error",
    "MPS",
    "device-side assert",
)
MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Device:
    """One place to compute.

    Attributes
    ----------
    name : str
        torch's own: ``cpu``, ``cuda:0``, ``mps``.
    title : str
        For people.
    free, total : int
        Bytes of its memory; 0 where nobody says.
    problem : str
        Why it cannot be used; empty where it can.
    """

    name: str
    title: str
    free: int = 0
    total: int = 0
    problem: str = ""

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.name.partition(":")[0]

    @property
    def sentence(self) -> str:
        """One line for people."""
        if self.problem:
            return f"{self.title}: {self.problem}"
        free = f", {size_in_words(self.free)} free" if self.free else ""
        return f"{self.title}{free}"


def load_torch() -> Any:
    """Return the module torch.

    Raises
    ------
    FilterscopeError
        It is not installed, or its libraries do not load.
    """
    try:
        import torch
    except ImportError as error:
        if error.name == "torch":
            raise FilterscopeError(
                "PyTorch is not installed.",
                'Install it: pip install "filterscope[torch]".',
            ) from None
        raise _unloadable(error) from None
    except Exception as error:
        # A library that is missing or of another build: OSError, and whatever else torch raises.
        raise _unloadable(error) from None
    return torch


def _unloadable(error: Exception) -> FilterscopeError:
    return FilterscopeError(
        f"PyTorch is installed but does not load: {_first_line(error)}",
        "Install it anew.",
    )


def find_devices(*, number: int | None = None) -> tuple[Device, ...]:
    """Return all devices that torch names, the fastest first and the CPU last.

    Parameters
    ----------
    number : int, optional
        Of CUDA's devices, look at this one alone: to look at one costs some of its memory.

    Raises
    ------
    FilterscopeError
        There is no torch.
    """
    torch = load_torch()
    found: list[Device] = []
    with warnings.catch_warnings():
        # Of an old driver torch warns, where a sentence of ours is shown.
        warnings.simplefilter("ignore")
        try:
            count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        except Exception:
            # Whatever a broken driver raises, nothing can be computed there.
            count = 0
        numbers = [one for one in range(count) if number in (None, one)]
        found += [_look(torch, f"cuda:{one}", "GPU") for one in numbers]
        if torch.backends.mps.is_available():
            found.append(_look(torch, "mps", "Apple GPU"))
    memory = psutil.virtual_memory()
    return (*found, Device("cpu", "CPU", memory.available, memory.total))


def choose_device(wanted: str = "auto") -> tuple[Device, str]:
    """Return where to compute, and what a person must know of the choice.

    Parameters
    ----------
    wanted : {"auto", "cpu", "cuda", "mps"}

    Returns
    -------
    device : Device
        The first of that kind that works, or the CPU.
    note : str
        Why it is not what was wanted; empty where it is.
    """
    devices = find_devices()
    of_kind = [device for device in devices if wanted in ("auto", device.kind)]
    for device in of_kind:
        if not device.problem:
            # What "auto" passed over is worth a word: a GPU is there, and does not work.
            broken = next((one for one in of_kind if one.problem), None)
            note = f"{broken.title} cannot be used: {broken.problem}" if broken else ""
            return device, note
    cpu = devices[-1]
    if of_kind:
        return cpu, f"{of_kind[0].title} cannot be used: {of_kind[0].problem}"
    names = {"cuda": "CUDA device", "mps": "Apple GPU"}
    return cpu, f"PyTorch finds no {names.get(wanted, wanted)} here"


def gains_from_bfloat16(device: Device) -> bool:
    """Return whether a device multiplies numbers of 16 bits by itself; others only imitate it."""
    torch = load_torch()
    if device.kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.kind == "mps":
        return True
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no room."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in MEMORY_WORDS)


def is_device_error(error: BaseException) -> bool:
    """Return whether an error comes from a driver or a device, not from the program."""
    if type(error).__name__ == "AcceleratorError":
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in DEVICE_WORDS)


def _look(torch: Any, name: str, title: str) -> Device:
    """Let a device multiply two small matrices, and ask it for its memory."""
    free = total = 0
    try:
        if name.startswith("cuda"):
            title = torch.cuda.get_device_name(name)
        ones = torch.ones(8, 8, device=name)
        if float((ones @ ones).sum().item()) != 512:
            return Device(name, title, problem="it computes wrongly")
        if name.startswith("cuda"):
            free, total = torch.cuda.mem_get_info(name)
        else:
            total = torch.mps.recommended_max_memory()
            free = total - torch.mps.driver_allocated_memory()
    except Exception as error:
        # Of a driver that is too old or a device in use: what it says is shown beside its name.
        return Device(name, title, problem=_first_line(error))
    return Device(name, title, free, total)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
