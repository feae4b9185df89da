"""L-BFGS on a network on PyTorch: what all training images say, shared among processes or not."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.core.distributed import Group
from app.core.learners.device_images import DeviceImages
from app.core.learners.torch_batches import TorchBatches
from app.core.learners.whole_set import Whole, WholeSet
from app.core.specs import ConvNetSpec

if TYPE_CHECKING:
    from torch import Tensor

    from app.core.torch_models.model import Model

__all__ = ["TorchWholeSet"]

Array = NDArray[Any]


class TorchWholeSet(WholeSet):
    """The part of a learner on PyTorch that looks at all training images at once."""

    group: Group | None
    model: Model
    batches: TorchBatches
    _theta: Tensor
    _running: Tensor
    _slopes: dict[str, Tensor]
    _images: DeviceImages

    @abstractmethod
    def _push(self) -> None: ...

    @abstractmethod
    def _make_views(self, vector: Tensor) -> dict[str, Tensor]: ...

    def _whole(self, spec: ConvNetSpec, check: Callable[[], None]) -> tuple[Whole, Array]:
        """Return what all training images say at the host's weights, and the gradient."""
        import torch

        self._push()
        train = self.data.split.train
        terms, accuracy = np.zeros(2), 0.0
        gradient = torch.zeros_like(self._theta)
        into = list(self._make_views(gradient).values())
        averages = torch.zeros_like(self._running)
        self.model.mode.momentum = 0.0
        kept = self._running.clone()
        try:
            for start in range(0, len(train), spec.batch_size):
                check()
                indices = train[start : start + spec.batch_size]
                weight = len(indices) / len(train)
                share = None if self.group is None else self.group.share(len(indices))
                x, y = self._images.rows(indices if share is None else indices[share.rows])
                masks = np.random.default_rng(0)
                loss, right = self.batches.loss(x, y, spec, masks, share)
                self._slopes = self.model.slopes(loss)
                torch._foreach_add_(into, list(self._slopes.values()), alpha=weight)
                terms[0] += weight * float(loss.detach())
                accuracy += weight * float(right)
                averages.add_(self._running, alpha=weight)
            if self.group is not None:
                told = np.array([terms[0], accuracy, self.group.asking])
                self.group.add_array(told)
                self.group.add(gradient)
                terms[0], accuracy = map(float, told[:2])
                self.group.heed(float(told[2]))
        finally:
            self.model.mode.momentum = 0.9
            self._running.copy_(kept)
        decayed, squares = self.batches.decayed(
            self._make_views(gradient), self.network.decayed, spec.reg
        )
        terms[1] = float(squares)
        whole = torch.cat([one.reshape(-1) for one in decayed.values()]).cpu().numpy()
        parts = self.network.views_of_averages(averages.cpu().numpy())
        return Whole(terms, accuracy, parts), whole
