"""What a check's process says, as lines of JSON: results in words and numbers, never pickles."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import zlib
from typing import Any

import numpy as np

from app.core.checks import CHECKS
from app.core.checks.five_ways import Ways, WayTold
from app.core.checks.ladder import LadderStep
from app.core.checks.machine_rate import MachineRate
from app.core.checks.outcomes import Check, Measure, Outcome
from app.core.checks.timing import Timed
from app.core.devices import Device
from app.core.error_map import GatheredCheck
from app.core.nn.gradient_check import GradientCheck, Tried

__all__ = ["decode", "encode"]

# The classes that may cross, by their name; nothing else is ever made of what comes in.
CLASSES: dict[str, type] = {
    one.__name__: one
    for one in (
        Check,
        Device,
        GatheredCheck,
        GradientCheck,
        LadderStep,
        MachineRate,
        Measure,
        Outcome,
        Timed,
        Tried,
        WayTold,
        Ways,
    )
}
KINDS = ("float64", "float32", "bool", "uint8", "int64")


def _plain(value: Any) -> Any:
    if isinstance(value, Check):
        return {"$": "Check", "name": value.name}
    if dataclasses.is_dataclass(value) and type(value).__name__ in CLASSES:
        fields = {field.name: field for field in dataclasses.fields(value)}
        return {"$": type(value).__name__} | {name: _plain(getattr(value, name)) for name in fields}
    if isinstance(value, np.ndarray):
        data = zlib.compress(np.ascontiguousarray(value).tobytes(), 1)
        return {
            "$": "array",
            "kind": value.dtype.name,
            "shape": list(value.shape),
            "data": base64.b64encode(data).decode(),
        }
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no word for them.
        return {"$": "float", "value": str(value)}
    return value


def encode(message: dict[str, Any]) -> bytes:
    """Return one line for `message`, in which results may stand as they are."""
    return json.dumps(_plain(message), allow_nan=False).encode() + b"\n"


def _made(value: dict[str, Any]) -> Any:
    """Make an object of its plain form; called from the inside out."""
    name = value.pop("$", None)
    if name is None:
        return value
    if name == "array":
        if value["kind"] not in KINDS:
            raise ValueError(f"an array of {value['kind']}")
        data = zlib.decompress(base64.b64decode(value["data"]))
        return np.frombuffer(data, value["kind"]).reshape(value["shape"]).copy()
    if name == "float":
        return float(value["value"])
    if name == "Check":
        return CHECKS[value["name"]]
    # Lists were tuples: JSON knows only one of them.
    return CLASSES[name](**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line.

    Raises
    ------
    ValueError, KeyError, TypeError
        It is none of ours.
    """
    message = json.loads(line, object_hook=_made)
    if not isinstance(message, dict):
        raise ValueError("a message is an object")
    return message
