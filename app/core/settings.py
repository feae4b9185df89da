"""The program's own settings: a small JSON file that can never keep it from starting."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field

from app.core.errors import FilterscopeError, UsageError
from app.core.params import Spec
from app.core.storage import make_folder, save_bytes

__all__ = ["Settings", "config_folder", "data_folder", "load_settings", "log_folder"]

APPLICATION = "filterscope"
MOST_BYTES = 1 << 20


def config_folder() -> Path:
    """Return where settings are kept."""
    return Path(platformdirs.user_config_dir(APPLICATION, False))


def data_folder() -> Path:
    """Return where runs are kept unless told otherwise; ``FILTERSCOPE_RUNS`` overrides it."""
    override = os.environ.get("FILTERSCOPE_RUNS")
    return (
        Path(override)
        if override
        else Path(platformdirs.user_data_dir(APPLICATION, False)) / "runs"
    )


def log_folder() -> Path:
    """Return where crash logs are kept."""
    return Path(platformdirs.user_log_dir(APPLICATION, False))


class Settings(Spec):
    """What the program remembers between two starts."""

    version: Literal[1] = 1
    theme: Literal["system", "light", "dark"] = "system"
    # What was opened last, of patches and of images with labels, and where; where things are saved.
    recent: tuple[str, ...] = ()
    recent_images: tuple[str, ...] = ()
    last_folder: str = ""
    save_folder: str = ""
    geometry: str = ""
    zoom: Annotated[int, Field(ge=1, le=64)] = 8
    # Titles of the columns of the table of runs that somebody does not want to see.
    hidden_columns: tuple[str, ...] = ()
    # Of the Dask scheduler where a study was trained last. What opens it, and whether its network
    # is trusted, is asked for anew.
    scheduler: str = ""

    def save(self) -> None:
        """Write the settings; raises `StorageError`."""
        folder = config_folder()
        make_folder(folder, exist_ok=True)
        save_bytes(folder / "settings.json", self.to_json(), overwrite=True)


def read_json(data: bytes, most: int = MOST_BYTES) -> Any:
    """Parse JSON that a stranger may have written.

    Refused besides what is no JSON: NaN and infinities, names that come twice, more than `most`
    bytes, absurd depth.

    Raises
    ------
    UsageError
        With one sentence.
    """

    def no_constant(text: str) -> Any:
        raise UsageError(f"{text} is not a number that can be meant.")

    def finite(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise UsageError(f"{text} is not a number that can be meant.")
        return value

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise UsageError("A name comes twice.")
        return found

    if len(data) > most:
        raise UsageError(f"It has {len(data)} bytes, more than {most}.")
    try:
        return json.loads(
            data, parse_constant=no_constant, parse_float=finite, object_pairs_hook=unique
        )
    except UsageError:
        raise
    except (ValueError, RecursionError):
        raise UsageError("It is not JSON.") from None


def load_settings() -> tuple[Settings, str]:
    """Return the settings, and a sentence when they could not be read.

    A file that cannot be understood is kept as ``settings.json.BAK``; values that are wrong
    are replaced by their defaults, the others stay.
    """
    path = config_folder() / "settings.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Settings(), ""
    except OSError as error:
        return Settings(), f"The settings could not be read: {error.strerror}."
    try:
        return Settings.build(_mapping(read_json(data))), ""
    except FilterscopeError:
        pass
    try:
        save_bytes(path.with_name("settings.json.BAK"), data, overwrite=True)
        kept = "the old file is kept as settings.json.BAK"
    except FilterscopeError:
        kept = "the old file could not be kept"
    return _salvage(data), f"The settings were damaged and are set back; {kept}."


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UsageError("It is not a list of settings.")
    return value


def _salvage(data: bytes) -> Settings:
    """Return what of damaged settings is still good."""
    try:
        values = _mapping(read_json(data))
    except FilterscopeError:
        return Settings()
    good: dict[str, Any] = {}
    for name, value in values.items():
        try:
            Settings.build({name: value})
        except FilterscopeError:
            continue
        good[name] = value
    return Settings.build(good)
