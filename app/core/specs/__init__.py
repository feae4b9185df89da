"""What a person chooses, once and for all: every setting of every part of the program."""

from __future__ import annotations

from app.core.specs.autoencoder import AutoencoderSpec
from app.core.specs.convnet import ConvNetSpec
from app.core.specs.data import ImageSpec, PreprocessSpec
from app.core.specs.training import TrainingSpec, live_changes

__all__ = [
    "AutoencoderSpec",
    "ConvNetSpec",
    "ImageSpec",
    "PreprocessSpec",
    "TrainingSpec",
    "live_changes",
]
