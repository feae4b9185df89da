"""What a person chooses, once and for all: every setting of every part of the program."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.core.params import Hyper, Spec, describe

__all__ = [
    "AutoencoderSpec",
    "ImageSpec",
    "PreprocessSpec",
    "TrainingSpec",
    "live_changes",
]


class PreprocessSpec(Spec):
    """How raw patches become training rows; the steps run in the order of the fields.

    The defaults are those of the exercise: luminance, own mean removed, ±3σ, [0.1, 0.9].
    """

    grayscale: Annotated[
        bool,
        Hyper("Y", "Grayscale", "Y = 0.2126 R + 0.7152 G + 0.0722 B: a third of the numbers, most of the picture."),
    ] = True
    remove_mean: Annotated[
        bool,
        Hyper("x − x̄", "Remove each patch's mean", "Brightness says little about shape; without it the filters see contrast."),
    ] = True
    whiten: Annotated[
        Literal["none", "computed", "file"],
        Hyper(
            "ZCA",
            "Whitening",
            "Makes all directions equally strong, so that fine detail counts as much as slow shading.",
            choices={"none": "off", "computed": "ZCA, from the data", "file": "the file's own xForm"},
        ),
    ] = "none"
    epsilon: Annotated[
        float,
        Field(gt=0, le=10),
        Hyper("ε", "Whitening ε", "Keeps weak directions, mostly noise, from being blown up.", "log", (1e-4, 1.0)),
    ] = 0.1
    clip: Annotated[
        bool,
        Hyper("±kσ", "Clip outliers", "Values beyond k standard deviations of all pixels are cut there."),
    ] = True
    deviations: Annotated[
        float,
        Field(gt=0, le=100),
        Hyper("k", "Clip at k σ", "How many standard deviations are kept.", "linear", (1.0, 6.0)),
    ] = 3.0
    rescale: Annotated[
        bool,
        Hyper("[0.1, 0.9]", "Scale to 0.1 … 0.9", "A sigmoid output can only reach values between 0 and 1."),
    ] = True


class ImageSpec(Spec):
    """How images with labels are divided, normalised and varied.

    The defaults are those of CS231n: 49,000 train, 1,000 validate, pixels 0 … 255 minus the mean
    image of those that train.
    """

    train_count: Annotated[
        int,
        Field(ge=1, le=1_000_000_000),
        Hyper("", "Train on", "At most so many images train; fewer learn faster and generalise worse.", "log", (50, 50_000), unit="images"),
    ] = 49_000
    validation_count: Annotated[
        int,
        Field(ge=0, le=1_000_000_000),
        Hyper("", "Validate on", "At most so many images, never trained on, choose the best model.", "linear", (0, 10_000), unit="images"),
    ] = 1_000
    split_seed: Annotated[
        int,
        Field(ge=0, lt=2**63),
        Hyper("", "Split seed", "0 divides the images in the file's order, as CS231n does; another number mixes them first."),
    ] = 0
    normalisation: Annotated[
        Literal["none", "scale", "mean_image", "per_channel", "cifar10"],
        Hyper(
            "",
            "Normalisation",
            "What a network sees: values around zero learn faster than pixels as they are.",
            choices={
                "none": "pixels 0 … 255",
                "scale": "0 … 1",
                "mean_image": "minus the mean image",
                "per_channel": "each channel: mean 0, σ 1",
                "cifar10": "CIFAR-10's published mean and σ",
            },
        ),
    ] = "mean_image"
    flip: Annotated[
        bool,
        Hyper("", "Mirror at random", "Half of the training images are mirrored left to right, others each time: more views of the same things."),
    ] = False
    crop: Annotated[
        int,
        Field(ge=0, le=64),
        Hyper("", "Shift at random", "Training images are moved by at most so many pixels, others each time; 0 leaves them where they are.", "linear", (0, 8), unit="pixels"),
    ] = 0


SOLVERS = {
    "sgd": "SGD",
    "momentum": "momentum",
    "nesterov": "Nesterov",
    "adam": "Adam",
    "lbfgs": "L-BFGS, whole set",
}


class TrainingSpec(Spec):
    """What every training has, whatever the network."""

    learning_rate: Annotated[
        float,
        Field(gt=0, le=1e9),
        Hyper("η", "Learning rate", "How far one step moves the weights.", "log", (1e-5, 1.0), live=True),
    ] = 0.006
    momentum: Annotated[
        float,
        Field(ge=0, lt=1),
        Hyper("μ", "Momentum", "How much of the last step is kept (momentum and Nesterov only).", "linear", (0.0, 0.99), live=True),
    ] = 0.9
    solver: Annotated[
        Literal["sgd", "momentum", "nesterov", "adam", "lbfgs"],
        Hyper("", "Solver", "How a gradient becomes a step.", choices=SOLVERS),
    ] = "adam"
    batch_size: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper("B", "Batch", "Patches a step looks at.", "log", (1, 4096), unit="patches"),
    ] = 128
    epochs: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper("", "Epochs", "How often every patch is seen; for L-BFGS, iterations.", "log", (1, 2000)),
    ] = 400
    held_out: Annotated[
        int,
        Field(ge=0, le=1_000_000_000),
        Hyper("", "Held out", "The last patches of the file are kept from training, to look at honestly.", "linear", (0, 2000), unit="patches"),
    ] = 0
    precision: Annotated[
        Literal["float32", "float64"],
        Hyper("", "Precision", "float32 is twice as fast; float64 is for checking.", choices={"float32": "float32", "float64": "float64"}),
    ] = "float32"
    seed: Annotated[
        int,
        Field(ge=0, lt=2**63),
        Hyper("", "Seed", "The same seed gives the same weights, order and curve."),
    ] = 0


class AutoencoderSpec(TrainingSpec):
    """A sparse autoencoder with one hidden layer (exercise, part B).

    J = 1/(2N) Σ‖d − o‖² + λ/2 (ΣW1² + ΣW2²) + β Σ_b KL(ρ‖ρ̂_b).
    """

    rho: Annotated[
        float,
        Field(gt=0, lt=1),
        Hyper("ρ", "Target activation", "How often a hidden unit should fire.", "log", (0.005, 0.9), live=True),
    ] = 0.05
    beta: Annotated[
        float,
        Field(ge=0, le=1e6),
        Hyper("β", "Sparsity weight", "How hard mean activations are pulled to ρ.", "log", (1e-3, 10.0), live=True),
    ] = 0.5
    lam: Annotated[
        float,
        Field(ge=0, le=1e6),
        Hyper("λ", "Weight decay", "Keeps the filters small and smooth.", "log", (1e-6, 1e-1), live=True),
    ] = 1e-4
    hidden_units: Annotated[
        int,
        Field(ge=1, le=16_384),
        Hyper("L", "Hidden units", "How many filters are learned.", "log", (4, 512)),
    ] = 64
    decoder: Annotated[
        Literal["sigmoid", "linear"],
        Hyper("", "Decoder", "Sigmoid for data in 0.1 … 0.9, linear for whitened data.", choices={"sigmoid": "sigmoid", "linear": "linear"}),
    ] = "sigmoid"


def live_changes(old: TrainingSpec, new: TrainingSpec) -> dict[str, tuple[Any, Any]]:
    """Return ``{name: (old, new)}`` of the live fields in which two specs differ."""
    return {
        parameter.name: (getattr(old, parameter.name), getattr(new, parameter.name))
        for parameter in describe(type(old))
        if parameter.hyper.live
        and getattr(old, parameter.name) != getattr(new, parameter.name)
    }
