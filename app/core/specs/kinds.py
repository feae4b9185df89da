"""The kinds of network, and which settings belong to each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ValidationInfo

from app.core.errors import UsageError
from app.core.params import Spec
from app.core.specs.autoencoder import AutoencoderSpec
from app.core.specs.convnet import ConvNetSpec
from app.core.specs.data import ImageSpec, PreprocessSpec

__all__ = ["SPECS", "Kind", "OwnPreprocess", "OwnSpec", "values_of"]

Kind = Literal["autoencoder", "cnn"]
# Of the network, and of what prepares its data.
SPECS: dict[str, tuple[type[Spec], type[Spec]]] = {
    "autoencoder": (AutoencoderSpec, PreprocessSpec),
    "cnn": (ConvNetSpec, ImageSpec),
}


def values_of(value: Any) -> dict[str, Any]:
    """Return settings as names and values, whether they were read or made here.

    Raises
    ------
    UsageError
        They are neither.
    """
    if isinstance(value, Spec):
        return value.model_dump()
    if not isinstance(value, dict):
        raise UsageError("Its settings are no list of names and values.")
    return value


def _build(value: Any, info: ValidationInfo, place: int) -> Spec:
    return SPECS[info.data.get("kind", "autoencoder")][place].build(values_of(value))


def _build_spec(value: Any, info: ValidationInfo) -> Spec:
    return _build(value, info, 0)


def _build_preprocess(value: Any, info: ValidationInfo) -> Spec:
    return _build(value, info, 1)


# Fields after a field `kind`: the settings are those of that kind.
OwnSpec = Annotated[AutoencoderSpec | ConvNetSpec, BeforeValidator(_build_spec)]
OwnPreprocess = Annotated[PreprocessSpec | ImageSpec, BeforeValidator(_build_preprocess)]
