"""The network that the CNN lab has now, in words that the ladder's process understands."""

from __future__ import annotations

from app.core.checks.ladders import NetworkSource
from app.ui.image_session import ImageRequest
from app.ui.labs.convnet_lab import ConvNetLab
from app.ui.panels.workbench.five_ways_page import CIFAR10_SHAPE

__all__ = ["images_shape_of", "network_of"]


def network_of(lab: ConvNetLab) -> tuple[NetworkSource, str]:
    """Return the lab's network with its images, and what these are called."""
    session = lab.session
    request = session.request or ImageRequest()
    return NetworkSource(lab.spec, session.spec, request.path, request.side), request.name


def images_shape_of(lab: ConvNetLab) -> tuple[tuple[int, int, int], int]:
    """Return (C, H, W) of the lab's images and how many classes they have."""
    data = lab.data
    if data is None:
        return CIFAR10_SHAPE
    channels, height, width = data.images.shape
    return (channels, height, width), len(data.classes)
