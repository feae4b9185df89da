"""What a person chooses of a film and of a run as one file, described once as settings are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.core.params import Hyper, Spec

__all__ = ["ArchiveSpec", "FilmScale", "FilmSpec"]

FilmScale = Literal["common", "own", "diverging"]


class FilmSpec(Spec):
    """How a film of the filters forming is drawn."""

    fps: Annotated[
        float,
        Field(ge=0.5, le=60),
        Hyper(
            "",
            "Frames a second",
            "Each kept set of weights is a frame: more of them a second make a shorter film.",
            scale="log",
            slider=(1, 30),
        ),
    ] = 12.0
    scale: Annotated[
        FilmScale,
        Hyper(
            "",
            "Grey levels",
            "What becomes black and white. A scale for each filter shows its shape from the first "
            "frame on; one for all frames shows how weights grow, and is grey at first.",
            choices={
                "own": "One for each filter",
                "common": "One for the film",
                "diverging": "Zero in the middle",
            },
        ),
    ] = "own"


class ArchiveSpec(Spec):
    """What goes along when a run becomes one file."""

    checkpoints: Annotated[
        bool,
        Hyper(
            "",
            "With its checkpoints",
            "Where the file is opened, the run can go on exactly where it stopped. Without them it "
            "can be looked at, compared and trained again.",
        ),
    ] = True
    data: Annotated[
        bool,
        Hyper(
            "",
            "With a copy of its data",
            "Whoever has no such file can see its reconstructions and train it again. Without it "
            "the file is named by its checksum.",
        ),
    ] = False
