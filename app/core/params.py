"""One description of a hyperparameter, from which everything else follows.

A field of a spec is annotated with pydantic's constraints (the hard bounds) and a `Hyper` (how
a person meets it). The slider, the command-line option, validation, the run file, the text
chunk of an exported picture and the table in docs/settings.md are all read from there.
"""

from __future__ import annotations

import functools
import json
import math
import re
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

import annotated_types
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from app.core.errors import UsageError

__all__ = [
    "Hyper",
    "Parameter",
    "Spec",
    "describe",
    "field_in_words",
    "format_number",
    "parse_number",
    "parse_setting",
    "setting_in_words",
    "value_in_words",
]

SLIDER_POSITIONS = 1000


@dataclass(frozen=True)
class Hyper:
    """How a person meets a hyperparameter.

    Parameters
    ----------
    symbol : str
        What the literature writes (``ρ``).
    label : str
        Its name in the window.
    teaches : str
        One sentence that says what it does.
    scale : {"linear", "log"}
        How the slider runs.
    slider : tuple of float, optional
        Ends of the slider. Typed values may lie beyond them, within the hard bounds.
    unit : str
        Unit of the value; empty for a pure number.
    live : bool
        Whether it may change while training.
    choices : mapping, optional
        For a choice: what each value is called in the window.
    """

    symbol: str
    label: str
    teaches: str
    scale: Literal["linear", "log"] = "linear"
    slider: tuple[float, float] | None = None
    unit: str = ""
    live: bool = False
    choices: typing.Mapping[str, str] | None = None


@dataclass(frozen=True)
class Parameter:
    """A field of a spec with everything that a form, a parser or a table needs."""

    name: str
    kind: Literal["int", "float", "bool", "choice", "text"]
    default: Any
    hyper: Hyper
    low: float | None
    high: float | None
    low_open: bool
    high_open: bool
    choices: tuple[str, ...]

    @property
    def range_text(self) -> str:
        """The hard bounds in words, such as ``0 < rho < 1``."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        if self.kind == "bool":
            return "yes or no"
        if self.kind == "text":
            return "text"
        left = "" if self.low is None else f"{self.low:g} {'<' if self.low_open else '≤'} "
        right = "" if self.high is None else f" {'<' if self.high_open else '≤'} {self.high:g}"
        return f"{left}{self.name}{right}"

    def to_position(self, value: float) -> int:
        """Map a value to a slider position 0 … `SLIDER_POSITIONS`, held at the ends."""
        low, high = self.slider
        if self.hyper.scale == "log":
            value = max(value, low)
            share = (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        else:
            share = (value - low) / (high - low)
        return round(min(max(share, 0.0), 1.0) * SLIDER_POSITIONS)

    def from_position(self, position: int) -> float:
        """Map a slider position to a value with three significant digits (integers whole)."""
        low, high = self.slider
        share = position / SLIDER_POSITIONS
        if self.hyper.scale == "log":
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        value = min(max(float(f"{value:.3g}"), low), high)
        return round(value) if self.kind == "int" else value

    @property
    def slider(self) -> tuple[float, float]:
        """Ends of the slider."""
        if self.hyper.slider is None:
            raise UsageError(f"{self.name} has no slider.")
        return self.hyper.slider


class Spec(BaseModel):
    """A frozen, validated set of values. Unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def build(cls, values: typing.Mapping[str, Any]) -> typing.Self:
        """Validate `values`, or raise `UsageError` with one sentence on the first that fails."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UsageError(_first_problem(cls, error)) from None

    def to_json(self) -> bytes:
        """Return the values as JSON in ASCII, which names of files that are no text survive."""
        return json.dumps(self.model_dump(), indent=1, allow_nan=False).encode()

    def changed(self, **values: Any) -> typing.Self:
        """Return a validated copy with some values replaced; raises `UsageError`."""
        return type(self).build({**self.model_dump(), **values})


def _first_problem(cls: type[Spec], error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        return f"There is no setting “{name}”; there are {', '.join(cls.model_fields)}."
    if name in cls.model_fields and problem["type"] != "value_error":
        known = {parameter.name: parameter for parameter in describe(cls)}
        if name in known:
            return f"{name} = {problem['input']!r} is out of range: {known[name].range_text}."
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _plain_type(annotation: Any) -> Any:
    """Strip ``Annotated`` and ``| None``."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain_type(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _plain_type(inner[0])
    return annotation


def _parameter(name: str, field: FieldInfo) -> Parameter | None:
    hyper = next((m for m in field.metadata if isinstance(m, Hyper)), None)
    if hyper is None:
        return None
    low = high = None
    low_open = high_open = False
    for bound in field.metadata:
        if isinstance(bound, annotated_types.Gt):
            low, low_open = float(bound.gt), True  # type: ignore[arg-type]
        elif isinstance(bound, annotated_types.Ge):
            low = float(bound.ge)  # type: ignore[arg-type]
        elif isinstance(bound, annotated_types.Lt):
            high, high_open = float(bound.lt), True  # type: ignore[arg-type]
        elif isinstance(bound, annotated_types.Le):
            high = float(bound.le)  # type: ignore[arg-type]
    plain = _plain_type(field.annotation)
    choices: tuple[str, ...] = ()
    kind: Literal["int", "float", "bool", "choice", "text"]
    if typing.get_origin(plain) is Literal:
        kind, choices = "choice", tuple(typing.get_args(plain))
    elif plain is bool:
        kind = "bool"
    elif plain is int:
        kind = "int"
    elif plain is str:
        kind = "text"
    else:
        kind = "float"
    return Parameter(
        name, kind, field.get_default(), hyper, low, high, low_open, high_open, choices
    )


