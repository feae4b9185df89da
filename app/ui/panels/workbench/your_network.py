"""The network that the CNN lab has now, in words that the ladder's process understands."""

from __future__ import annotations

from app.core.checks.ladders import NetworkSource
from app.ui.image_session import ImageRequest
from app.ui.labs.convnet_lab import ConvNetLab

__all__ = ["network_of"]


def network_of(lab: ConvNetLab) -> tuple[NetworkSource, str]:
    """Return the lab's network with its images, and what these are called."""
    session = lab.session
    request = session.request or ImageRequest()
    return NetworkSource(lab.spec, session.spec, request.path, request.side), request.name
