"""How patches and images become what a network sees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.core.params import Hyper, Spec

__all__ = ["ImageSpec", "PreprocessSpec"]


class PreprocessSpec(Spec):
    """How raw patches become training rows; the steps run in the order of the fields.

    The defaults are those of the exercise: luminance, own mean removed, ±3σ, [0.1, 0.9].
    """

    grayscale: Annotated[
        bool,
        Hyper(
            "Y",
            "Greyscale",
            "Y = 0.2126 R + 0.7152 G + 0.0722 B: a third of the numbers, most of the picture.",
        ),
    ] = True
    remove_mean: Annotated[
        bool,
        Hyper(
            "x − x̄",
            "Remove each patch's mean",
            "Brightness says little about shape; without it the filters see contrast.",
        ),
    ] = True
    whiten: Annotated[
        Literal["none", "computed", "file"],
        Hyper(
            "ZCA",
            "Whitening",
            "Makes all directions equally strong, so that fine detail counts as much as slow shading.",
            choices={
                "none": "off",
                "computed": "ZCA, from the data",
                "file": "the file's own xForm",
            },
        ),
    ] = "none"
    epsilon: Annotated[
        float,
        Field(gt=0, le=10),
        Hyper(
            "ε",
            "Whitening ε",
            "Keeps weak directions, mostly noise, from being blown up.",
            "log",
            (1e-4, 1.0),
        ),
    ] = 0.1
    clip: Annotated[
        bool,
        Hyper(
            "±kσ",
            "Clip outliers",
            "Values beyond k standard deviations of all pixels are cut there.",
        ),
    ] = True
    deviations: Annotated[
        float,
        Field(gt=0, le=100),
        Hyper("k", "Clip at k σ", "How many standard deviations are kept.", "linear", (1.0, 6.0)),
    ] = 3.0
    rescale: Annotated[
        bool,
        Hyper(
            "[0.1, 0.9]",
            "Scale to 0.1 … 0.9",
            "A sigmoid output can only reach values between 0 and 1.",
        ),
    ] = True


class ImageSpec(Spec):
    """How images with labels are divided, normalised and varied.

    The defaults are those of CS231n: 49,000 train, 1,000 validate, pixels 0 … 255 minus the mean
    image of those that train.
    """

    train_count: Annotated[
        int,
        Field(ge=1, le=1_000_000_000),
        Hyper(
            "",
            "Train on",
            "At most so many images train; fewer learn faster and generalise worse.",
            "log",
            (50, 50_000),
            unit="images",
        ),
    ] = 49_000
    validation_count: Annotated[
        int,
        Field(ge=0, le=1_000_000_000),
        Hyper(
            "",
            "Validate on",
            "At most so many images, never trained on, choose the best model.",
            "linear",
            (0, 10_000),
            unit="images",
        ),
    ] = 1_000
    split_seed: Annotated[
        int,
        Field(ge=0, lt=2**63),
        Hyper(
            "",
            "Split seed",
            "0 divides the images in the file's order, as CS231n does; another number mixes them first.",
        ),
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
        Hyper(
            "",
            "Mirror at random",
            "Half of the training images are mirrored left to right, others each time: more views of the same things.",
        ),
    ] = False
    crop: Annotated[
        int,
        Field(ge=0, le=64),
        Hyper(
            "",
            "Shift at random",
            "Training images are moved by at most so many pixels, others each time; 0 leaves them where they are.",
            "linear",
            (0, 8),
            unit="pixels",
        ),
    ] = 0
