"""``filterscope info``: what is in a file or a folder, what is refused, and why."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from app.cli.options import command, json_flag
from app.core.errors import FilterscopeError, UsageError

if TYPE_CHECKING:
    from app.core.data.images import LabelledImages
    from app.core.data.reader import DatasetReport

__all__ = ["add_info", "run_info"]


def add_info(commands: Any) -> None:
    """Add ``info``."""
    parser = command(
        commands, "info", "Say what is in a file or folder, what is refused, and why", run_info
    )
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE[::dataset]",
        help="patches, or images with labels: CIFAR-10, a folder of classes, synthetic, FILE::x,y",
    )
    parser.add_argument(
        "--download",
        action="store_true",
        help="fetch CIFAR-10 first, where it is not there; it is called cifar10 then",
    )
    parser.add_argument(
        "--layers",
        metavar="LIST",
        help="say what a network makes of such images instead: shapes, weights, multiply-adds; "
        "without FILE, of CIFAR-10's",
    )
    json_flag(parser)


def run_info(options: argparse.Namespace) -> int:
    """``filterscope info FILE``."""
    from app.core.data.files import split_name
    from app.core.data.image_reader import images_kind

    if options.download:
        _download()
    if options.layers is not None:
        return _tell_network(options)
    if options.file is None:
        raise UsageError("Name a file or folder.", "Or a network, with --layers.")
    path, wanted = split_name(options.file)
    # The two names win over files that are called so, as they do wherever images are opened.
    if images_kind(options.file) != "arrays" or (wanted is not None and "," in wanted):
        _tell_images(_open(options.file), options.json)
        return 0
    return _tell_arrays(path, wanted, options.json)


def _tell_network(options: argparse.Namespace) -> int:
    """Tell what each layer makes of an image."""
    from app.core.data.cifar import CIFAR10_CLASSES, SHAPE
    from app.core.nn.description import describe_network
    from app.core.nn.summary import summary_facts, summary_text
    from app.core.specs.layer_list import parse_layers

    rows = parse_layers(options.layers)
    shape, classes = SHAPE, len(CIFAR10_CLASSES)
    if options.file is not None:
        images = _open(options.file)
        shape, classes = images.shape, len(images.classes)
    description = describe_network(rows, shape, classes).checked()
    print(json.dumps(summary_facts(description)) if options.json else summary_text(description))
    return 0


def _download() -> None:
    """Fetch CIFAR-10, and say on standard error how far that is."""
    from app.cli.progress import Progress
    from app.core.data.download import download_cifar10

    shown = Progress()
    try:
        download_cifar10(progress=shown.share)
    finally:
        shown.end()


def _open(name: Any) -> LabelledImages:
    """Open images with labels, and say on standard error how far that is."""
    from app.cli.progress import Progress
    from app.core.data.image_reader import open_images

    shown = Progress()
    try:
        return open_images(name, progress=shown.share)
    finally:
        shown.end()


def _tell_arrays(path: Any, wanted: str | None, as_json: bool) -> int:
    """Tell of each array of a file, and of the images with labels that two of them are."""
    from app.core.data.reader import inspect

    report = inspect(path)
    found = [
        dataset
        for dataset in report.datasets
        if wanted is None or dataset.path.strip("/") == wanted.strip("/")
    ]
    if wanted is not None and not found:
        raise UsageError(f"{path.name} has no data set {wanted}.")
    images, problem = _images_of(path) if wanted is None else (None, "")
    if as_json:
        told: dict[str, Any] = {
            "path": report.path,
            "size": report.size,
            "datasets": [_row(dataset) for dataset in found],
        }
        if images is not None:
            told["images"] = _facts(images)
        elif problem:
            told["images_refused"] = problem
        print(json.dumps(told))
        return 0
    print(f"{report.path}   {report.size:,} bytes")
    for dataset in found:
        print(f"  {_line(dataset)}")
    if problem:
        print(f"  images with labels: {problem}")
    elif images is not None:
        print()
        _tell_images(images, as_json)
    return 0


def _images_of(path: Any) -> tuple[LabelledImages | None, str]:
    """Return the images with labels that a file of arrays has, or why they cannot be read."""
    from app.core.data.pairs import find_pairs

    try:
        return (_open(path), "") if find_pairs(path) else (None, "")
    except FilterscopeError as error:
        return None, str(error)


def _row(dataset: DatasetReport) -> dict[str, Any]:
    return {
        "path": dataset.path,
        "shape": list(dataset.shape),
        "dtype": dataset.dtype,
        "layout": dataset.layout,
        "layouts": list(dataset.layouts),
        "value_range": dataset.value_range,
        "span": dataset.span,
        "refused": dataset.refused,
    }


def _line(dataset: DatasetReport) -> str:
    shape = " × ".join(map(str, dataset.shape))
    start = f"{dataset.path}   {shape}  {dataset.dtype}   "
    if dataset.refused is not None:
        return f"{start}refused: {dataset.refused}"
    others = [name for name in dataset.layouts if name != dataset.layout]
    also = f" (or {', '.join(others)})" if others else ""
    black, white = map(float, dataset.value_range.split(".."))
    low, high = dataset.span or (black, white)
    said = f"{start}{dataset.layout}{also}, sampled values {low:.4g} … {high:.4g}"
    if low < black or high > white:
        # No rule says what is black and white here: the guess would be taken for a fact.
        return f"{said}: no pixels of 0 … 1 or 0 … 255"
    return f"{said}, read as {black:g} … {white:g}"


def _facts(images: LabelledImages) -> dict[str, Any]:
    from app.core.specs import ImageSpec

    split = images.split(ImageSpec())
    counts = images.counts()
    return {
        "path": images.source.path,
        "what": images.source.dataset,
        "count": images.count,
        "shape": list(images.shape),
        "dtype": images.x.dtype.name,
        "classes": {name: int(n) for name, n in zip(images.classes, counts, strict=True)},
        "split": {
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
        },
        "notes": list(images.notes),
        "sha256": images.source.sha256,
    }


def _tell_images(images: LabelledImages, as_json: bool) -> None:
    facts = _facts(images)
    if as_json:
        print(json.dumps({"path": facts["path"], "images": facts}))
        return
    from app.core.specs import ImageSpec

    print("   ".join(text for text in (facts["path"], facts["what"]) if text))
    channels, height, width = images.shape
    print(f"  {images.count:,} images, {channels} × {height} × {width}, {facts['dtype']}")
    print(f"  {images.split(ImageSpec()).sentence}")
    longest = max(map(len, images.classes))
    for name, count in facts["classes"].items():
        print(f"  {name:{longest}}  {count:7,}")
    for note in images.notes:
        print(f"  {note[:1].upper()}{note[1:]}.")
