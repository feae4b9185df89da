"""What every network on PyTorch has: a device, words for what it does, and a way to say "too large"."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from app.core.devices import Device, choose_device, is_device_error, is_out_of_memory, load_torch
from app.core.errors import FilterscopeError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["OnDevice"]


class OnDevice(ABC):
    """The part of a learner that knows where it computes.

    Attributes
    ----------
    device : Device
        Where it computes.
    threads : int
        Of the CPU.
    notes : list of str
        What could not be had as it was asked for.
    version : str
        Of torch.
    noun : str
        What is learned from, in the plural.
    """

    device: Device
    threads: int
    notes: list[str]
    version: str
    noun: str
    _gone: str

    def _take_device(
        self, wanted: str, precision: str, given: tuple[Device, str] | None = None
    ) -> None:
        """Choose where to compute; what is there instead of what was wanted is noted.

        Where several processes chose together, `given` is the device with its note.
        """
        torch = load_torch()
        self.device, note = given or choose_device(wanted)
        if self.device.kind == "mps" and precision == "float64":
            self.device, note = choose_device("cpu")[0], "Apple GPUs have no float64"
        self.notes = [f"{note}; the {self.device.title} computes"] if note else []
        self.version = str(torch.__version__).partition("+")[0]
        self._gone = ""

    @property
    def place(self) -> str:
        """Where it computes, for people, and what could not be had as it was asked for."""
        where = self.device.sentence
        if self.device.kind == "cpu":
            where = f"{self.device.title}, {self.threads} thread{'s' if self.threads > 1 else ''}"
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        return f"{where}{notes}"

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        """Return a tensor; on the CPU it is the array itself."""
        import torch

        return torch.from_numpy(array).to(self.device.name)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Use this learner's threads, and say what a device does in words."""
        import torch

        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        if self._gone:
            raise FilterscopeError(self._gone, "Train anew on the CPU, or start the program anew.")
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise self._no_room() from None
            if not is_device_error(error):
                raise
            said = str(error).strip().splitlines()[0]
            self._gone = f"{self.device.title} stopped working: {said}"
            other = "Start" if self.device.kind == "cpu" else "Train on the CPU, or start"
            raise FilterscopeError(
                self._gone, f"What was kept last is good. {other} the program anew."
            ) from None

    # --- room

    @abstractmethod
    def _wanted_batch(self) -> int:
        """Return how many rows a step looks at; 0 while there is nothing to try fewer with."""

    @abstractmethod
    def _try_batch(self, batch: int) -> None:
        """Take one step's memory with so many rows, and change nothing."""

    def _no_room(self) -> FilterscopeError:
        """Say that the memory is too small, and find a batch that fits."""
        batch = self._wanted_batch()
        title = self.device.title
        smaller = "Choose a smaller network, or another device."
        if not batch:
            return FilterscopeError(f"{title} has too little memory for this network.", smaller)
        message = f"{title} has too little memory for {batch} {self.noun} at once."
        fits = self._fitting(batch)
        return FilterscopeError(message, f"A batch of {fits} would fit." if fits else smaller)

    def _fitting(self, batch: int) -> int:
        """Return the largest halving of a batch that can be computed, 0 for none."""
        import torch

        while batch > 1:
            batch //= 2
            try:
                if self.device.kind == "cuda":
                    torch.cuda.empty_cache()
                self._try_batch(batch)
            except (RuntimeError, MemoryError):
                continue
            return batch
        return 0
