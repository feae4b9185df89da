"""A person's network in its process, and the memory that both see.

Weights, what the solver remembers and each batch lie there. So what was learned survives the
process, which can be ended at any time: after each step it is here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.image_preprocess import FittedImages
from app.core.errors import FilterscopeError
from app.core.memory import Need, enough_for
from app.core.own_model.file import ModelFile
from app.core.own_model.remote import ModelProcess
from app.core.solvers.first_order import MEMORY
from app.core.specs import ConvNetSpec

__all__ = ["ANSWER_SECONDS", "ASKED", "KEPT", "HostedModel", "shapes_by_name"]

# Images that are asked about at once.
ASKED = 250
# To import PyTorch and whatever else the file wants, and to name two images.
BUILD_SECONDS = 600.0
# To ask it about images when nobody could stop it.
ANSWER_SECONDS = 600.0

Array = NDArray[Any]
# Vectors that outlive the process.
KEPT = ("theta", "running", "memory", "counts")


class HostedModel:
    """A network that answers in a process of its own, and is started anew when that was ended.

    Parameters
    ----------
    model : ModelFile
        The person agreed that it is run.
    data : FittedImages
    spec : ConvNetSpec
    threads : int
    interrupt : ndarray, shape (1,), int32, optional
        Of the `Control` that steers it: a stop ends it while it is being built.

    Attributes
    ----------
    facts : dict
        What the process said of the network: its name, its parameters, where it computes.
    shared : dict of str to ndarray
        ``theta``, ``running``, ``memory``, ``counts``, a batch ``x`` and ``y``, ``scores`` and
        ``results``.
    stale : bool
        Whether the network has learned what the shared vectors do not have yet.

    Raises
    ------
    FilterscopeError
        The file is none that can be trained, or there is no room.
    """

    def __init__(
        self,
        model: ModelFile,
        data: FittedImages,
        spec: ConvNetSpec,
        threads: int,
        interrupt: NDArray[np.int32] | None = None,
    ) -> None:
        self.model, self.data, self.spec, self.threads = model, data, spec, threads
        self.interrupt = interrupt
        self.facts: dict[str, Any] = {}
        self.shared: dict[str, Array] = {}
        self.stale = False
        self._process: ModelProcess | None = None
        self._start()

    def _start(self) -> ModelProcess:
        """Let the process run, with the weights that are known here, if there are any."""
        process = ModelProcess(self.model)
        try:
            facts = process.ask(
                self._build_request(), interrupt=self.interrupt, patience=BUILD_SECONDS
            )
            if self.facts and facts["parameters"] != self.facts["parameters"]:
                raise FilterscopeError(
                    f"{self.model.name} gave another network than before.",
                    "Its shape must not depend on anything but what it is told.",
                )
            self.facts = facts
            kept = {name: self.shared[name].copy() for name in KEPT if self.shared}
            self.shared = process.share(self._arrays())
            for name, array in kept.items():
                self.shared[name][...] = array
            if kept:
                process.ask({"do": "push"}, patience=ANSWER_SECONDS)
        except BaseException:
            process.close()
            raise
        self._process = process
        return process

    def _build_request(self) -> dict[str, Any]:
        spec = self.spec
        return {
            "do": "build",
            "path": self.model.path,
            "wanted": self.model.wanted,
            "source": self.model.source,
            "shape": list(self.data.images.shape),
            "classes": len(self.data.classes),
            "seed": spec.seed,
            "precision": spec.precision,
            "solver": spec.solver,
            "threads": self.threads,
            "device": spec.device,
            "mixed": spec.mixed_precision == "bfloat16",
            "channels_last": spec.channels_last,
        }

    def _arrays(self) -> dict[str, tuple[str, int]]:
        """Return type and count of what both processes see; refuse what does not fit."""
        kind = self.spec.precision
        count, averages, counts = (
            _total(self.facts[n]) for n in ("parameters", "averages", "counts")
        )
        images = max(ASKED, min(self.spec.batch_size, len(self.data.split.train)))
        pixels = images * math.prod(self.data.images.shape)
        slots = MEMORY[self.spec.solver]
        self._check_room(count, slots)
        return {
            "updating": ("int64", 1),
            "results": ("float64", 4),
            "theta": (kind, count),
            "memory": (kind, slots * count),
            "running": (kind, averages),
            "counts": ("int64", counts),
            "x": (kind, pixels),
            "y": ("int64", images),
            "scores": ("float64", images * len(self.data.classes)),
        }

    def _check_room(self, count: int, slots: int) -> None:
        """Refuse what there is no room for, here or on a GPU."""
        size = np.dtype(self.spec.precision).itemsize
        facts, name = self.facts, f"{self.model.name} and its batches"
        batch = min(self.spec.batch_size, len(self.data.split.train))
        pixels = size * math.prod(self.data.images.shape)
        # What was kept for the way back when it was tried, and its slope beside it.
        each = 2 * facts["each"] + 2 * pixels
        # Weights and memory here, as they were before the last step, in checkpoints and the best
        # model; and the gradient.
        need = Need(size * (5 * (1 + slots) + 4) * count, each, batch)
        hint = "Choose a smaller network."
        if facts["free"]:
            there = replace(need, weights=size * (2 * (1 + slots) + 2) * count)
            where = f"memory of the {facts['title']}"
            enough_for(there, name, "images", hint, free=facts["free"], where=where)
            need = replace(need, each=2 * pixels)
        enough_for(need, name, "images", hint)

    def ask(
        self,
        request: dict[str, Any],
        interrupt: NDArray[np.int32] | None = None,
        patience: float | None = None,
    ) -> dict[str, Any]:
        """Ask the process, which is started anew if it was ended."""
        process = self._process
        if process is None or process.gone:
            if process is not None and process.torn:
                raise FilterscopeError(
                    f"{self.model.name} ended in the middle of a step: its weights are lost.",
                    "Go on from the run's last checkpoint: filterscope runs resume.",
                )
            process = self._start()
        return process.ask(request, interrupt=interrupt, patience=patience)

    @property
    def gone(self) -> bool:
        """Whether nobody computes: it was ended, or ended by itself."""
        return self._process is None or self._process.gone

    @property
    def lost(self) -> bool:
        """Whether what was learned went with the process, if it was ended in this step."""
        process = self._process
        return process is not None and (process.torn or self.facts["kind"] != "cpu")

    def be_there(self) -> None:
        """Start the process if it was ended: the batch goes into the memory that it shares."""
        if self.gone:
            self.ask({"do": "push"}, patience=ANSWER_SECONDS)

    def close(self) -> None:
        """End the process; whoever asks the network again starts another."""
        if self._process is not None:
            if not self._process.gone:
                self.pull()
            self._process.close()

    def pull(self) -> None:
        """Let the shared weights be those of the network, where it computes elsewhere."""
        if self.facts["kind"] != "cpu" and self.stale and self._process is not None:
            self._process.ask({"do": "pull"}, patience=ANSWER_SECONDS)
        self.stale = False

    def kept(self) -> dict[str, Array]:
        """Return copies of the vectors that outlive the process, as the network has them now."""
        if not self.gone:
            self.pull()
        return {name: self.shared[name].copy() for name in KEPT}

    def put(self, **vectors: Array) -> None:
        """Let the network go on from these vectors."""
        self.be_there()
        for name, array in vectors.items():
            self.shared[name][...] = array
        self.ask({"do": "push"}, patience=ANSWER_SECONDS)
        self.stale = False

    def weights(self) -> dict[str, Array]:
        """Return parameters and averages by name, as views."""
        found = {}
        for vector, named in (("theta", "parameters"), ("running", "averages")):
            start = 0
            for name, shape in shapes_by_name(self.facts[named]):
                stop = start + math.prod(shape)
                found[name] = self.shared[vector][start:stop].reshape(shape)
                start = stop
        return found


def shapes_by_name(named: list[tuple[str, list[int]]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return names and shapes as a run keeps them, of what came as JSON."""
    return tuple((name, tuple(shape)) for name, shape in named)


def _total(named: list[tuple[str, list[int]]]) -> int:
    return sum(math.prod(shape) for _, shape in named)
