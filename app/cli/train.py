"""``filterscope train``: train a network and keep the run."""

from __future__ import annotations

import argparse
import os
import uuid
from typing import Any

from app.cli.options import command, read_assignments, settings_help
from app.cli.progress import Progress
from app.cli.train_cnn import add_train_cnn
from app.cli.training import (
    assignments_of,
    check_options,
    conclude,
    read_weights,
    run_options,
    train_and_record,
)
from app.core.errors import UsageError
from app.core.presets import PRESETS
from app.core.specs import AutoencoderSpec, PreprocessSpec

__all__ = ["add_train", "read_settings", "run_train"]


def add_train(commands: Any) -> None:
    """Add ``train autoencoder`` and ``train cnn``."""
    train = commands.add_parser("train", help="Train a network and keep the run")
    kinds = train.add_subparsers(metavar="NETWORK", required=True)
    parser = command(
        kinds,
        "autoencoder",
        "Train a sparse autoencoder",
        run_train,
        epilog=settings_help((AutoencoderSpec, PreprocessSpec), PRESETS),
    )
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help="a file of patches, FILE::dataset, or a folder of photographs; the sample by default",
    )
    run_options(parser, list(PRESETS))
    parser.add_argument(
        "--layout", help="what the axes mean, such as NCHW, where the guess is wrong"
    )
    parser.add_argument(
        "--value-range", choices=["0..1", "0..255"], help="which values are black and white"
    )
    add_train_cnn(kinds)


def read_settings(options: argparse.Namespace) -> tuple[AutoencoderSpec, PreprocessSpec]:
    """Return the settings that the command line asks for."""
    preset = PRESETS[options.preset] if options.preset else None
    spec = preset.spec if preset else AutoencoderSpec()
    preprocess = preset.preprocess if preset else PreprocessSpec()
    values = read_assignments(assignments_of(options), (AutoencoderSpec, PreprocessSpec))
    return (
        spec.changed(**values[AutoencoderSpec]),
        preprocess.changed(**values[PreprocessSpec]),
    )


def run_train(options: argparse.Namespace) -> int:
    """``filterscope train autoencoder``."""
    from app.core import threads as threading_
    from app.core.data.batches import EpochOrder
    from app.core.data.preprocess import preprocess as fit
    from app.core.learners import make_autoencoder_learner
    from app.core.runs import RunFolder
    from app.core.settings import data_folder
    from app.core.weights_import import begin_with, weights_info

    spec, preprocess = read_settings(options)
    check_options(options)
    weights = read_weights(options)
    screen = Progress()
    raw = open_data(options, screen)
    patches = fit(raw, preprocess, progress=screen.share)
    screen.end()
    if spec.decoder == "sigmoid" and not patches.fits_sigmoid:
        low, high = patches.value_range
        raise UsageError(
            "A sigmoid decoder cannot reach values outside 0 … 1, and these lie in "
            f"{low:.3g} … {high:.3g}.",
            "Set decoder=linear, or rescale=yes.",
        )
    if spec.held_out >= len(patches.x):
        raise UsageError(f"All {len(patches.x)} patches are held out; none is left to train on.")
    part, _ = patches.split(spec.held_out)
    threads = options.threads or threading_.kernel_threads(window=False)
    learner = make_autoencoder_learner(part.x, spec, threads=threads, release=part.release_pages)
    if weights is not None:
        begin_with(learner, weights)
    run_id = uuid.uuid4().hex
    run = RunFolder.create(
        data_folder(),
        kind="autoencoder",
        run_id=run_id,
        spec=spec,
        preprocess=patches.fitted.spec,
        source=patches.source,
        threads=threads,
        large=part.large,
        path=options.out,
        weights=weights_info(weights),
    )
    order = EpochOrder(len(part.x), spec.seed, large=part.large)
    result = train_and_record(run, learner, spec, order, screen)
    return conclude(result, options.json, ("cost", *learner.term_names))


def open_data(options: argparse.Namespace, screen: Progress) -> Any:
    """Open what DATA names."""
    from app.core.data.cutting import cut_patches
    from app.core.data.reader import open_patches
    from app.core.data.sample import sample_path

    data = options.data or str(sample_path())
    if os.path.isdir(data):  # noqa: PTH112 - a name that is too long is no folder, and no error
        return cut_patches(data, progress=screen.share)
    return open_patches(
        data, layout=options.layout, value_range=options.value_range, progress=screen.share
    )
