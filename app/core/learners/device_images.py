"""Images where they are computed with: on the device as a whole where there is room.

The bytes lie there once; a batch is gathered, mirrored, shifted and normalised there with the
numbers that the host draws, so every engine sees the same pictures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.core.data.batches import Share
from app.core.data.image_preprocess import FittedImages
from app.core.devices import Device

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DeviceImages"]

# All images may have this share of the memory that is free.
SHARE = 0.25


class DeviceImages:
    """Batches as tensors.

    Parameters
    ----------
    data : FittedImages
    device : Device
    dtype : numpy dtype
        float32 or float64.
    resident : bool, optional
        Whether all images lie on the device; by default where there is room and it is not the CPU,
        which has them already.
    """

    def __init__(
        self,
        data: FittedImages,
        device: Device,
        dtype: np.dtype[Any],
        *,
        resident: bool | None = None,
    ) -> None:
        import torch

        self.data, self.device, self.dtype = data, device, dtype
        if resident is None:
            resident = device.kind != "cpu" and data.images.x.nbytes < SHARE * device.free
        self.resident = resident
        if resident:
            # The array is read-only, which torch warns of; nothing here writes into it.
            self._pixels = torch.tensor(np.asarray(data.images.x), device=device.name)
            self._labels = torch.tensor(data.images.y, device=device.name)
            kind = torch.float64 if dtype == np.float64 else torch.float32
            self._shift = torch.tensor(data.shift, dtype=kind, device=device.name)
            self._factor = torch.tensor(data.factor, dtype=kind, device=device.name)

    def rows(self, indices: NDArray[np.int64], mirrored: bool = False) -> tuple[Tensor, Tensor]:
        """Return images (n, C, H, W) as the network sees them, and labels (n,).

        With `mirrored`, left for right.
        """
        if not self.resident:
            return self._moved(self.data.rows(indices, self.dtype, mirrored), indices)
        where = self._to_device(indices)
        pixels = self._pixels[where]
        return self._normalised(pixels.flip(-1) if mirrored else pixels), self._labels[where]

    def batch(
        self, indices: NDArray[np.int64], rng: np.random.Generator, share: Share | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return images to train with, varied at random, and labels; see `FittedImages.batch`."""
        if not self.resident:
            return self._moved(self.data.batch(indices, rng, self.dtype, share), indices)
        where = self._to_device(indices)
        place = self.data.draw_views(len(indices), rng, share)
        if place is None:
            return self._normalised(self._pixels[where]), self._labels[where]
        # Each pixel is fetched from where it comes from: rows and columns of every picture.
        down, across = (self._to_device(one) for one in place)
        found = self._pixels[where[:, None, None], :, down[:, :, None], across[:, None, :]]
        return self._normalised(found.permute(0, 3, 1, 2)), self._labels[where]

    def _moved(self, x: NDArray[Any], indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        return self._to_device(x), self._to_device(self.data.labels(indices))

    def _to_device(self, array: NDArray[Any]) -> Tensor:
        import torch

        return torch.from_numpy(array).to(self.device.name)

    def _normalised(self, pixels: Tensor) -> Tensor:
        return (pixels.to(self._shift.dtype) - self._shift) * self._factor
