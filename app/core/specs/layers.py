"""The layers that a person can put one after the other.

A row of the window's list is one of the classes here, whose fields are described as all settings
are. What a row is called and what may follow its name is said by its class; how a list of rows is
typed, by `app.core.specs.layer_list`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from app.core.errors import UsageError
from app.core.params import Hyper, Spec, format_number, parse_number
from app.core.specs.layer_words import gathered, one_number, options, whole

__all__ = [
    "LAYERS",
    "Affine",
    "AvgPool",
    "Batchnorm",
    "Conv",
    "Dropout",
    "Elu",
    "GlobalAvgPool",
    "Groupnorm",
    "Layer",
    "Layernorm",
    "LeakyRelu",
    "Pool",
    "Relu",
    "Residual",
    "Size",
    "walk",
]

Size = Annotated[int, Field(ge=1, le=64)]


class Layer(Spec):
    """One row of a network."""

    word: ClassVar[str]
    teaches: ClassVar[str]

    @property
    def text(self) -> str:
        """The row as it is typed."""
        return self.word

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Return the row that the words after its name mean; raises `UsageError`."""
        if words:
            raise UsageError(f"“{cls.word}” takes no “{' '.join(words)}”.")
        return cls.build({})


class Conv(Layer):
    """Filters that slide over a picture."""

    word = "conv"
    teaches = (
        "Filters slide over the picture; each gives a map of where it found what it looks for."
    )

    filters: Annotated[
        int,
        Field(ge=1, le=4096),
        Hyper("F", "Filters", "How many things are looked for.", "log", (1, 256)),
    ] = 32
    height: Annotated[
        Size,
        Hyper("HH", "Height", "How tall a filter is.", "linear", (1, 11), unit="pixels"),
    ] = 3
    width: Annotated[
        Size,
        Hyper("WW", "Width", "How wide a filter is.", "linear", (1, 11), unit="pixels"),
    ] = 3
    stride: Annotated[
        Size,
        Hyper("", "Stride", "How far a filter moves at a time.", "linear", (1, 4), unit="pixels"),
    ] = 1
    pad: Annotated[
        int,
        Field(ge=0, le=64),
        Hyper(
            "",
            "Padding",
            "Zeros around the picture; half a filter keeps its size.",
            "linear",
            (0, 5),
            unit="pixels",
        ),
    ] = 1

    @property
    def text(self) -> str:
        """Such as ``conv 32 7x7 stride 2``; padding is left out where it keeps the size."""
        text = f"conv {self.filters} {self.height}x{self.width}"
        if self.stride != 1:
            text += f" stride {self.stride}"
        if self.pad != _same_pad(self.height, self.width):
            text += f" pad {self.pad}"
        return text

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Read ``FILTERS [HxW] [stride S] [pad P]``."""
        values, rest = options(words, ("stride", "pad"))
        if not rest:
            raise UsageError("“conv” needs a number of filters, such as conv 32 3x3.")
        height = width = 3
        if len(rest) > 1:
            size = re.fullmatch(r"(\d+)(?:[x×](\d+))?", rest[1])
            if size is None or len(rest) > 2:
                raise UsageError(
                    f"“conv {' '.join(words)}” is not like conv 32 3x3 stride 1 pad 1."
                )
            height, width = int(size[1]), int(size[2] or size[1])
        values.setdefault("pad", _same_pad(height, width))
        return cls.build(
            {"filters": whole(rest[0], "conv"), "height": height, "width": width, **values}
        )


class _Pool(Layer):
    size: Annotated[
        Size,
        Hyper(
            "",
            "Window",
            "Pixels in each direction that become one.",
            "linear",
            (2, 5),
            unit="pixels",
        ),
    ] = 2
    stride: Annotated[
        Size,
        Hyper(
            "",
            "Stride",
            "How far the window moves; less than its size lets windows overlap.",
            "linear",
            (1, 5),
            unit="pixels",
        ),
    ] = 2

    @property
    def text(self) -> str:
        """Such as ``pool 3 stride 2``; the stride is left out where windows touch."""
        return f"{self.word} {self.size}" + (
            f" stride {self.stride}" if self.stride != self.size else ""
        )

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Read ``[SIZE] [stride S]``."""
        values, rest = options(words, ("stride",))
        size = whole(rest[0], cls.word) if rest else 2
        if len(rest) > 1:
            raise UsageError(f"“{cls.word} {' '.join(words)}” is not like {cls.word} 2 stride 2.")
        values.setdefault("stride", size)
        return cls.build({"size": size, **values})


class Pool(_Pool):
    """The largest value of each window."""

    word = "pool"
    teaches = "Keeps the largest value of each window: smaller maps that care less about place."


class AvgPool(_Pool):
    """The mean of each window."""

    word = "avg_pool"
    teaches = "Keeps the mean of each window."


class GlobalAvgPool(Layer):
    """The mean of each map."""

    word = "global_avg_pool"
    teaches = "Keeps one number of each map, its mean; spares a large affine layer."


