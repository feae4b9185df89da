"""``filterscope train cnn``: train a convolutional network on labelled images."""

from __future__ import annotations

import argparse
import uuid
from contextlib import ExitStack
from typing import Any

from app.cli.options import command, read_assignments, settings_help
from app.cli.processes import Processes, sharing, what_counts
from app.cli.progress import Progress
from app.cli.training import (
    assignments_of,
    check_options,
    conclude,
    read_model,
    read_weights,
    run_options,
    train_and_record,
    trust_option,
)
from app.core.errors import UsageError
from app.core.presets import CNN_PRESETS
from app.core.specs import ConvNetSpec, ImageSpec

__all__ = [
    "CNN_DATA",
    "RESULTS",
    "add_accuracies",
    "add_train_cnn",
    "read_cnn_settings",
    "run_train_cnn",
]

RESULTS = (
    "loss",
    "data",
    "l2",
    "train_accuracy",
    "val_accuracy",
    "best_val_accuracy",
    "test_accuracy",
)


CNN_DATA = (
    "CIFAR-10 (a folder or archive, or the word cifar10 for what was downloaded), a folder "
    "with a folder of images for each class, or FILE::images,labels; drawn images by default"
)


def add_train_cnn(kinds: Any) -> None:
    """Add ``train cnn``."""
    parser = command(
        kinds,
        "cnn",
        "Train a convolutional network on labelled images",
        run_train_cnn,
        epilog=settings_help((ConvNetSpec, ImageSpec), CNN_PRESETS),
    )
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help=CNN_DATA,
    )
    run_options(parser, list(CNN_PRESETS))
    parser.set_defaults(shares=True)
    parser.add_argument("--device", metavar="D", help="the same as --set device=D")
    parser.add_argument(
        "--model",
        metavar="FILE.py[:NAME]",
        help="train the torch.nn.Module of this file, in a process of its own, instead of layers",
    )
    trust_option(parser)
    parser.add_argument(
        "--test",
        action="store_true",
        help="at the end, look once at the test images with the model that validation chose",
    )


def read_cnn_settings(options: argparse.Namespace) -> tuple[ConvNetSpec, ImageSpec]:
    """Return the settings that the command line asks for."""
    preset = CNN_PRESETS[options.preset] if options.preset else None
    spec = preset.spec if preset else ConvNetSpec()
    images = preset.images if preset else ImageSpec()
    values = read_assignments(assignments_of(options), (ConvNetSpec, ImageSpec))
    return spec.changed(**values[ConvNetSpec]), images.changed(**values[ImageSpec])


def run_train_cnn(options: argparse.Namespace) -> int:
    """``filterscope train cnn``."""
    with sharing() as processes, ExitStack() as afterwards:
        return _train(options, processes, afterwards)


def _train(options: argparse.Namespace, processes: Processes, afterwards: ExitStack) -> int:
    from app.core.data.batches import EpochOrder
    from app.core.data.image_preprocess import fit_images
    from app.core.data.image_reader import open_images
    from app.core.data.synthetic import SYNTHETIC_NAME
    from app.core.learners import make_convnet_learner
    from app.core.learners.own_model import OwnModelLearner, let_go
    from app.core.nn.description import complete_layers
    from app.core.runs import RunFolder
    from app.core.settings import data_folder
    from app.core.weights_import import begin_with, weights_info

    spec, image_spec = read_cnn_settings(options)
    model = read_model(options)
    if model is not None and processes.place is not None:
        raise UsageError("An own model trains in one process.", "Leave torchrun out.")
    group = processes.join(spec.engine, spec.device)
    if processes.first:
        check_options(options)
    weights = read_weights(options)
    if group is not None:
        # The setting is that of one process. The run is what a single one with the whole batch
        # would make, and says so.
        spec = spec.changed(batch_size=spec.batch_size * group.size)
    screen = Progress("images", silent=not processes.first)
    images = open_images(options.data or SYNTHETIC_NAME, progress=screen.share)
    # What cannot be built is said before a folder is made.
    if model is None:
        complete_layers(spec.rows, images.shape, len(images.classes))
    data = fit_images(images, image_spec)
    screen.end()
    if options.test and not len(data.split.test):
        raise UsageError("There are no test images.", "Leave --test out, or train on fewer images.")
    threads = processes.threads(options.threads)
    learner: Any
    if model is not None:
        learner = OwnModelLearner(data, spec, model, threads=threads)
    else:
        learner = make_convnet_learner(data, spec, threads=threads, group=group)
    afterwards.callback(let_go, learner)
    if weights is not None:
        begin_with(learner, weights)
    if group is not None:
        group.check_same(what_counts(spec, data, learner))
    order = EpochOrder(len(data.split.train), spec.seed)
    if not processes.first:
        result = train_and_record(None, learner, spec, order, screen, group=group)
        return 130 if result.get("reason") == "stopped" else 0
    run = RunFolder.create(
        data_folder(),
        kind="cnn",
        run_id=uuid.uuid4().hex,
        spec=spec,
        preprocess=image_spec,
        source=images.source,
        classes=images.classes,
        threads=threads,
        path=options.out,
        weights=weights_info(weights),
        model=learner.info if model is not None else None,
    )
    if group is not None:
        run.write_info(run.info.changed(processes=group.size, hosts=group.hosts))
    result = train_and_record(run, learner, spec, order, screen, group=group)
    add_accuracies(result, learner)
    best = learner.best
    # Who interrupted it will train on: the test images are kept for then.
    if options.test and "failed" not in result and result.get("reason") != "stopped":
        found = learner.score("test", progress=screen.share)
        screen.end()
        step = learner.taken if best is None else best.step
        run.mark_tested(step, found.accuracy, found.loss)
        result["test_accuracy"] = found.accuracy
    return conclude(result, options.json, RESULTS)


def add_accuracies(result: dict[str, Any], learner: Any) -> None:
    """Note in `result` how well the network names images."""
    evaluation, best = learner.last_evaluation, learner.best
    result["train_accuracy"] = None if evaluation is None else evaluation.train_accuracy
    result["val_accuracy"] = None if evaluation is None else evaluation.validation_accuracy
    result["best_val_accuracy"] = None if best is None else best.accuracy
    result["loss"] = result.pop("cost", None)
