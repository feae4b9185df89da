"""``filterscope range``: which learning rates help, tried on a copy before a training."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app.cli.options import command
from app.cli.progress import Progress
from app.cli.train import open_data, read_settings
from app.cli.train_cnn import CNN_DATA, read_cnn_settings
from app.cli.training import setting_options
from app.core.presets import CNN_PRESETS, PRESETS

if TYPE_CHECKING:
    from app.core.range_test import RangeBand, RangeTest

__all__ = ["add_range"]

SHOWN = 20


def add_range(commands: Any) -> None:
    """Add ``range autoencoder`` and ``range cnn``."""
    text = "Try learning rates from small to large, and suggest some"
    kinds = commands.add_parser("range", help=text, description=text).add_subparsers(
        metavar="NETWORK", required=True
    )
    choices: tuple[tuple[str, Callable[[Any], int], str, Any], ...] = (
        ("autoencoder", _run_autoencoder, "a file of patches; the sample by default", PRESETS),
        ("cnn", _run_cnn, CNN_DATA, CNN_PRESETS),
    )
    for name, run, data, presets in choices:
        parser = command(kinds, name, text, run)
        parser.add_argument("data", nargs="?", metavar="DATA", help=data)
        setting_options(parser, list(presets))


def _run_autoencoder(options: argparse.Namespace) -> int:
    from app.core import threads as threading_
    from app.core.data.batches import EpochOrder
    from app.core.data.preprocess import preprocess as fit
    from app.core.learners import make_autoencoder_learner
    from app.core.range_test import RangeTest

    spec, preprocess = read_settings(options)
    options.layout = options.value_range = None
    screen = Progress()
    part, _ = fit(open_data(options, screen), preprocess).split(spec.held_out)
    threads = options.threads or threading_.kernel_threads(window=False)
    test = RangeTest(
        lambda spec: make_autoencoder_learner(
            part.x, spec, threads=threads, release=part.release_pages
        ),
        spec,
        EpochOrder(len(part.x), spec.seed, large=part.large),
    )
    return _tell(test, screen, options.json)


def _run_cnn(options: argparse.Namespace) -> int:
    from app.core import threads as threading_
    from app.core.data.batches import EpochOrder
    from app.core.data.image_preprocess import fit_images
    from app.core.data.image_reader import open_images
    from app.core.data.synthetic import SYNTHETIC_NAME
    from app.core.learners import make_convnet_learner
    from app.core.range_test import RangeTest

    spec, image_spec = read_cnn_settings(options)
    screen = Progress("images")
    images = open_images(options.data or SYNTHETIC_NAME, progress=screen.share)
    data = fit_images(images, image_spec)
    threads = options.threads or threading_.kernel_threads(window=False)
    test = RangeTest(
        lambda spec: make_convnet_learner(data, spec, threads=threads),
        spec,
        EpochOrder(len(data.split.train), spec.seed),
    )
    return _tell(test, screen, options.json)


def _tell(test: RangeTest, screen: Progress, as_json: bool) -> int:
    """Run a test, and print what it saw and suggests."""
    try:
        band = test.run(screen.share)
    finally:
        screen.end()
    if as_json:
        print(json.dumps(_facts(test, band)))
        return 0
    every = max(1, len(test.seen) // SHOWN)
    print(f"{'rate':>10}  smoothed loss")
    for point in test.seen[::every]:
        print(f"{point.rate:10.2g}  {point.smoothed:.5g}")
    none = "No rate made the loss fall clearly: the network may have learned what it can."
    print(none if band is None else f"The {band.sentence}.")
    return 0


def _facts(test: RangeTest, band: RangeBand | None) -> dict[str, Any]:
    return {
        "low": None if band is None else band.low,
        "high": None if band is None else band.high,
        "rates": [point.rate for point in test.seen],
        "losses": [point.loss for point in test.seen],
        "smoothed": [point.smoothed for point in test.seen],
    }