class Affine(Layer):
    """Every output sees every input."""

    word = "affine"
    teaches = "Every unit sees all of its input."

    units: Annotated[
        int,
        Field(ge=1, le=65_536),
        Hyper("M", "Units", "How many numbers come out.", "log", (2, 4096)),
    ] = 500

    @property
    def text(self) -> str:
        """Such as ``affine 500``."""
        return f"affine {self.units}"

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Read ``UNITS``."""
        if len(words) != 1:
            raise UsageError("“affine” needs one number of units, such as affine 500.")
        return cls.build({"units": whole(words[0], "affine")})


class Relu(Layer):
    """max(x, 0)."""

    word = "relu"
    teaches = "max(x, 0): what a filter did not find counts as nothing."


class LeakyRelu(Layer):
    """x, or slope · x below zero."""

    word = "leaky_relu"
    teaches = "Lets a little through below zero, so that no unit is dead for ever."

    slope: Annotated[
        float,
        Field(ge=0, lt=1),
        Hyper("", "Slope below zero", "What is left of negative values.", "linear", (0.0, 0.5)),
    ] = 0.01

    @property
    def text(self) -> str:
        """Such as ``leaky_relu 0.2``."""
        return self.word + ("" if self.slope == 0.01 else f" {format_number(self.slope)}")

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Read ``[SLOPE]``."""
        return cls.build(one_number(cls.word, "slope", words))


class Elu(Layer):
    """x, or α (exp(x) − 1) below zero."""

    word = "elu"
    teaches = "Like ReLU, with a smooth way down to −α."

    alpha: Annotated[
        float,
        Field(gt=0, le=10),
        Hyper("α", "α", "How far down it goes.", "linear", (0.1, 2.0)),
    ] = 1.0

    @property
    def text(self) -> str:
        """Such as ``elu 0.5``."""
        return self.word + ("" if self.alpha == 1 else f" {format_number(self.alpha)}")

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Read ``[ALPHA]``."""
        return cls.build(one_number(cls.word, "alpha", words))


class Batchnorm(Layer):
    """Each channel over the batch."""

    word = "batchnorm"
    teaches = "Each channel gets mean 0 and variance 1 over the batch: larger steps are safe."


class Layernorm(Layer):
    """Each example over all its values."""

    word = "layernorm"
    teaches = "Each example gets mean 0 and variance 1 over its own values."


class Groupnorm(Layer):
    """Groups of channels of each example."""

    word = "groupnorm"
    teaches = "Each group of channels of a picture gets mean 0 and variance 1: no batch is needed."

    groups: Annotated[
        int,
        Field(ge=1, le=4096),
        Hyper("G", "Groups", "How many groups the channels are divided into.", "log", (1, 32)),
    ] = 4

    @property
    def text(self) -> str:
        """Such as ``groupnorm 4``."""
        return f"groupnorm {self.groups}"

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Read ``[GROUPS]``."""
        if len(words) > 1:
            raise UsageError("“groupnorm” needs one number of groups, such as groupnorm 4.")
        return cls.build({"groups": whole(words[0], "groupnorm")} if words else {})


class Dropout(Layer):
    """Values left out at random while training."""

    word = "dropout"
    teaches = "Leaves values out at random while training, so that no unit relies on one other."

    keep: Annotated[
        float | None,
        Field(gt=0, le=1),
        Hyper(
            "p",
            "Kept share",
            "How many values stay; where none is given, the setting dropout says it.",
            "linear",
            (0.1, 1.0),
        ),
    ] = None

    @property
    def text(self) -> str:
        """Such as ``dropout keep 0.8``."""
        return self.word if self.keep is None else f"dropout keep {format_number(self.keep)}"

    @classmethod
    def read(cls, words: Sequence[str]) -> Layer:
        """Read ``[keep SHARE]``."""
        if words and (len(words) != 2 or words[0] != "keep"):
            raise UsageError("“dropout” is dropout alone, or like dropout keep 0.8.")
        return cls.build({"keep": parse_number(words[1])} if words else {})


class Residual(Layer):
    """Some rows whose input is added to their output (He et al. 2016).

    Where the shapes differ, a 1×1 convolution with the stride that it takes brings the input to
    the output's shape.
    """

    word = "residual"
    teaches = "What goes in is added to what comes out: the rows inside only learn the difference."

    rows: tuple[Layer, ...]

    @property
    def text(self) -> str:
        """Such as ``residual(conv 16 3x3, relu, conv 16 3x3)``."""
        return f"residual({gathered([row.text for row in self.rows])})"


LAYERS: dict[str, type[Layer]] = {
    cls.word: cls
    for cls in (
        Conv,
        Relu,
        Pool,
        Affine,
        Batchnorm,
        Dropout,
        GlobalAvgPool,
        AvgPool,
        Residual,
        LeakyRelu,
        Elu,
        Layernorm,
        Groupnorm,
    )
}


def walk(rows: Sequence[Layer]) -> Iterator[Layer]:
    """Yield all rows, those inside of residual blocks after the block itself."""
    for row in rows:
        yield row
        if isinstance(row, Residual):
            yield from walk(row.rows)


def _same_pad(height: int, width: int) -> int:
    """Return the padding that keeps a picture's size, as far as one number can."""
    return (min(height, width) - 1) // 2
