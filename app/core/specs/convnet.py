"""The settings of a convolutional network."""

from __future__ import annotations

import functools
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from app.core.params import Hyper
from app.core.specs.layer_list import normal_layers, parse_layers
from app.core.specs.layers import Layer
from app.core.specs.training import SOLVERS, DeviceName, EngineName, TrainingSpec

__all__ = ["ConvNetSpec", "rows_of"]

# L-BFGS, of another kind than the others, stays last.
IMAGE_SOLVERS = {
    **{name: title for name, title in SOLVERS.items() if name != "lbfgs"},
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "lbfgs": SOLVERS["lbfgs"],
}


@functools.lru_cache(maxsize=64)
def rows_of(text: str) -> tuple[Layer, ...]:
    """Return the rows of a list of layers that is known to be one."""
    return parse_layers(text)


class ConvNetSpec(TrainingSpec):
    """A network of layers that learns to name images (exercise, part C).

    loss = 1/N Σ_n data(scores_n, y_n) + reg/2 ΣW².  The defaults are the exercise's three-layer
    network.
    """

    layers: Annotated[
        str,
        AfterValidator(normal_layers),
        Hyper(
            "",
            "Layers",
            "What comes after what; the layer that gives the classes' scores is added where it is missing.",
        ),
    ] = "conv 32 7x7, relu, pool 2, affine 500, relu"
    loss: Annotated[
        Literal["softmax", "svm"],
        Hyper(
            "",
            "Loss",
            "How wrong scores are counted.",
            choices={"softmax": "softmax", "svm": "SVM (hinge)"},
        ),
    ] = "softmax"
    label_smoothing: Annotated[
        float,
        Field(ge=0, lt=1),
        Hyper(
            "ε",
            "Label smoothing",
            "This share of each right answer is spread over all classes, so that no score need grow for ever (softmax only).",
            "linear",
            (0.0, 0.4),
            live=True,
        ),
    ] = 0.0
    reg: Annotated[
        float,
        Field(ge=0, le=1e6),
        Hyper(
            "λ",
            "L2 regularisation",
            "Keeps weights small: reg/2 ΣW² is added to the loss.",
            "log",
            (1e-6, 1.0),
            live=True,
        ),
    ] = 1e-3
    dropout: Annotated[
        float,
        Field(ge=0, lt=1),
        Hyper(
            "",
            "Dropout",
            "This share of values is left out at random, at the dropout rows or, without any, before the scores.",
            "linear",
            (0.0, 0.9),
            live=True,
        ),
    ] = 0.0
    initialisation: Annotated[
        Literal["normal", "he", "uniform"],
        Hyper(
            "",
            "First weights",
            "N(0, s) is the same for all layers; He's keeps the strength of signals from layer to layer.",
            choices={
                "normal": "N(0, s)",
                "he": "He: N(0, √(2 / inputs))",
                "uniform": "PyTorch: ±1/√inputs",
            },
        ),
    ] = "normal"
    weight_scale: Annotated[
        float,
        Field(gt=0, le=1e3),
        Hyper(
            "s",
            "Weight scale",
            "Standard deviation of the first weights, for N(0, s).",
            "log",
            (1e-4, 1.0),
        ),
    ] = 1e-3
    schedule: Annotated[
        Literal["constant", "decay", "step", "cosine", "one_cycle"],
        Hyper(
            "",
            "Schedule",
            "How the learning rate changes on the way; the rate that is set is its largest.",
            choices={
                "constant": "constant",
                "decay": "falls each epoch",
                "step": "falls in steps",
                "cosine": "cosine to zero",
                "one_cycle": "up, then down to zero",
            },
        ),
    ] = "constant"
    rate_decay: Annotated[
        float,
        Field(gt=0, le=1),
        Hyper(
            "",
            "Rate decay",
            "What the rate is multiplied with, each epoch or at each step of the schedule.",
            "log",
            (0.01, 1.0),
        ),
    ] = 0.95
    step_epochs: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper(
            "",
            "Epochs to a step",
            "After so many epochs the stepped schedule falls.",
            "log",
            (1, 100),
        ),
    ] = 10
    warmup: Annotated[
        float,
        Field(ge=0, lt=1),
        Hyper(
            "",
            "Warm-up",
            "Share of all steps in which a cosine or one-cycle schedule rises first.",
            "linear",
            (0.0, 0.5),
        ),
    ] = 0.0
    evaluate_every: Annotated[
        int,
        Field(ge=0, le=1_000_000_000),
        Hyper(
            "",
            "Evaluate every",
            "So many steps lie between two looks at validation images; 0 means an epoch.",
            "linear",
            (0, 1000),
            unit="steps",
        ),
    ] = 0
    mirror_looks: Annotated[
        bool,
        Hyper(
            "",
            "Mirrored looks",
            "An answer is the mean of an image's scores and its mirror image's, for pictures that mean the same when mirrored; training stays as it is.",
        ),
    ] = False
    # Two more than the autoencoder's kernel knows.
    solver: Annotated[
        Literal["sgd", "momentum", "nesterov", "adam", "rmsprop", "adagrad", "lbfgs"],
        Hyper("", "Solver", "How a gradient becomes a step.", choices=IMAGE_SOLVERS),
    ] = "adam"  # type: ignore[assignment]
    learning_rate: Annotated[
        float,
        Field(gt=0, le=1e9),
        Hyper(
            "η",
            "Learning rate",
            "How far one step moves the weights.",
            "log",
            (1e-5, 1.0),
            live=True,
        ),
    ] = 1e-3
    batch_size: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper("B", "Batch", "Images a step looks at.", "log", (1, 1024), unit="images"),
    ] = 50
    epochs: Annotated[
        int,
        Field(ge=1, le=1_000_000),
        Hyper(
            "", "Epochs", "How often every image is seen; for L-BFGS, iterations.", "log", (1, 200)
        ),
    ] = 10
    engine: EngineName = "compiled"
    device: DeviceName = "auto"
    level: Annotated[
        Literal["barebones", "module", "sequential"],
        Hyper(
            "",
            "Level",
            "How the network is written for PyTorch: bare tensors, a class with a forward method, or a list of modules; all give the same.",
            choices={
                "barebones": "bare tensors",
                "module": "nn.Module",
                "sequential": "nn.Sequential",
            },
        ),
    ] = "sequential"
    mixed_precision: Annotated[
        Literal["none", "bfloat16"],
        Hyper(
            "",
            "Mixed precision",
            "PyTorch multiplies in 16 bits, with weights kept in 32: faster where the device has it.",
            choices={"none": "off", "bfloat16": "bfloat16"},
        ),
    ] = "none"
    channels_last: Annotated[
        bool,
        Hyper(
            "",
            "Channels last",
            "PyTorch keeps the channels of a pixel side by side, which its convolutions like better.",
        ),
    ] = False
    compile: Annotated[
        bool,
        Hyper(
            "",
            "torch.compile",
            "PyTorch translates the network into one program first: slow to start, then faster; where it cannot, it goes on without.",
        ),
    ] = False

    @property
    def rows(self) -> tuple[Layer, ...]:
        """The list of layers."""
        return rows_of(self.layers)
