"""What a study tries: one network, some of its settings over lists or ranges, several seeds."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)

from app.core.errors import FilterscopeError, UsageError
from app.core.params import Parameter, Spec, describe
from app.core.presets import CNN_PRESETS, PRESETS
from app.core.settings import read_json
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec
from app.core.specs.kinds import SPECS, Kind, OwnPreprocess, OwnSpec, values_of

__all__ = ["OBJECTIVES", "Scalar", "StudySpec", "Varied", "read_study_spec"]

# Whole numbers stay whole: the order of the types counts.
Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Network = AutoencoderSpec | ConvNetSpec
Preparation = PreprocessSpec | ImageSpec

MOST_VALUES, MOST_SEEDS, MOST_RUNS = 1000, 1000, 10_000
MOST_FILE_BYTES = 1 << 20

# What a run is judged by, in words, and whether less of it is better.
OBJECTIVES: dict[str, tuple[str, bool]] = {
    "cost": ("cost at the end", True),
    "reconstruction": ("reconstruction error at the end", True),
    "accuracy": ("best validation accuracy", False),
}


class Varied(Spec):
    """A setting over a list of values, or over a range.

    Attributes
    ----------
    name : str
        Of a setting of the network or of what prepares its data.
    values : tuple
        The list. Empty for a range.
    low, high : float
        Ends of the range, both of which are tried.
    scale : {"linear", "log"}
        Whether values between the ends are equal steps or equal factors apart.
    count : int
        How many values a grid takes from the range.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    values: Annotated[
        tuple[Annotated[Scalar, Field(union_mode="left_to_right")], ...],
        Field(max_length=MOST_VALUES),
    ] = ()
    low: float | None = None
    high: float | None = None
    scale: Literal["linear", "log"] = "linear"
    count: Annotated[int, Field(ge=2, le=MOST_VALUES)] = 5

    @model_validator(mode="after")
    def _one_of_both(self) -> Varied:
        listed = bool(self.values)
        if listed == (self.low is not None or self.high is not None):
            raise ValueError(f"{self.name} needs either a list of values or a range")
        if listed:
            if len(set(map(repr, self.values))) != len(self.values):
                raise ValueError(f"a value of {self.name} comes twice")
            return self
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(f"the range of {self.name} needs a low end below a high end")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"the logarithmic range of {self.name} must begin above 0")
        return self

    def grid(self, *, integer: bool) -> tuple[Scalar, ...]:
        """Return the values that a grid tries, rounded for an `integer` setting."""
        if self.values:
            return self.values
        assert self.low is not None
        assert self.high is not None
        space = np.geomspace if self.scale == "log" else np.linspace
        # Three digits are enough for a value nobody chose, but the ends are exactly what was said.
        inner = [float(f"{value:.3g}") for value in space(self.low, self.high, self.count)[1:-1]]
        found = [self.low, *inner, self.high]
        return tuple(dict.fromkeys(round(v) if integer else v for v in found))

    def draw(self, rng: np.random.Generator, *, integer: bool) -> Scalar:
        """Return a value at random: of the list, or anywhere in the range."""
        if self.values:
            return self.values[int(rng.integers(len(self.values)))]
        assert self.low is not None
        assert self.high is not None
        if self.scale == "log":
            value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = rng.uniform(self.low, self.high)
        return self.short(value, integer=integer)

    def short(self, value: float, *, integer: bool) -> Scalar:
        """Return a value of the range that nobody chose with as many digits as can be read."""
        assert self.low is not None
        assert self.high is not None
        value = min(max(float(f"{value:.4g}"), self.low), self.high)
        return round(value) if integer else value


def _from_preset(values: dict[str, Any]) -> dict[str, Any]:
    """Resolve ``preset`` and ``set`` into whole settings, so that a later version changes nothing."""
    kind = values.get("kind", "autoencoder")
    if not isinstance(kind, str) or kind not in SPECS:
        raise UsageError(f"kind = {kind!r} is neither autoencoder nor cnn.")
    name, wanted = values.pop("preset", None), values_of(values.pop("set", {}))
    presets: Mapping[str, Any] = PRESETS if kind == "autoencoder" else CNN_PRESETS
    if name is not None and not (isinstance(name, str) and name in presets):
        raise UsageError(f"There is no preset “{name}”; there are {', '.join(presets)}.")
    if name is None:
        spec, preprocess = (cls() for cls in SPECS[kind])
    else:
        preset = presets[name]
        spec, preprocess = preset.spec, getattr(preset, "preprocess", None) or preset.images
    owners = {p.name: place for place, cls in enumerate(SPECS[kind]) for p in describe(cls)}
    changes: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for key, value in wanted.items():
        if key not in owners:
            raise UsageError(f"There is no setting “{key}”; there are {', '.join(owners)}.")
        changes[owners[key]][key] = value
    values.setdefault("spec", spec.changed(**changes[0]).model_dump())
    values.setdefault("preprocess", preprocess.changed(**changes[1]).model_dump())
    return values


