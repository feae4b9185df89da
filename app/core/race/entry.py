"""Which settings may race against each other, and what they are called."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.errors import UsageError
from app.core.params import describe, format_number
from app.core.specs import AutoencoderSpec, ConvNetSpec
from app.core.specs.kinds import SPECS
from app.core.studies.spec import Varied
from app.core.studies.typed import parse_varied

__all__ = ["LEAST", "MOST", "ORDERING", "Settings", "check_race", "names_of", "settings_of"]

LEAST, MOST = 2, 4
# What says which rows are visited, and when.
ORDERING = ("batch_size", "seed", "held_out")

Settings = AutoencoderSpec | ConvNetSpec


def settings_of(base: Settings, typed: Sequence[str]) -> list[Settings]:
    """Return the settings that race: every combination of what was typed, on top of `base`.

    Parameters
    ----------
    base : AutoencoderSpec or ConvNetSpec
    typed : sequence of str
        ``NAME=VALUES`` each, see `parse_varied`.

    Raises
    ------
    UsageError
        It cannot be meant, or such settings cannot race.
    """
    known = {parameter.name: parameter for parameter in describe(type(base))}
    varied: dict[str, Sequence[Any]] = {}
    for text in typed:
        name = text.partition("=")[0].strip()
        if name in _of_the_data():
            raise _same_batches(name)
        one = Varied.build(parse_varied(text, known))
        if one.name in varied:
            raise UsageError(f"{one.name} is varied twice.")
        varied[one.name] = one.grid(integer=known[one.name].kind == "int")
    found = [base.changed(**values) for values in _combinations(varied)]
    check_race(found)
    return found


def _of_the_data() -> set[str]:
    """Return the settings of what prepares data."""
    return {parameter.name for _, cls in SPECS.values() for parameter in describe(cls)}


def _combinations(varied: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    if not varied:
        return []
    # More than race are not gone through.
    products = itertools.islice(itertools.product(*varied.values()), MOST + 1)
    return [dict(zip(varied, values, strict=True)) for values in products]


def _same_batches(name: str) -> UsageError:
    return UsageError(
        f"All in a race see the same batches, so {name} cannot differ.",
        "Compare such runs in a study.",
    )


def check_race(specs: Sequence[Settings]) -> None:
    """Raise `UsageError` when these settings cannot race against each other."""
    if not LEAST <= len(specs) <= MOST:
        raise UsageError(
            f"A race is of {LEAST} to {MOST} settings; there {_are(len(specs))}.",
            "Write them like rho=0.05,0.2,0.5.",
        )
    if len({type(spec) for spec in specs}) > 1:
        raise UsageError("An autoencoder and a network of layers do not race.")
    for name in ORDERING:
        if len({getattr(spec, name, None) for spec in specs}) > 1:
            raise _same_batches(name)
    for place, spec in enumerate(specs):
        if spec in specs[:place]:
            raise UsageError("Two in the race have the same settings.")


def _are(count: int) -> str:
    return {0: "is none", 1: "is one"}.get(count, "are more")


def names_of(specs: Sequence[Settings]) -> list[str]:
    """Return what each has of its own, such as ``ρ 0.2, L 64``."""
    different = [
        parameter
        for parameter in describe(type(specs[0]))
        if len({getattr(spec, parameter.name) for spec in specs}) > 1
    ]
    names = []
    for spec in specs:
        parts = []
        for parameter in different:
            value = getattr(spec, parameter.name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                said = format_number(value)
            else:
                said = (parameter.hyper.choices or {}).get(value, str(value))
            parts.append(f"{parameter.hyper.symbol or parameter.hyper.label} {said}")
        names.append(", ".join(parts))
    return names
