"""The same convolutional network computed by PyTorch, on the CPU or a GPU.

Weights, order, flips, crops and masks of dropout are those of `ConvNetLearner`; layers, gradient
and solver are torch's. On the CPU the vectors of weights are shared with the host's, so nothing is
copied; on a GPU the host's copy is renewed when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from app.core.data.image_preprocess import FittedImages, augmentation_rng
from app.core.devices import (
    gains_from_bfloat16,
    is_device_error,
    is_out_of_memory,
    load_torch,
)
from app.core.distributed import Group
from app.core.learners.convnet import MARK_STEPS, ConvNetLearner, Mark
from app.core.learners.device_images import SHARE, DeviceImages
from app.core.learners.need import NETWORK, SMALLER, need_of
from app.core.learners.on_device import OnDevice
from app.core.learners.protocol import StepOutcome
from app.core.learners.torch_batches import TorchBatches
from app.core.learners.torch_judging import TorchJudging
from app.core.learners.torch_whole_set import TorchWholeSet
from app.core.memory import enough_for
from app.core.nn.passes import SAMPLE
from app.core.params import field_in_words
from app.core.solvers.first_order import MEMORY
from app.core.solvers.schedules import rate
from app.core.specs import ConvNetSpec

if TYPE_CHECKING:
    from torch import Tensor

    from app.core.torch_models.model import Model

__all__ = ["TorchConvNetLearner"]

Array = NDArray[Any]


class TorchConvNetLearner(OnDevice, TorchWholeSet, TorchJudging, ConvNetLearner):
    """A network of layers on PyTorch.

    Parameters
    ----------
    data : FittedImages
    spec : ConvNetSpec
        Its `device`, `level`, `mixed_precision`, `channels_last` and `compile` say how.
    threads : int, optional
        Of the CPU.
    group : Group, optional
        Other processes that take their share of each batch; `spec.batch_size` is that of all
        together. Each of them has a learner on the same data and calls its methods in the same
        order; only `evaluate`, `snapshot`, `state` and `score` are for one alone.

    Attributes
    ----------
    device, notes
        See `OnDevice`.

    Raises
    ------
    FilterscopeError
        There is no torch, or no room.
    """

    noun = "images"

    def __init__(
        self,
        data: FittedImages,
        spec: ConvNetSpec,
        *,
        threads: int | None = None,
        group: Group | None = None,
    ) -> None:
        load_torch()
        super().__init__(data, spec, threads=threads, shares=1 if group is None else group.size)
        self.spec, self.group = spec, group
        given = None if group is None else (group.device, "; ".join(group.notes))
        self._take_device(spec.device, spec.precision, given)
        self._check_room(data, spec)
        mixed = spec.mixed_precision == "bfloat16" and spec.precision == "float32"
        if mixed and not gains_from_bfloat16(self.device):
            mixed = False
            self.notes.append(f"the {self.device.title} has no bfloat16; float32 is used")
        self._slopes: dict[str, Tensor] = {}
        self._older: Mark | None = None
        self._together = False
        with self._threads():
            self._theta = self._to_device(self.network.theta)
            self._running = self._to_device(self.network.running)
            self._memory = self._to_device(self.memory)
            self.model = self._make_model(self._theta, self._running)
            self.batches = TorchBatches(
                self.model, self._theta.dtype, self.device,
                mixed=mixed, channels_last=spec.channels_last, group=group,
            )  # fmt: skip
            self._remembered = [list(self._make_views(one).values()) for one in self._memory]
            self._images = DeviceImages(data, self.device, self.network.dtype)
            if spec.compile:
                self._compile(spec)

    def _check_room(self, data: FittedImages, spec: ConvNetSpec) -> None:
        """Refuse what the memory of a GPU has no room for; that of the CPU was asked already."""
        if self.device.kind == "cpu" or not self.device.free:
            return
        need = need_of(data, spec, 1 if self.group is None else self.group.size)
        # On the device: weights and what the solver remembers, both as they were twice, the slope.
        slots = MEMORY.get(spec.solver, 0)
        weights = self.network.theta.nbytes * (3 * (1 + slots) + 2)
        images = data.images.x.nbytes
        resident = images if images < SHARE * self.device.free else 0
        enough_for(
            replace(need, weights=weights, data=resident), NETWORK, self.noun, SMALLER,
            free=self.device.free, where=f"memory of the {self.device.title}",
        )  # fmt: skip

    # --- what there is

    @property
    def engine(self) -> str:
        """What computes, for people."""
        half = ", bfloat16" if self.batches.mixed else ""
        level = field_in_words(self.spec, "level")
        several = "" if self.group is None else f"{self.group.sentence}, each "
        return f"PyTorch {self.version}, {level}{half}, {several}{self.place}"

    def _make_model(self, theta: Tensor, running: Tensor) -> Model:
        from app.core.torch_models.model import Model

        return Model(self.network, self.spec.level, theta, running)

    def _make_views(self, vector: Tensor) -> dict[str, Tensor]:
        from app.core.torch_models.model import views

        return views(vector, self.network.description.parameters)

    def _compile(self, spec: ConvNetSpec) -> None:
        """Let torch translate the network; where it cannot, go on without."""
        import torch

        if self.group is not None and len(self._running):
            self.notes.append("torch.compile is left out: batches are measured by all processes")
            return
        from app.core.torch_models.functions import keep_masks_out_of_compile

        plain = self.model.forward
        kept = self._running.clone()
        try:
            keep_masks_out_of_compile()
            self.model.forward = torch.compile(plain)
            self._try_batch(self._wanted_batch())
        except Exception as error:
            if is_device_error(error) or is_out_of_memory(error):
                raise
            self.model.forward = plain
            said = type(error).__name__
            self.notes.append(f"torch.compile gave up with {said}; the network runs as it is")
        finally:
            self._running.copy_(kept)

    def _threads(self) -> AbstractContextManager[None]:
        return self._guarded()

    # --- room

    def _wanted_batch(self) -> int:
        if not hasattr(self, "model"):
            return 0
        batch = self.spec.batch_size
        return batch if self.group is None else -(-batch // self.group.size)

    def _fitting(self, batch: int) -> int:
        self._slopes = {}
        return super()._fitting(batch)

    def _try_batch(self, batch: int) -> None:
        """Go both ways once with images of zeros; nothing changes."""
        import torch

        spec = self.spec
        shape = (batch, *self.network.input_shape)
        x = torch.zeros(shape, dtype=self._theta.dtype, device=self.device.name)
        y = torch.zeros(batch, dtype=torch.int64, device=self.device.name)
        kept = self._running.clone()
        try:
            loss, _ = self.batches.loss(x, y, spec, np.random.default_rng(0))
            self.model.slopes(loss)
        finally:
            self._running.copy_(kept)

    # --- one step

    def _descend(
        self,
        order: NDArray[np.int64],
        spec: ConvNetSpec,
        interrupt: NDArray[np.int32],
        most: int,
    ) -> StepOutcome:
        import torch

        per_epoch = self.steps_per_epoch(spec)
        # A group looks after each step, so that all of it meet a bad loss at the same place.
        most = min(most, -(-len(order) // spec.batch_size)) if self.group is None else 1
        self._keep_mark()
        assert self._mark is not None
        first, before = self.taken, len(self._mark.steps)
        seen: list[Tensor] = []
        for number in range(most):
            rows = order[number * spec.batch_size : (number + 1) * spec.batch_size]
            seen.append(self._tensor_step(rows, spec))
            self._mark.steps.append((rows, spec))
            self.taken += 1
            if interrupt[0] or self.evaluation_due(spec) or len(self._mark.steps) >= MARK_STEPS:
                break
        # The device is waited for once in a call.
        with nullcontext() if self.group is None else self.group.heard():
            numbers = torch.stack(seen).cpu().numpy()
        good = np.isfinite(numbers[:, :2].sum(axis=1))
        finite = bool(good.all())
        if not finite:
            count = int(good.argmin())
            del self._mark.steps[before + count :]
            self.taken = first + count
            numbers = numbers[:count]
        elif self.taken % per_epoch == 0:
            finite = bool(torch.isfinite(self._theta).all())
        if not finite:
            self._undo_last_step()
        if self.group is not None and self.batches.asking is not None:
            self.group.heed(float(self.batches.asking))
        return StepOutcome(numbers[:, :2], finite, accuracies=numbers[:, 2])

    def _tensor_step(self, rows: NDArray[np.int64], spec: ConvNetSpec) -> Tensor:
        """Take one step; returns data, l2 and accuracy (3,), float64, on the device."""
        import torch

        from app.core.torch_models.solvers import update

        per_epoch = self.steps_per_epoch(spec)
        epoch, step = divmod(self.taken, per_epoch)
        rng = augmentation_rng(spec.seed, epoch, step)
        share = None if self.group is None else self.group.share(len(rows))
        mine = self.data.split.train[rows if share is None else rows[share.rows]]
        x, y = self._images.batch(mine, rng, share)
        masks = np.random.default_rng([spec.seed, 8, self.taken])
        loss, accuracy = self.batches.loss(x, y, spec, masks, share)
        slopes = self.model.slopes(loss)
        if self.group is not None:
            slopes, loss, accuracy = self.batches.added(self.group, slopes, loss, accuracy)
        self._slopes = slopes
        decayed, squares = self.batches.decayed(slopes, self.network.decayed, spec.reg)
        update(
            spec.solver,
            list(self.model.weights.values()),
            list(decayed.values()),
            self._remembered,
            self.taken + 1 - self.memory_began,
            rate(spec, self.taken, per_epoch),
            spec.momentum,
        )
        return torch.stack([loss.detach(), squares, accuracy]).double()

    # --- the way back from a step that was too much

    def _keep_mark(self) -> None:
        """Keep the state now and then; the mark before it too, for a first step that fails."""
        if self._mark is None or len(self._mark.steps) >= MARK_STEPS:
            self._older = self._mark
            # Copies stay on the device: tensors in the places of arrays.
            theta, memory, running = (
                cast(Any, one.clone()) for one in (self._theta, self._memory, self._running)
            )
            self._mark = Mark(theta, memory, running, self.taken)

    def _undo_last_step(self) -> None:
        """Return to the weights that gave the last finite loss; see `ConvNetLearner`."""
        mark, older = self._mark, self._older
        self._mark = self._older = None
        if mark is not None and not mark.steps and older is not None:
            mark = older
        if mark is None:
            return
        taken = self.taken
        pairs = (self._theta, mark.theta), (self._memory, mark.memory)
        for tensor, copy in (*pairs, (self._running, mark.running)):
            tensor.copy_(cast(Any, copy))
        self.taken = mark.taken
        for rows, spec in mark.steps[:-1]:
            self._tensor_step(rows, spec)
            self.taken += 1
        self.taken = taken

    # --- what is kept

    def _pull(self) -> None:
        """Let the host's copy be what the device has."""
        if self.device.kind == "cpu":
            return
        pairs = (self.network.theta, self._theta), (self.network.running, self._running)
        for host, tensor in (*pairs, (self.memory, self._memory)):
            host[...] = tensor.cpu().numpy()

    def _push(self) -> None:
        """Let the device have what the host's copy is."""
        import torch

        if self.device.kind == "cpu":
            return
        pairs = (self.network.theta, self._theta), (self.network.running, self._running)
        for host, tensor in (*pairs, (self.memory, self._memory)):
            tensor.copy_(torch.from_numpy(host))

    def snapshot(self) -> tuple[Mapping[str, Array], Mapping[str, Array]]:
        """Return all weights, and a sample of each gradient of the last step."""
        with self._threads():
            self._pull()
            samples = {}
            for name, slope in self._slopes.items():
                flat = slope.detach().reshape(-1)
                some = flat[:: max(1, flat.numel() // SAMPLE)]
                samples[f"gradient {name}"] = some.cpu().numpy()
        return self.network.weights(), samples

    def state(self) -> dict[str, Array]:
        """Return copies of all that an exact continuation needs; see `ConvNetLearner`."""
        with self._threads():
            self._pull()
        return super().state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take up what `state` returned, of any engine."""
        super().restore(state)
        self._older = None
        with self._threads():
            self._push()
