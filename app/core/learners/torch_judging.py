"""How a network on PyTorch is judged, by one process or by several that share the images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.batches import Share
from app.core.distributed import Group
from app.core.learners.device_images import DeviceImages
from app.core.learners.judging import ASKED, Judging
from app.core.learners.protocol import Evaluation
from app.core.learners.torch_batches import TorchBatches
from app.core.nn.looks import scores_of_looks
from app.core.nn.network import Network
from app.core.predictions import Predictions
from app.core.specs import ConvNetSpec

if TYPE_CHECKING:
    from torch import Tensor

    from app.core.torch_models.model import Model

__all__ = ["TorchJudging"]


class TorchJudging(Judging):
    """The part of a learner on PyTorch that looks at images without learning from them."""

    group: Group | None
    model: Model
    batches: TorchBatches
    _theta: Tensor
    _running: Tensor
    _memory: Tensor
    _images: DeviceImages
    # Whether a look at images is shared among the group.
    _together: bool

    @abstractmethod
    def _pull(self) -> None: ...

    @abstractmethod
    def _to_device(self, array: NDArray[Any]) -> Tensor: ...

    @abstractmethod
    def _make_model(self, theta: Tensor, running: Tensor) -> Model: ...

    def _few(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows

    def _predict(
        self, network: Network, rows: NDArray[np.int64], check: Callable[[], None]
    ) -> Predictions:
        model = self.model
        if network is not self.network:
            model = self._make_model(
                self._to_device(network.theta), self._to_device(network.running)
            )
        scores = self._scores(model, rows, check, self.mirror_looks)
        return Predictions.of_scores(rows, self.data.labels(rows), scores)

    def _scores(
        self,
        model: Model,
        rows: NDArray[np.int64],
        check: Callable[[], None],
        mirror_looks: bool = False,
    ) -> NDArray[np.float64]:
        import torch

        def ask(mirrored: bool) -> NDArray[np.float64]:
            x, _ = self._images.rows(rows[part], mirrored)
            scores: NDArray[np.float64] = self.batches.scores(model, x).double().cpu().numpy()
            return scores

        group = self.group if self._together else None
        # Zeros where others look: the sum is what all saw.
        found = np.zeros((len(rows), self.network.classes))
        mine = Share.of(0, 1, len(rows)) if group is None else group.share(len(rows))
        most = len(rows) if group is None else -(-len(rows) // group.size)
        model.mode.train = False
        with torch.no_grad():
            for start in range(0, most, ASKED):
                if group is not None:
                    group.agree()
                check()
                part = slice(mine.start + start, min(mine.start + start + ASKED, mine.stop))
                if part.start >= part.stop:
                    continue
                found[part] = scores_of_looks(ask, mirror_looks)
        if group is not None:
            group.add_array(found)
        return found

    def validate(self, spec: ConvNetSpec, interrupt: NDArray[np.int32]) -> Evaluation | None:
        """Look at the images that do not train; see `Judging`.

        A group shares them, and takes rank 0's weights once more: processors that round
        differently drift apart no further than this.
        """
        with self._threads():
            if self.group is not None:
                for tensor in (self._theta, self._running, self._memory):
                    self.group.take_from_first(tensor)
            self._pull()
        self._together = self.group is not None
        try:
            return super().validate(spec, interrupt)
        finally:
            self._together = False

    def evaluate(self, spec: ConvNetSpec) -> NDArray[np.float64]:
        """Return the terms (2,) over the fixed sample of training images."""
        if self.group is not None and self.group.rank > 0:
            # Rank 0 tells them; whether they are asked for depends on its clock.
            return np.zeros(2)
        rows = self._sample
        with self._threads(), np.errstate(all="ignore"):
            self._pull()
            scores = self._scores(self.model, rows, lambda: None)
            labels = self.data.labels(rows)
            data, _ = self.network.data_loss(scores, labels, spec.loss, spec.label_smoothing)
            return np.array([data, self.network.l2(spec.reg)])
