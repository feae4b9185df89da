"""What ``run.json`` says of a run."""

from __future__ import annotations

import datetime
import platform
import subprocess
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import psutil
from pydantic import Field

from app import __version__
from app.core.errors import UsageError
from app.core.params import Spec
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec
from app.core.specs.kinds import Kind, OwnPreprocess, OwnSpec

__all__ = [
    "BestInfo",
    "ModelInfo",
    "Outcome",
    "ParentInfo",
    "RunInfo",
    "SourceInfo",
    "TestScore",
    "WeightsInfo",
    "when_in_words",
]

TERM_NAMES: dict[str, tuple[str, ...]] = {
    "autoencoder": ("reconstruction", "decay", "sparsity"),
    "cnn": ("data", "l2"),
}

Count = Annotated[int, Field(ge=0, lt=1 << 53)]
Side = Annotated[int, Field(ge=1, lt=1 << 20)]
# A value of a setting, of whatever kind.
Setting = bool | int | float | str


class SourceInfo(Spec):
    """`Source`, as a file says it."""

    path: str
    dataset: str
    layout: str
    value_range: str
    count: Count
    shape: tuple[Side, Side, Side]
    dtype: str
    sha256: str


class WeightsInfo(Spec):
    """The file that the first weights came from."""

    path: str
    sha256: str


class ModelInfo(Spec):
    """The person's program that is the run's network.

    `parameters` and `averages` are what it learns and what it measures, names and shapes in the
    order of their vectors; `filters` is the name of its first layer's weights, if they are
    pictures. They are known once the program has run.
    """

    path: str
    name: str
    sha256: str
    # What was asked for by name; empty where the file has but one network.
    wanted: str = ""
    parameters: tuple[tuple[str, tuple[Side, ...]], ...] = ()
    averages: tuple[tuple[str, tuple[Side, ...]], ...] = ()
    filters: str = ""


class Outcome(Spec):
    """How a run ended."""

    reason: str
    step: int
    epoch: float
    terms: tuple[float, ...] | None
    seconds: float
    message: str = ""
    # Least mean of an epoch, and the last validation: the table of runs shows them.
    least_cost: float | None = None
    accuracy: float | None = None


class BestInfo(Spec):
    """The model that validation chose so far; its weights are in ``best.safetensors``."""

    step: Count
    accuracy: float
    loss: float


class TestScore(Spec):
    """One look at the test images, on the model that validation chose; the first one counts."""

    step: Count
    accuracy: float
    loss: float
    when: str


class ParentInfo(Spec):
    """The moment of another run from which a run went on, and the settings that were changed.

    `name` is its folder's, beside the run's own; `step` and `epoch` are where it went on.
    """

    run_id: str
    name: str
    step: Count
    epoch: Annotated[float, Field(ge=0)]
    changes: tuple[tuple[str, Setting, Setting], ...] = ()


class RunInfo(Spec):
    """What ``run.json`` holds."""

    version: Literal[1] = 1
    kind: Kind = "autoencoder"
    run_id: str
    spec: OwnSpec
    preprocess: OwnPreprocess
    source: SourceInfo
    classes: tuple[str, ...] = ()
    started: str
    ended: str | None = None
    outcome: Outcome | None = None
    engine: str = ""
    threads: Count = 1
    # So many shared its batches, by torchrun; the settings say the batch of all together.
    processes: Count = 1
    hosts: Count = 1
    # Rows were visited piece by piece; whether they are may depend on the memory there is.
    large: bool = False
    steps_per_epoch: Count = 1
    # Steps that its first weights had been trained when it began, in a run before it.
    began: Count = 0
    versions: dict[str, str] = Field(default_factory=dict)
    git: str = ""
    pid: Annotated[int, Field(ge=0, lt=1 << 31)] = 0
    pid_started: float = 0.0
    best: BestInfo | None = None
    tested: tuple[TestScore, ...] = ()
    # The study it is a member of, by its id.
    study: str = ""
    weights: WeightsInfo | None = None
    model: ModelInfo | None = None
    parent: ParentInfo | None = None

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms of its cost."""
        return TERM_NAMES[self.kind]

    @property
    def autoencoder(self) -> tuple[AutoencoderSpec, PreprocessSpec]:
        """Its settings, of an autoencoder; raises `UsageError` for another network."""
        if not isinstance(self.spec, AutoencoderSpec) or not isinstance(
            self.preprocess, PreprocessSpec
        ):
            raise UsageError("This run is of a convolutional network.")
        return self.spec, self.preprocess

    @property
    def convnet(self) -> tuple[ConvNetSpec, ImageSpec]:
        """Its settings, of a convolutional network; raises `UsageError` for another."""
        if not isinstance(self.spec, ConvNetSpec) or not isinstance(self.preprocess, ImageSpec):
            raise UsageError("This run is of an autoencoder.")
        return self.spec, self.preprocess

    def needs_no_file(self) -> None:
        """Raise `UsageError` where settings and data alone do not make the run again."""
        if self.model is not None:
            raise UsageError(
                f"This run is of an own model, {self.model.name} of {Path(self.model.path).name}.",
                "Its weights are files of their own: .safetensors, .npz or .pt.",
            )
        if self.weights is not None:
            raise UsageError(
                f"This run began with the weights of {Path(self.weights.path).name}, which no "
                "script has."
            )

    @property
    def seeded(self) -> bool:
        """Whether its first weights follow from its seed, and from nothing else."""
        other = (self.parent, self.weights, self.model)
        return not self.began and all(one is None for one in other)

    @property
    def state(self) -> str:
        """``running``, ``crashed``, or how it ended."""
        if self.outcome is not None:
            return self.outcome.reason
        try:
            alive = abs(psutil.Process(self.pid).create_time() - self.pid_started) < 1
        except psutil.Error:
            alive = False
        return "running" if alive else "crashed"


def now() -> str:
    """Return the time as it is written into a run: so finely that no two runs begin at the same."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def when_in_words(text: str) -> str:
    """Return such a time as a person reads it, or what stands there instead of one."""
    try:
        when = datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return text
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def git_state() -> str:
    """Return the commit of the current folder's checkout, marked when it was changed."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=2,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()[:80] if done.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Return what computes, by name."""
    return {
        "filterscope": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
