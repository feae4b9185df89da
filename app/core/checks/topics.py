"""What the workbench lists: layers by what they do, each with its code and its checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.checks import CHECKS
from app.core.checks.outcomes import Outcome

__all__ = ["TOPICS", "Summary", "Topic", "summary", "topic_of"]


@dataclass(frozen=True)
class Topic:
    """One row of the list.

    Attributes
    ----------
    key, title, teaches : str
    layers : tuple of str
        Layers it is about: names in `app.core.kernels.reference` without ``_forward`` and
        ``_backward``; a loss has neither.
    groups : tuple of str
        Groups of checks that belong here whatever their code.
    code : tuple of str
        What else there is to read: dotted names.
    """

    key: str
    title: str
    teaches: str
    layers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    code: tuple[str, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """Names of its checks, in their order."""
        return tuple(name for name in CHECKS if topic_of(name) is self)


TOPICS: tuple[Topic, ...] = (
    Topic(
        "conv",
        "Convolution",
        "Filters slide over pictures; each output is a sum of products under its window.",
        ("conv",),
    ),
    Topic(
        "max_pool",
        "Max pool",
        "Keeps the largest value of each window; only that one gets the slope.",
        ("max_pool",),
    ),
    Topic(
        "avg_pool",
        "Average pool",
        "Keeps the mean of each window, or of the whole map; all values share the slope.",
        ("avg_pool", "global_avg_pool"),
    ),
    Topic("affine", "Affine layer", "Every output sees every input: x W + b.", ("affine",)),
    Topic(
        "activations",
        "Activations",
        "ReLU, leaky ReLU and ELU bend each value by itself; their kinks fool central differences.",
        ("relu", "leaky_relu", "elu"),
    ),
    Topic(
        "dropout",
        "Dropout",
        "Forgets values at random in training, so that none can be relied on alone.",
        ("dropout",),
    ),
    Topic(
        "batchnorm",
        "Batchnorm",
        "Each feature gets mean 0 and variance 1 over the batch, then its own γ and β.",
        ("batchnorm",),
    ),
    Topic(
        "layernorm",
        "Layernorm",
        "Each example is normalized over its own features; batches do not matter.",
        ("layernorm",),
    ),
    Topic(
        "spatial_batchnorm",
        "Spatial batchnorm",
        "Each channel is normalized over the batch and all pixels.",
        ("spatial_batchnorm",),
    ),
    Topic(
        "spatial_groupnorm",
        "Spatial groupnorm",
        "Groups of channels of one picture are normalized together.",
        ("spatial_groupnorm",),
    ),
    Topic(
        "sandwiches",
        "Sandwiches",
        "Layers that are often used one after the other, as one.",
        ("conv_relu_pool", "conv_relu", "conv_norm_relu_pool", "affine_relu"),
        groups=("Sandwiches",),
    ),
    Topic(
        "losses",
        "Losses",
        "Softmax and SVM say how wrong the scores are, L2 how large the weights.",
        ("softmax_loss", "svm_loss", "l2_loss"),
    ),
    Topic(
        "convnet",
        "Three-layer ConvNet",
        "Convolution, ReLU, pool, affine, ReLU, affine, softmax: the network of the exercise.",
        groups=("Three-layer network",),
        code=("app.core.nn.network.Network.loss", "app.core.nn.network.Network.scores"),
    ),
    Topic(
        "five_ways",
        "Five ways",
        "One network as loops, compiled, and in PyTorch as tensors, a module and a list: all equal.",
        groups=("Five ways",),
        code=(
            "app.core.nn.network.Network.loss",
            "app.core.torch_models.barebones.Barebones",
            "app.core.torch_models.module.ConvNet",
            "app.core.torch_models.sequential.sequential",
        ),
    ),
    Topic(
        "network",
        "Your network",
        "The layers that are listed in the CNN lab, on the ladder that every sound network climbs.",
        code=("app.core.nn.network.Network.loss", "app.core.checks.ladder.climb"),
    ),
    Topic(
        "pictures",
        "Image processing",
        "A filter written by hand turns a photograph grey, blurs it or finds its edges.",
        groups=("Pictures",),
    ),
)


def topic_of(name: str) -> Topic:
    """Return the topic that a check belongs to: by its group, else by the first of its code."""
    check = CHECKS[name]
    for topic in TOPICS:
        if check.group in topic.groups:
            return topic
    first = check.code[0] if check.code else ""
    stem = first.removesuffix("_forward").removesuffix("_backward")
    for topic in TOPICS:
        if stem in topic.layers:
            return topic
    raise KeyError(f"no topic has the check {name}")


@dataclass(frozen=True)
class Summary:
    """How many checks hold, fail, cannot be made here, and were not made yet.

    Attributes
    ----------
    holds, fails, unknown : int
    missing : tuple of str
        For each check that cannot be made here what it needs; may be empty.
    """

    holds: int
    fails: int
    unknown: int
    missing: tuple[str, ...] = ()

    @property
    def made(self) -> int:
        """How many were decided."""
        return self.holds + self.fails

    def sentence(self) -> str:
        """Say it in a few words."""
        if not self.made + len(self.missing):
            return f"{self.unknown} checks"
        said = [f"{self.holds} of {self.made} hold"] if self.made else []
        if self.fails:
            said.append(f"{self.fails} {'fails' if self.fails == 1 else 'fail'}")
        if self.unknown:
            said.append(f"{self.unknown} not made yet")
        for needs, count in Counter(self.missing).items():
            verb = "needs" if count == 1 else "need"
            said.append(f"{count} {verb} {needs}" if needs else f"{count} cannot be made here")
        return ", ".join(said)


def summary(outcomes: Sequence[Outcome], unknown: int) -> Summary:
    """Count what came of checks; `unknown` of them were not made yet."""
    return Summary(
        sum(one.passed is True for one in outcomes),
        sum(one.passed is False for one in outcomes),
        unknown,
        tuple(one.needs for one in outcomes if one.passed is None),
    )
