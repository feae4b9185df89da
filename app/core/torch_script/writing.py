"""The run of a convolutional network written as a script: settings, layers, where its images are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.core.data.cifar import CIFAR10
from app.core.data.files import Limits
from app.core.data.image_preprocess import CIFAR10_MEAN, CIFAR10_STD
from app.core.data.pairs import find_pairs, named_pair
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.errors import UsageError
from app.core.history import History
from app.core.network_code import written_rows
from app.core.nn.description import describe_network
from app.core.nn.plan import Row
from app.core.params import describe
from app.core.runs import RunInfo
from app.core.runs.info import SourceInfo
from app.core.specs import layers
from app.core.torch_script.images import IMAGES
from app.core.torch_script.network import NETWORK
from app.core.torch_script.training import TRAINING

__all__ = ["torch_script"]

# Settings of how this program computes: the script is PyTorch, one list of modules.
LEFT_OUT = ("layers", "engine", "level", "compile")


def torch_script(info: RunInfo, history: History) -> str:
    """Return a script that trains the same network on the same images, in the same order.

    It needs torch and NumPy, whose generators draw weights, order, flips, crops and masks as here
    (and h5py for an HDF5 file, Pillow for a folder of classes). It moves live values where they
    were moved and ends where the run ended. Of a run on PyTorch's modules it takes the very steps,
    each sum in the same order: on the same machine loss, weights and accuracy are the same to the
    last bit. Of a run of another engine the curve is the same within rounding.

    Raises
    ------
    UsageError
        The run used L-BFGS, drawn images, an own model or weights from a file, or goes on from
        another run: there is no short script for these.
    """
    info.needs_no_file()
    (spec, images), source = info.convnet, info.source
    if spec.solver == "lbfgs":
        raise UsageError(
            "There is no script for L-BFGS runs.", "Export one of a first-order solver."
        )
    if len(history) and history.steps[0] != 1:
        raise UsageError("There is no script for a run that goes on from another.")
    description = describe_network(spec.rows, source.shape, len(info.classes)).checked()
    values: dict[str, Any] = {
        name: value for name, value in spec.model_dump().items() if name not in LEFT_OUT
    }
    values.update(images.model_dump())
    values.update(
        path=source.path,
        arrays=_arrays(source),
        folder=_is_class_folder(source),
        side=int(source.dataset) if source.dataset.isdecimal() else 0,
        image_count=source.count,
        binary=source.dataset.endswith("binary"),
        image_shape=source.shape,
        threads=info.threads,
        top=255.0 if source.value_range == "0..255" else 1.0,
        # A run that was ended early, or changed under way, is repeated like that.
        steps=len(history) or info.steps_per_epoch * spec.epochs,
    )
    live = {parameter.name for parameter in describe(type(spec)) if parameter.hyper.live}
    values["changes"] = [
        (step, change.name, change.new) for step, change in history.changes if change.name in live
    ]
    values["cifar10_mean"], values["cifar10_std"] = CIFAR10_MEAN, CIFAR10_STD
    settings = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    shares = [
        spec.dropout,
        *(float(new) for _, name, new in values["changes"] if name == "dropout"),
    ]
    modules = "\n".join(_lines(written_rows(description, max(shares)), 4))
    beginning = NETWORK.replace("    # NETWORK", modules).replace("# SETTINGS", settings)
    return beginning + IMAGES + TRAINING


def _arrays(source: SourceInfo) -> list[tuple[str, str, str, str]]:
    """Return part, images, labels and layout of each pair in a file; none for folders, CIFAR-10."""
    if source.dataset.startswith(CIFAR10) or _is_class_folder(source):
        return []
    if source.path == SYNTHETIC_NAME:
        raise UsageError(
            "There is no script for the images that the program draws.",
            "Train on CIFAR-10 or on a file of your own.",
        )
    path = Path(source.path)
    limits = Limits()
    pairs = (
        (named_pair(path, source.dataset, limits),) if source.dataset else find_pairs(path, limits)
    )
    return [(pair.part, pair.images, pair.labels, pair.layout) for pair in pairs]


def _is_class_folder(source: SourceInfo) -> bool:
    """Return whether the images lie in a folder with a folder for each class."""
    return not source.dataset.startswith(CIFAR10) and Path(source.path).is_dir()


def _lines(rows: Sequence[Row], indent: int) -> Iterator[str]:
    """Yield a line of Python for each module of `nn.Sequential`."""
    space = " " * indent
    for row in rows:
        if not isinstance(row.layer, layers.Residual):
            for module in _modules(row):
                yield f"{space}{module},"
            continue
        past = "nn.Identity()"
        if row.names:
            channels, filters = row.in_shape[0], row.out_shape[0]
            past = f"nn.Conv2d({channels}, {filters}, 1, {row.shortcut_stride})"
        yield f"{space}Residual(nn.Sequential("
        yield from _lines(row.inside, indent + 4)
        yield f"{space}), {past}),"


def _modules(row: Row) -> Iterator[str]:
    """Yield how PyTorch calls a row; see the list of `app.core.network_code.sequential`."""
    layer, channels = row.layer, row.in_shape[0]
    size = 1
    for side in row.in_shape:
        size *= side
    match layer:
        case layers.Conv(filters=filters, height=height, width=width, stride=stride, pad=pad):
            yield f"nn.Conv2d({channels}, {filters}, ({height}, {width}), {stride}, {pad})"
        case layers.Affine(units=units):
            if row.picture:
                yield "nn.Flatten()"
            yield f"nn.Linear({size}, {units})"
        case layers.Relu():
            yield "nn.ReLU()"
        case layers.LeakyRelu(slope=slope):
            yield f"nn.LeakyReLU({slope})"
        case layers.Elu(alpha=alpha):
            yield f"nn.ELU({alpha})"
        case layers.Pool(size=window, stride=stride):
            yield f"nn.MaxPool2d({window}, {stride})"
        case layers.AvgPool(size=window, stride=stride):
            yield f"nn.AvgPool2d({window}, {stride})"
        case layers.GlobalAvgPool():
            yield "GlobalAvgPool()"
            yield "nn.Flatten()"
        case layers.Dropout(keep=keep):
            yield f"Dropout({keep})"
        case layers.Batchnorm():
            yield f"Batchnorm({channels})"
        case layers.Groupnorm(groups=groups):
            yield f"nn.GroupNorm({groups}, {channels})"
        case layers.Layernorm():
            yield f"nn.GroupNorm(1, {channels})"
        case _:
            raise TypeError(f"{layer.text} cannot be written")
