"""From a person's file to their network: the code is run, and what in it is meant is found.

Used in the process of their network alone: the code that is run here is not ours.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from app.core.errors import UsageError

__all__ = ["find_maker", "load_module", "make_module"]

# What a class or a function may call the number of classes and the shape of an image.
CLASSES = ("num_classes", "classes", "n_classes", "class_count", "out_features", "num_outputs")
SHAPES = ("image_shape", "in_shape", "input_shape", "shape", "input_size")
CHANNELS = ("in_channels", "channels", "num_channels", "in_chans")
FUNCTIONS = ("build", "model", "make_model", "net")


class _Loader(importlib.abc.ExecutionLoader):
    """Runs the text that was read when the person agreed, whatever the file says by now."""

    def __init__(self, path: str, source: str) -> None:
        self.path, self.source = path, source

    def get_filename(self, fullname: str) -> str:
        return self.path

    def get_source(self, fullname: str) -> str:
        return self.source

    def is_package(self, fullname: str) -> bool:
        return False


def load_module(path: str, source: str) -> ModuleType:
    """Run a file; modules beside it can be imported by it."""
    name = "filterscope_own_model"
    sys.path.insert(0, str(Path(path).parent))
    found = importlib.util.spec_from_loader(name, _Loader(path, source))
    assert found is not None
    module = importlib.util.module_from_spec(found)
    # Dataclasses and pickles of its own look for their module by name.
    sys.modules[name] = module
    assert found.loader is not None
    found.loader.exec_module(module)
    return module


def find_maker(module: ModuleType, wanted: str, file: str) -> Any:
    """Return the class, function or ready module of a file that is the network.

    Raises
    ------
    UsageError
        There is none, or several.
    """
    if wanted:
        if not hasattr(module, wanted):
            raise UsageError(f"{file} has nothing called {wanted}.")
        return getattr(module, wanted)
    for name in FUNCTIONS:
        found = getattr(module, name, None)
        if isinstance(found, nn.Module) or (callable(found) and not inspect.isclass(found)):
            return found
    own = [
        one
        for one in vars(module).values()
        if inspect.isclass(one) and issubclass(one, nn.Module) and one.__module__ == module.__name__
    ]
    # A class that another one of the file builds on is a part, or is it: the person says.
    if len(own) == 1:
        return own[0]
    if own:
        names = ", ".join(one.__name__ for one in own[:6])
        raise UsageError(
            f"{file} has several networks: {names}.", f"Name one: {file}:{own[-1].__name__}."
        )
    raise UsageError(
        f"{file} has no network: neither a class that derives from torch.nn.Module nor a function "
        "called build or model.",
        "See docs/own_model.py for a short example.",
    )


def make_module(
    maker: Any, file: str, shape: tuple[int, int, int], classes: int
) -> tuple[nn.Module, str]:
    """Return the network and its name; it is told what it asks for by the names of its parameters.

    Raises
    ------
    UsageError
        It asks for something else, or gives no network.
    """
    if isinstance(maker, nn.Module):
        return maker, type(maker).__name__
    name = getattr(maker, "__name__", type(maker).__name__)
    if not callable(maker):
        raise UsageError(f"{name} in {file} is neither a class nor a function.")
    given: dict[str, Any] = {}
    for parameter in inspect.signature(maker).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in CLASSES:
            given[parameter.name] = classes
        elif parameter.name in SHAPES:
            given[parameter.name] = shape
        elif parameter.name in CHANNELS:
            given[parameter.name] = shape[0]
        elif parameter.default is parameter.empty:
            raise UsageError(
                f"{name} in {file} asks for “{parameter.name}”, which has no default.",
                "It is told num_classes, image_shape and in_channels; give others a default.",
            )
    made = maker(**given)
    if not isinstance(made, nn.Module):
        raise UsageError(f"{name} in {file} gave a {type(made).__name__}, and no torch.nn.Module.")
    return made, name
