"""The sanity ladder of a network that is described in words: what a process of its own is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from app.core.checks.ladder import LadderStep, climb
from app.core.data.image_preprocess import fit_images
from app.core.data.image_reader import open_images
from app.core.data.synthetic import SYNTHETIC_NAME
from app.core.error_map import gathered
from app.core.specs import ConvNetSpec, ImageSpec

__all__ = ["NetworkSource", "climb_source"]

# Of an array with more elements only those that were looked at are handed on.
MOST_ELEMENTS = 20_000


@dataclass(frozen=True)
class NetworkSource:
    """A network and its images, by what they are made from.

    Attributes
    ----------
    spec : ConvNetSpec
    images : ImageSpec
        How images are divided and normalised.
    path : str
        What `open_images` takes.
    side : int
    """

    spec: ConvNetSpec
    images: ImageSpec
    path: str = SYNTHETIC_NAME
    side: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return {
            "spec": self.spec.model_dump(),
            "images": self.images.model_dump(),
            "path": self.path,
            "side": self.side,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> NetworkSource:
        """Read what `as_json` wrote; raises `UsageError` where a value cannot be meant."""
        return cls(
            ConvNetSpec.build(told["spec"]),
            ImageSpec.build(told["images"]),
            str(told["path"]),
            int(told["side"]),
        )


def climb_source(source: NetworkSource, say: Callable[[str, float], None]) -> Iterator[LadderStep]:
    """Read the images, make the network, and try all steps.

    Raises
    ------
    FilterscopeError
        The images cannot be opened or the network is impossible.
    """
    say("Reading the images", 0.0)
    fitted = fit_images(open_images(source.path, side=source.side), source.images)
    for step in climb(fitted, source.spec, say):
        if step.gradients is None:
            yield step
            continue
        gradients = {
            name: gathered(check) if check.errors.size > MOST_ELEMENTS else check
            for name, check in step.gradients.items()
        }
        yield replace(step, gradients=gradients)
