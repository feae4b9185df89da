"""Labs: a panel with its data, its settings and its training."""

from __future__ import annotations

from app.ui.labs.autoencoder_lab import AutoencoderLab
from app.ui.labs.convnet_lab import ConvNetLab
from app.ui.labs.lab import Lab

__all__ = ["AutoencoderLab", "ConvNetLab", "Lab"]
