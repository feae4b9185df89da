"""Lists, ranges and seeds as a person types them, on the command line and in the window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.errors import UsageError
from app.core.params import Parameter, parse_number, parse_setting

__all__ = ["parse_seeds", "parse_varied"]


def parse_seeds(text: str) -> int | tuple[int, ...]:
    """Return a number of seeds, or the seeds of a list; raises `UsageError`."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and len(part) <= 19 for part in parts):
        raise UsageError(f"Seeds: “{text}” is neither a number nor a list such as 0,3,7.")
    return int(parts[0]) if "," not in text else tuple(map(int, parts))


def parse_varied(text: str, known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return what ``NAME=VALUES`` means, as `Varied` takes it; raises `UsageError`."""
    name, mark, values = (part.strip() for part in text.partition("="))
    if not mark or not values:
        raise UsageError(f"“{text}” is not NAME=VALUES.", "Write it like rho=0.2,0.5,0.8.")
    if name not in known:
        raise UsageError(f"There is no setting “{name}”.", f"There are {', '.join(known)}.")
    parameter = known[name]
    if ".." in values and parameter.kind in ("int", "float"):
        ends, *more = values.split(":")
        low, _, high = ends.partition("..")
        found: dict[str, Any] = {"name": name, "low": parse_number(low), "high": parse_number(high)}
        for word in more:
            if word in ("log", "linear"):
                found["scale"] = word
            elif word.isdecimal() and len(word) < 6:
                found["count"] = int(word)
            else:
                raise UsageError(f"“{word}” is neither log nor linear, nor a number of values.")
        return found
    between = "|" if parameter.kind == "text" else ","
    listed = [part.strip() for part in values.split(between)]
    return {"name": name, "values": [parse_setting(parameter, part) for part in listed]}
