"""A person's own module, with its weights as one vector that another process sees.

Used by `app.core.own_model.process` alone: the code that is run here is not ours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from app.core.devices import choose_device, gains_from_bfloat16
from app.core.errors import UsageError
from app.core.nn.description import MOST_PARAMETERS
from app.core.solvers.first_order import MEMORY
from app.core.torch_models.functions import data_loss
from app.core.torch_models.own_code import find_maker, load_module, make_module
from app.core.torch_models.solvers import update

__all__ = ["OwnModule"]

# Images with which a network is tried when it is loaded.
TRIED = 2

Array = NDArray[Any]


class OwnModule:
    """The module, its solver and the memory that another process sees.

    Parameters
    ----------
    request : dict
        ``path``, ``wanted``, ``source``, ``shape``, ``classes``, ``seed``, ``precision``,
        ``solver``, ``device``, ``mixed`` and ``channels_last``.

    Attributes
    ----------
    facts : dict
        What the other process is told of it, fit for JSON.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.shape: tuple[int, int, int] = tuple(request["shape"])
        self.classes = int(request["classes"])
        self.solver = str(request["solver"])
        self.dtype = torch.float64 if request["precision"] == "float64" else torch.float32
        self.file = Path(request["path"]).name
        device, note = choose_device(request["device"])
        self.notes = [f"{note}; the {device.title} computes"] if note else []
        self.device = torch.device(device.name)
        self.mixed = bool(request["mixed"]) and self.dtype is torch.float32
        if self.mixed and not gains_from_bfloat16(device):
            self.mixed = False
            self.notes.append(f"the {device.title} has no bfloat16; float32 is used")
        self.channels_last = bool(request["channels_last"])
        self._seed(int(request["seed"]), 0)
        code = load_module(request["path"], request["source"])
        maker = find_maker(code, request["wanted"], self.file)
        module, self.name = make_module(maker, self.file, self.shape, self.classes)
        self.module = module.to(self.device, self.dtype)
        for one in self.module.parameters():
            one.requires_grad_(one.requires_grad and one.is_floating_point())
        self.parameters = dict(self.module.named_parameters())
        self.moving = {name: one for name, one in self.parameters.items() if one.requires_grad}
        count = sum(one.numel() for one in self.parameters.values())
        if not self.moving:
            raise UsageError(f"{self.name} in {self.file} has nothing to learn.")
        if count > MOST_PARAMETERS:
            raise UsageError(
                f"{self.name} in {self.file} has {count:,} numbers to learn, more than the "
                f"{MOST_PARAMETERS:,} that are allowed."
            )
        self.kept_bytes = 0
        self.filters = self._try()
        buffers = dict(self.module.named_buffers())
        self.averages = {n: one for n, one in buffers.items() if one.is_floating_point()}
        self.counts = {n: one for n, one in buffers.items() if not one.is_floating_point()}
        self.facts = {
            "name": self.name,
            "parameters": _shapes(self.parameters),
            "averages": _shapes(self.averages),
            "counts": _shapes(self.counts),
            "filters": self.filters,
            "device": device.sentence if device.kind != "cpu" else device.title,
            "kind": device.kind,
            "title": device.title,
            "free": 0 if device.kind == "cpu" else device.free,
            "each": self.kept_bytes // TRIED,
            "notes": self.notes,
            "torch": str(torch.__version__).partition("+")[0],
        }
        self._host: dict[str, Tensor] = {}
        self._before: tuple[Tensor, ...] | None = None

    @property
    def on_host(self) -> bool:
        """Whether the weights lie where the other process sees them."""
        return self.device.type == "cpu"

    # --- tried when it is loaded

    def _try(self) -> str:
        """Let it name a few images both ways; returns which weights see the image first."""
        first: list[str] = []
        names = {id(one): name for name, one in self.module.named_modules()}

        def look(module: nn.Module, given: tuple[Any, ...]) -> None:
            if first or not isinstance(module, nn.Conv2d | nn.Linear):
                return
            seen = given[0]
            width = self.shape[0] if isinstance(module, nn.Conv2d) else int(np.prod(self.shape))
            axis = 1 if isinstance(module, nn.Conv2d) else -1
            pictures = isinstance(module, nn.Linear) or module.groups == 1
            fits = isinstance(seen, Tensor) and seen.shape[axis] == width and pictures
            first.append(f"{names[id(module)]}.weight".lstrip(".") if fits else "")

        hooks = [one.register_forward_pre_hook(look) for one in self.module.modules()]
        kept = {name: one.clone() for name, one in self.module.named_buffers()}
        x = torch.randn(TRIED, *self.shape).to(self.device, self.dtype)
        try:
            self.module.eval()
            with torch.no_grad():
                self._scores(x)
            self.module.train()
            with self._counting():
                scores = self._scores(x)
            if not scores.requires_grad:
                raise UsageError(
                    f"The scores of {self.name} in {self.file} do not depend on its weights.",
                    "It may compute them under torch.no_grad, or detach them.",
                )
            torch.autograd.grad(scores.sum(), list(self.moving.values()), allow_unused=True)
        finally:
            for hook in hooks:
                hook.remove()
        for name, one in self.module.named_buffers():
            if name in kept and one.shape == kept[name].shape:
                one.copy_(kept[name])
        found = first[0] if first else ""
        return found if found in self.parameters else ""

    def _counting(self) -> AbstractContextManager[Any]:
        """Count what is kept for the way back of the images that are tried."""
        own = {one.data_ptr() for one in self.module.parameters()}
        seen: set[int] = set()

        def pack(tensor: Tensor) -> Tensor:
            if tensor.data_ptr() not in own | seen:
                seen.add(tensor.data_ptr())
                self.kept_bytes += tensor.numel() * tensor.element_size()
            return tensor

        return torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)

    def _scores(self, x: Tensor) -> Tensor:
        """Return scores (n, classes), or say what came out instead."""
        with self._autocast():
            scores = self.module(x)
        wanted = (len(x), self.classes)
        if not isinstance(scores, Tensor):
            raise UsageError(
                f"{self.name} in {self.file} gave a {type(scores).__name__} for a batch of images.",
                f"One tensor of shape {wanted} is needed: a score for each class.",
            )
        if tuple(scores.shape) != wanted or not scores.is_floating_point():
            raise UsageError(
                f"{self.name} in {self.file} gave scores of shape {tuple(scores.shape)} and type "
                f"{str(scores.dtype).removeprefix('torch.')} for {len(x)} images.",
                f"{wanted} is needed: a score for each of {self.classes} classes.",
            )
        return scores

    def _autocast(self) -> AbstractContextManager[Any]:
        if not self.mixed:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    # --- the shared memory

    def share(self, arrays: dict[str, Array]) -> None:
        """Let the weights lie in `arrays` from now on; what they are is written there."""
        self._host = {name: torch.from_numpy(one) for name, one in arrays.items()}
        slots = MEMORY[self.solver]
        theta, memory = (
            self._host["theta"],
            self._host["memory"].view(slots, self._host["theta"].numel()),
        )
        # On a GPU the numbers lie there, and the shared ones are a copy.
        self._theta = theta if self.on_host else theta.to(self.device, copy=True)
        self._memory = memory if self.on_host else memory.to(self.device, copy=True)
        with torch.no_grad():
            for name, part in _parts(self._theta, self.parameters):
                part.copy_(self.parameters[name])
                self.parameters[name].data = part
        remembered = [dict(_parts(one, self.parameters)) for one in self._memory]
        self._remembered = [[one[name] for name in self.moving] for one in remembered]
        self._before = None
        self.pull()

    @torch.no_grad()
    def pull(self) -> None:
        """Write into the shared memory what the module has."""
        if not self.on_host:
            self._host["theta"].copy_(self._theta)
            self._host["memory"].copy_(self._memory.reshape(-1))
        now = dict(self.module.named_buffers())
        for name, part in _parts(self._host["running"], self.averages):
            part.copy_(now[name])
        for name, part in _parts(self._host["counts"], self.counts):
            part.copy_(now[name])

    @torch.no_grad()
    def push(self) -> None:
        """Let the module have what the shared memory says."""
        if not self.on_host:
            self._theta.copy_(self._host["theta"])
            self._memory.copy_(self._host["memory"].view_as(self._memory))
        now = dict(self.module.named_buffers())
        for name, part in _parts(self._host["running"], self.averages):
            now[name].copy_(part)
        for name, part in _parts(self._host["counts"], self.counts):
            now[name].copy_(part)
        self._before = None

    # --- what it computes

    def step(self, request: dict[str, Any], updating: Callable[[bool], None]) -> None:
        """Take one step with the batch that is shared; terms and accuracy are written there.

        When the loss is no finite number, the step before it is taken back.
        """
        results = self._host["results"]
        x, y = self._batch(int(request["count"]))
        y = y.to(self.device)
        self._seed(int(request["seed"]), int(request["step"]))
        self.module.train()
        scores = self._scores(x).to(self.dtype)
        loss = data_loss(scores, y, request["loss"], request["smoothing"])
        accuracy = (scores.detach().argmax(dim=1) == y).double().mean()
        found = torch.autograd.grad(loss, list(self.moving.values()), allow_unused=True)
        seen = float(loss.detach())
        with torch.no_grad():
            slopes = [
                torch.zeros_like(one) if slope is None else slope
                for one, slope in zip(self.moving.values(), found, strict=True)
            ]
            reg, squares = float(request["reg"]), 0.0
            if reg:
                for place, one in enumerate(self.moving.values()):
                    if one.ndim > 1:
                        squares += float(one.double().square().sum())
                        slopes[place] = slopes[place] + reg * one
            results[0], results[1], results[2] = seen, reg / 2 * squares, float(accuracy)
            finite = bool(np.isfinite(seen + squares))
            updating(True)
            if finite:
                self._keep()
                update(
                    self.solver, [one.data for one in self.moving.values()], slopes,
                    self._remembered, int(request["step"]) + 1, float(request["rate"]),
                    float(request["momentum"]),
                )  # fmt: skip
            if finite and request["check"]:
                finite = bool(torch.isfinite(self._theta).all())
            if not finite:
                self._undo()
            results[3] = float(finite)
            if self.on_host:
                self.pull()
            updating(False)

    def _keep(self) -> None:
        """Keep the state before a step: the next one may show that it was too much."""
        now = (self._theta, self._memory, *self._live_buffers())
        if self._before is None:
            self._before = tuple(one.clone() for one in now)
        else:
            for kept, one in zip(self._before, now, strict=True):
                kept.copy_(one)

    def _undo(self) -> None:
        if self._before is None:
            return
        now = (self._theta, self._memory, *self._live_buffers())
        for kept, one in zip(self._before, now, strict=True):
            one.copy_(kept)

    def _live_buffers(self) -> Iterator[Tensor]:
        now = dict(self.module.named_buffers())
        for name in (*self.averages, *self.counts):
            yield now[name]

    def scores(self, count: int) -> None:
        """Write the scores of the images that are shared beside them."""
        x, _ = self._batch(count)
        self.module.eval()
        with torch.no_grad():
            found = self._scores(x).double().cpu().reshape(-1)
        self._host["scores"][: len(found)] = found

    def _batch(self, count: int) -> tuple[Tensor, Tensor]:
        pixels = count * int(np.prod(self.shape))
        x = self._host["x"][:pixels].view(count, *self.shape)
        # A copy: what is done to it in place must not reach the shared one.
        x = x.to(self.device, copy=True)
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return x, self._host["y"][:count]

    @staticmethod
    def _seed(seed: int, step: int) -> None:
        """Let whatever the module draws be a function of seed and step, as everything else is."""
        state = int(np.random.SeedSequence([seed, 8, step]).generate_state(1, np.uint64)[0])
        torch.manual_seed(state >> 1)
        random.seed(state)
        np.random.seed(state % (1 << 32))  # noqa: NPY002 - the person's code may ask it


def _shapes(tensors: dict[str, Any]) -> list[tuple[str, list[int]]]:
    return [(name, list(one.shape)) for name, one in tensors.items()]


def _parts(vector: Tensor, like: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """Yield the parts of a vector by name, in the shapes of `like`, as views."""
    at = 0
    for name, one in like.items():
        yield name, vector[at : at + one.numel()].view(one.shape)
        at += one.numel()
