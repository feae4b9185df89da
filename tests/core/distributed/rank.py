"""One of several processes that train the networks of `CASES` together: ``rank.py RANK PORT FOLDER``.

All cases go one after the other through one start, for a start takes seconds.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np

from app.core import events
from app.core.control import Control
from app.core.data.batches import EpochOrder
from app.core.learners.torch_convnet import TorchConvNetLearner
from app.core.training import train
from tests.core.learners_of_images import data, spec

SIZE = 2
PRECISE = {"engine": "torch", "device": "cpu", "precision": "float64"}
AUGMENTED = {"flip": True, "crop": 2}

# Settings of the network, and of the images; 80 images train. A batch is that of all processes.
CASES = {
    # The last batch has 3 images, of which one process takes 1 and the other 2.
    "all at once": (
        {
            "layers": "conv 4 3x3, batchnorm, relu, pool 2, dropout keep 0.5, affine 8, batchnorm, relu",
            "level": "barebones",
            "batch_size": 7,
            "evaluate_every": 5,
        },
        AUGMENTED,
    ),
    "module": (
        {"level": "module", "batch_size": 16, "solver": "momentum", "mirror_looks": True},
        AUGMENTED,
    ),
    "sequential": (
        {
            "layers": "conv 4, batchnorm, relu, residual(conv 6 stride 2, groupnorm 2), avgpool 2, affine 8, relu",
            "level": "sequential",
            "dropout": 0.25,
            "batch_size": 16,
        },
        {},
    ),
    # The last batch has 1 image: a process is left without any.
    "none left": ({"level": "module", "batch_size": 79, "loss": "svm", "solver": "sgd"}, AUGMENTED),
    "lbfgs": ({"solver": "lbfgs", "batch_size": 30, "epochs": 6}, {}),
    "half": (
        {
            "precision": "float32",
            "mixed_precision": "bfloat16",
            "channels_last": True,
            "batch_size": 16,
        },
        {},
    ),
    "diverges": ({"solver": "sgd", "batch_size": 16, "learning_rate": 1e6, "reg": 1.0}, {}),
}
# How far a case may be from one process; numbers of 16 bits are rounded in each share anew.
BOUNDS = {"half": 0.05}


def free_port():
    """Return a port where nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def trained(learner, settings, *, stop_at=None, group=None):
    """Train, and return what happened as arrays; `stop_at` asks the group to stop after a step."""
    control = Control()
    if group is not None:
        group.on_stop = control.stop
    order = EpochOrder(len(learner.data.split.train), settings.seed)
    happened = train(learner, settings, control, examples=order.count, order=order, run_id="r")
    terms, accuracies, evaluations, last = [], [], [], None
    for event in happened:
        last = event
        if isinstance(event, events.Steps):
            terms.extend(event.terms)
            accuracies.extend(event.accuracies)
            if stop_at is not None and event.last_step >= stop_at and group is not None:
                group.ask_to_stop()
        elif isinstance(event, events.Evaluated):
            said = (event.train_accuracy, event.validation_accuracy, event.validation_loss)
            evaluations.append([event.step, *said])
    reason = last.reason if isinstance(last, events.Finished) else f"{last.kind}: {last.message}"
    return {
        "terms": np.array(terms).reshape(-1, 2),
        "accuracies": np.array(accuracies),
        "evaluations": np.array(evaluations),
        "theta": learner.network.theta,
        "running": learner.network.running,
        "reason": np.array(reason),
    }


def made(case, **more):
    """Return the learner and the settings of a case."""
    values, images = CASES[case]
    settings = spec(**{**PRECISE, **values})
    return TorchConvNetLearner(data(**images), settings, threads=1, **more), settings


def main(rank, port, folder):
    """Meet the other, train all cases with it, and leave what came out below `folder`."""
    from app.core.distributed import Group, Place

    def leave(problem):
        raise SystemExit(problem.message)

    place = Place(rank, SIZE, rank, SIZE, "127.0.0.1", port, opens_store=True)
    group = Group.join(place, device="cpu", leave=leave)
    for case in CASES:
        learner, settings = made(case, group=group)
        np.savez(folder / f"{case} {rank}.npz", **trained(learner, settings, group=group))
    # One of them is asked to stop: both do, after the same step.
    learner, settings = made("module", group=group)
    stop_at = 3 if rank == 1 else None
    found = trained(learner, settings, group=group, stop_at=stop_at)
    np.savez(folder / f"stopped {rank}.npz", **found)
    # … also while all look at images, where it is heard before the next of them.
    group._asked_to_stop = False
    agree = group.agree

    def asked_then():
        if rank == 1:
            group.ask_to_stop()
        agree()

    group.agree = asked_then
    learner, settings = made("module", group=group)
    np.savez(folder / f"looking {rank}.npz", **trained(learner, settings, group=group))
    group.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
