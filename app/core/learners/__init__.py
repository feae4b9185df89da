"""Networks as the trainer sees them: with their data and their solver."""

from __future__ import annotations

from app.core.learners.autoencoder import AutoencoderLearner
from app.core.learners.choice import make_autoencoder_learner, make_convnet_learner
from app.core.learners.convnet import ConvNetLearner
from app.core.learners.protocol import Evaluation, Learner, StepOutcome

__all__ = [
    "AutoencoderLearner",
    "ConvNetLearner",
    "Evaluation",
    "Learner",
    "StepOutcome",
    "make_autoencoder_learner",
    "make_convnet_learner",
]