class StudySpec(Spec):
    """All that is decided before a study begins.

    Attributes
    ----------
    title : str
    kind : {"autoencoder", "cnn"}
    spec, preprocess : Spec
        What all runs have in common. A file may name a ``preset`` and ``set`` some settings
        instead.
    data : str
        What DATA names on the command line; empty for what comes with the program.
    layout, value_range : str, optional
        How a file of patches is read, where the guess is wrong.
    vary : tuple of Varied
    seeds : tuple of int
        Each combination of values is trained once with each. A file may give a number of seeds
        instead, counted up from the seed of `spec`.
    search : {"grid", "random", "optuna"}
        All combinations; `trials` of them at random; or `trials` that a tree-structured Parzen
        estimator chooses one after the other (Bergstra et al. 2011, as in Optuna).
    objective : {"cost", "reconstruction", "accuracy"}
        What a run is judged by.
    search_seed : int
        Of the choices that a search makes.
    """

    title: Annotated[str, Field(min_length=1, max_length=80)] = "study"
    kind: Kind = "autoencoder"
    spec: OwnSpec
    preprocess: OwnPreprocess
    data: Annotated[str, Field(max_length=8192)] = ""
    layout: Annotated[str | None, Field(max_length=8)] = None
    value_range: Literal["0..1", "0..255"] | None = None
    vary: Annotated[tuple[Varied, ...], Field(max_length=16)] = ()
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=1 << 63)], ...],
        Field(min_length=1, max_length=MOST_SEEDS),
    ] = (0,)
    search: Literal["grid", "random", "optuna"] = "grid"
    trials: Annotated[int, Field(ge=1, le=MOST_RUNS)] = 20
    objective: Literal["cost", "reconstruction", "accuracy"] = "cost"
    search_seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 0

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            raise UsageError("It is not a list of settings.")
        values = _from_preset(dict(values))
        values.setdefault("objective", "accuracy" if values.get("kind") == "cnn" else "cost")
        seeds = values.get("seeds")
        if isinstance(seeds, int) and not isinstance(seeds, bool):
            if not 1 <= seeds <= MOST_SEEDS:
                raise UsageError(f"seeds = {seeds} is out of range: 1 ≤ seeds ≤ {MOST_SEEDS}.")
            first = values_of(values["spec"]).get("seed", 0)
            first = first if isinstance(first, int) else 0
            values["seeds"] = tuple(range(first, first + seeds))
        return values

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("a seed comes twice")
        return seeds

    @model_validator(mode="after")
    def _sensible(self) -> StudySpec:
        names = [varied.name for varied in self.vary]
        if len(set(names)) != len(names):
            raise UsageError("A setting is varied twice.")
        if (self.objective == "accuracy") != (self.kind == "cnn") and self.objective != "cost":
            raise UsageError(f"A run of this network has no {OBJECTIVES[self.objective][0]}.")
        if self.search != "grid" and not self.vary:
            raise UsageError("A search needs a setting to vary.")
        parameters = self.parameters
        for varied in self.vary:
            if varied.name == "seed":
                raise UsageError("Seeds are not varied: say which with seeds.")
            if varied.name not in parameters:
                raise UsageError(
                    f"There is no setting “{varied.name}”; there are {', '.join(parameters)}."
                )
            parameter = parameters[varied.name]
            if not varied.values and parameter.kind not in ("int", "float"):
                raise UsageError(f"{varied.name} has no range: list its values.")
            # The bounds of a setting are those of its own field.
            for value in varied.grid(integer=parameter.kind == "int"):
                self.member_specs({varied.name: value}, self.seeds[0])
        if self.run_count > MOST_RUNS:
            raise UsageError(
                f"That would be {self.run_count} runs; a study has at most {MOST_RUNS}."
            )
        return self

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Every setting of the network and of what prepares its data, by name."""
        specs = (type(self.spec), type(self.preprocess))
        return {parameter.name: parameter for cls in specs for parameter in describe(cls)}

    @property
    def least_is_best(self) -> bool:
        """Whether less of the objective is better."""
        return OBJECTIVES[self.objective][1]

    @property
    def run_count(self) -> int:
        """How many runs there will be."""
        combinations = self.trials
        if self.search == "grid":
            combinations = math.prod(len(self._grid(varied)) for varied in self.vary)
        return combinations * len(self.seeds)

    def _grid(self, varied: Varied) -> tuple[Scalar, ...]:
        return varied.grid(integer=self.parameters[varied.name].kind == "int")

    def combinations(self) -> Iterator[dict[str, Scalar]]:
        """Yield the values of each trial of a grid or a random search, the last named fastest."""
        if self.search == "grid":
            for values in itertools.product(*(self._grid(varied) for varied in self.vary)):
                yield {v.name: value for v, value in zip(self.vary, values, strict=True)}
            return
        rng = np.random.default_rng(self.search_seed)
        for _ in range(self.trials):
            yield {
                varied.name: varied.draw(rng, integer=self.parameters[varied.name].kind == "int")
                for varied in self.vary
            }

    def member_specs(self, values: Mapping[str, Scalar], seed: int) -> tuple[Network, Preparation]:
        """Return the settings of the run with these values and this seed; raises `UsageError`."""
        own = {p.name for p in describe(type(self.spec))}
        spec = {name: value for name, value in values.items() if name in own}
        rest = {name: value for name, value in values.items() if name not in own}
        return self.spec.changed(**spec, seed=seed), self.preprocess.changed(**rest)


def read_study_spec(path: Path) -> StudySpec:
    """Read what a person wrote: JSON, or TOML by its ending.

    Raises
    ------
    UsageError
        It is neither, or not a study; with one sentence.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it has no such name"
        raise UsageError(f"{path.name or path} cannot be read: {why}.") from None
    try:
        if len(data) > MOST_FILE_BYTES:
            raise UsageError(f"It is larger than {MOST_FILE_BYTES} bytes.")
        return StudySpec.build(_parsed(data, toml=path.suffix.lower() == ".toml"))
    except FilterscopeError as error:
        raise UsageError(f"{path.name} is not a study: {error.message}", error.hint) from None


def _parsed(data: bytes, *, toml: bool) -> dict[str, Any]:
    if toml:
        try:
            return tomllib.loads(data.decode())
        except (ValueError, RecursionError):
            raise UsageError("It is not TOML.") from None
    found = read_json(data)
    if not isinstance(found, dict):
        raise UsageError("It is not a list of settings.")
    return found