@functools.lru_cache(maxsize=64)
def describe(spec: type[Spec]) -> tuple[Parameter, ...]:
    """Return the hyperparameters of a spec class, in the order they are written."""
    found = (_parameter(name, field) for name, field in spec.model_fields.items())
    return tuple(parameter for parameter in found if parameter is not None)


def parse_number(text: str, *, integer: bool = False) -> float:
    """Read a number the same way in every locale, or refuse it.

    One of ``.`` and ``,`` may stand as the decimal mark. What could be meant in two ways, a
    lone mark followed by exactly three digits after one to three leading digits other than a
    lone zero (``1.000`` or ``1,000``), both marks, or a mark that comes twice, is refused.

    Parameters
    ----------
    text : str
        What was typed.
    integer : bool
        Whether only a whole number will do.

    Returns
    -------
    float
        A finite number.

    Raises
    ------
    UsageError
        The text is no number, or could be read as two.
    """
    typed = text.strip().replace("−", "-").replace("\u00a0", "")
    marks = typed.count(".") + typed.count(",")
    if marks > 1:
        raise UsageError(
            f"“{typed}” could mean two numbers.", "Write one decimal mark, no grouping."
        )
    if marks == 1 and "e" not in typed.lower():
        whole, _, decimals = typed.replace(",", ".").partition(".")
        digits = whole.lstrip("+-")
        if len(decimals) == 3 and 1 <= len(digits) <= 3 and digits.isdigit() and int(digits) > 0:
            plain = f"{whole}{decimals}"
            raise UsageError(
                f"“{typed}” could mean {plain} or {whole}.{decimals}.",
                f"Write {plain} or {whole}.{decimals}0.",
            )
    try:
        if "_" in typed or not typed.isascii():
            raise ValueError
        value = float(typed.replace(",", "."))
    except ValueError:
        hint = "Write it like 20." if integer else "Write it like 0.05 or 1e-3."
        raise UsageError(f"“{typed}” is not a number.", hint) from None
    if not math.isfinite(value):
        raise UsageError(f"“{typed}” is not a finite number.")
    if integer and not value.is_integer():
        raise UsageError("A whole number is needed here.", "Write it like 20.")
    return value


def parse_setting(parameter: Parameter, text: str) -> Any:
    """Return what `text` means for a setting.

    Raises
    ------
    UsageError
        It cannot be meant for it.
    """
    if parameter.kind == "bool":
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise UsageError(f"{parameter.name} = “{text}” is neither yes nor no.")
        return words[text.lower()]
    if parameter.kind in ("choice", "text"):
        return text
    if parameter.kind == "int" and re.fullmatch("[0-9]{1,40}", text):
        # Exactly, where a float would round a large seed.
        return int(text)
    value = parse_number(text)
    if parameter.kind == "int":
        if not value.is_integer():
            raise UsageError(f"{parameter.name} = {text} is not a whole number.")
        return int(value)
    return value


def format_number(value: float) -> str:
    """Write a number so that `parse_number` reads back the same value, never ambiguously."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return str(int(value))
    text = repr(float(value))
    if float(value).is_integer() and "e" not in text:
        # A million and more: with an exponent, where that says the same.
        short, _, power = f"{value:e}".partition("e")
        candidate = f"{short.rstrip('0').rstrip('.')}e{int(power)}"
        return candidate if float(candidate) == value else str(int(value))
    mantissa, mark, exponent = text.partition("e")
    if mark:
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    if abs(value) < 1e-3:
        digits = f"{value:.17e}".partition("e")
        short, _, power = f"{float(text):e}".partition("e")
        candidate = f"{short.rstrip('0').rstrip('.')}e{int(power)}"
        return candidate if float(candidate) == value else f"{digits[0]}e{int(digits[2])}"
    whole, _, decimals = text.partition(".")
    if len(decimals) == 3 and whole.lstrip("-") != "0":
        return text + "0"
    return text


def value_in_words(parameter: Parameter, value: Any, *, unit: bool = True) -> str:
    """Return a setting's value as a person reads it: a choice by its name, a number with its unit.

    A dash stands for None: there is no such setting.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if parameter.hyper.choices and value in parameter.hyper.choices:
        return str(parameter.hyper.choices[value])
    if isinstance(value, int | float):
        return f"{format_number(value)} {parameter.hyper.unit if unit else ''}".strip()
    return str(value)


def field_in_words(spec: Spec, name: str) -> str:
    """Return what the field `name` of `spec` is set to as a person reads it, without a unit."""
    (parameter,) = (one for one in describe(type(spec)) if one.name == name)
    return value_in_words(parameter, getattr(spec, name), unit=False)


def setting_in_words(parameter: Parameter, *values: Any) -> str:
    """Return name and value where there is little room, such as ``ρ 0.2``; several with arrows.

    Of a choice the choice itself says enough (``Adam``), unless it is a number or ``off``.
    """
    hyper = parameter.hyper
    said = " → ".join(value_in_words(parameter, value, unit=False) for value in values)
    if parameter.kind == "choice":
        plain = said[:1].isalpha() and said != "off"
        return said if plain else f"{hyper.label.lower()} {said}"
    return f"{hyper.symbol or hyper.label.lower()} {said}"
