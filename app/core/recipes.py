"""How each lab's data and settings become a training; the session asks no more than this."""

from __future__ import annotations

from typing import Any, Protocol

from app.core.data.batches import EpochOrder
from app.core.data.image_preprocess import FittedImages
from app.core.data.patches import Patches
from app.core.learners import (
    AutoencoderLearner,
    ConvNetLearner,
    Learner,
    make_autoencoder_learner,
    make_convnet_learner,
)
from app.core.runs import Recorder, RunFolder
from app.core.settings import data_folder
from app.core.specs import AutoencoderSpec, ConvNetSpec

__all__ = ["AutoencoderRecipe", "ConvNetRecipe", "Recipe"]


class Recipe(Protocol):
    """What a session needs to train one kind of network."""

    @property
    def noun(self) -> str:
        """What is learned from, in the plural."""

    @property
    def term_names(self) -> tuple[str, ...]:
        """Terms of the cost."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Settings with which a model goes on; with another value of one, Train begins anew."""

    def examples(self, data: Any, spec: Any) -> int:
        """Return how many rows of `data` are trained on."""

    def order(self, data: Any, spec: Any) -> EpochOrder:
        """Return the order in which they are visited."""

    def make_learner(self, data: Any, spec: Any, threads: int) -> Learner:
        """Return a network with its first weights (called in the thread that trains)."""

    def make_recorder(
        self, run_id: str, spec: Any, data: Any, threads: int, began: int = 0
    ) -> Recorder:
        """Make the folder of a run; raises `StorageError` before training, not after.

        `began` says how many steps the weights have been trained already.
        """


class AutoencoderRecipe:
    """Sparse autoencoders on preprocessed patches."""

    noun = "patches"
    term_names = AutoencoderLearner.term_names
    kept = (
        "hidden_units",
        "decoder",
        "precision",
        "held_out",
        "seed",
        "solver",
        "batch_size",
        "engine",
        "device",
    )

    def examples(self, data: Patches, spec: AutoencoderSpec) -> int:
        """Return all rows but those held out."""
        return len(data.x) - spec.held_out

    def order(self, data: Patches, spec: AutoencoderSpec) -> EpochOrder:
        """Return the order of visiting; rows mapped from disk keep near to each other."""
        part, _ = data.split(spec.held_out)
        return EpochOrder(len(part.x), spec.seed, large=part.large)

    def make_learner(self, data: Patches, spec: AutoencoderSpec, threads: int) -> Learner:
        """Return a new autoencoder."""
        part, _ = data.split(spec.held_out)
        return make_autoencoder_learner(part.x, spec, threads=threads, release=part.release_pages)

    def make_recorder(
        self, run_id: str, spec: AutoencoderSpec, data: Patches, threads: int, began: int = 0
    ) -> Recorder:
        """Make the folder of a run."""
        run = RunFolder.create(
            data_folder(),
            kind="autoencoder",
            run_id=run_id,
            spec=spec,
            preprocess=data.fitted.spec,
            source=data.source,
            threads=threads,
            large=data.split(spec.held_out)[0].large,
            began=began,
        )
        return Recorder(run)


class ConvNetRecipe:
    """Networks of layers on labelled images."""

    noun = "images"
    term_names = ConvNetLearner.term_names
    kept = (
        "layers",
        "loss",
        "initialisation",
        "weight_scale",
        "precision",
        "seed",
        "solver",
        "batch_size",
        "engine",
        "device",
        "level",
        "mixed_precision",
        "channels_last",
        "compile",
        "mirror_looks",
    )

    def examples(self, data: FittedImages, spec: ConvNetSpec) -> int:
        """Return how many images train."""
        return len(data.split.train)

    def order(self, data: FittedImages, spec: ConvNetSpec) -> EpochOrder:
        """Return the order of visiting: places among the images that train."""
        return EpochOrder(len(data.split.train), spec.seed)

    def make_learner(self, data: FittedImages, spec: ConvNetSpec, threads: int) -> Learner:
        """Return a new network."""
        return make_convnet_learner(data, spec, threads=threads)

    def make_recorder(
        self, run_id: str, spec: ConvNetSpec, data: FittedImages, threads: int, began: int = 0
    ) -> Recorder:
        """Make the folder of a run."""
        run = RunFolder.create(
            data_folder(),
            kind="cnn",
            run_id=run_id,
            spec=spec,
            preprocess=data.spec,
            source=data.images.source,
            threads=threads,
            classes=data.classes,
            began=began,
        )
        return Recorder(run)
