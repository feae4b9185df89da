"""What a batch says of a network on PyTorch: its loss, and the slopes of all that share it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from app.core.data.batches import Share
from app.core.devices import Device
from app.core.distributed import Group
from app.core.specs import ConvNetSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from app.core.torch_models.model import Model

__all__ = ["TorchBatches"]


class TorchBatches:
    """Asks a network about batches.

    Parameters
    ----------
    model : Model
    dtype : torch.dtype
        Of its weights.
    device : Device
        Where it computes.
    mixed : bool
        Whether it computes with bfloat16.
    channels_last : bool
        Whether images lie with their channels together.
    group : Group, optional
        Who shares each batch.

    Attributes
    ----------
    asking : Tensor or None
        What all asked for when slopes were added last.
    """

    def __init__(
        self,
        model: Model,
        dtype: torch.dtype,
        device: Device,
        *,
        mixed: bool,
        channels_last: bool,
        group: Group | None,
    ) -> None:
        self.model, self.dtype, self.device, self.group = model, dtype, device, group
        self.mixed, self.channels_last = mixed, channels_last
        self.asking: Tensor | None = None

    def scores(self, model: Model, x: Tensor) -> Tensor:
        """Return scores (N, classes) of images (N, C, H, W), of `model` or one like it."""
        import torch

        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            return model.forward(x)

    def loss(
        self,
        x: Tensor,
        y: Tensor,
        spec: ConvNetSpec,
        masks: np.random.Generator,
        share: Share | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return the data term, for autograd, and the accuracy of a batch.

        Of a share of a batch, what it adds to those of the batch: means, times its weight.
        """
        from app.core.torch_models.functions import data_loss

        mode = self.model.mode
        mode.train, mode.keep, mode.rng = True, 1 - spec.dropout, masks
        mode.share, mode.add = share, None if self.group is None else self.group.add
        scores = self.scores(self.model, x).to(self.dtype)
        if not len(y):
            # No image is left for this process; the others still wait for its sums of nothing.
            return scores.sum(), scores.detach().sum()
        loss = data_loss(scores, y, spec.loss, spec.label_smoothing)
        accuracy = (scores.detach().argmax(dim=1) == y).to(loss.dtype).mean()
        if share is not None:
            loss, accuracy = loss * share.weight, accuracy * share.weight
        return loss, accuracy

    def added(
        self, group: Group, slopes: dict[str, Tensor], loss: Tensor, accuracy: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return slopes, loss and accuracy of the whole batch: the sums over all shares.

        All travel in one vector, and with them whether somebody asked to stop.
        """
        import torch

        parts = [slope.reshape(-1) for slope in slopes.values()]
        told = torch.stack([loss.detach(), accuracy, torch.full_like(accuracy, group.asking)])
        vector = torch.cat([*parts, told])
        group.add(vector)
        *summed, told = torch.split(vector, [*map(len, parts), len(told)])
        self.asking = told[2]
        whole = {
            name: one.view(slope.shape)
            for (name, slope), one in zip(slopes.items(), summed, strict=True)
        }
        return whole, told[0], told[1]

    def decayed(
        self, slopes: dict[str, Tensor], names: Collection[str], reg: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return slopes with those of reg/2 ΣW² over the weights `names`, and that term."""
        import torch

        squares = torch.zeros((), dtype=self.dtype, device=self.device.name)
        if not reg:
            return slopes, squares
        chosen = sorted(names)
        weights = [self.model.weights[name] for name in chosen]
        sums = torch._foreach_add([slopes[name] for name in chosen], weights, alpha=reg)
        norms = torch.stack(list(torch._foreach_norm(weights)))
        return {**slopes, **dict(zip(chosen, sums, strict=True))}, reg / 2 * norms.square().sum()

    def _autocast(self) -> AbstractContextManager[Any]:
        import torch

        if not self.mixed:
            return nullcontext()
        return torch.autocast(self.device.kind, dtype=torch.bfloat16)
