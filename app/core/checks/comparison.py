"""What times of the same layer say together: how many times faster, how near the machine's limit."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from app.core.checks.layer_case import TimingSpec
from app.core.checks.machine_rate import MachineRate
from app.core.checks.timing import Timed
from app.core.words import grouped

__all__ = ["USED", "Compared", "Comparison", "parts_of", "times"]

# What matters for a layer; the rest of the shape is not asked for.
_PICTURE = ("batch", "channels", "height", "width")
USED: dict[str, tuple[str, ...]] = {
    "conv": (*_PICTURE, "filters", "window", "stride", "pad"),
    "conv_relu_pool": (*_PICTURE, "filters", "window", "stride", "pad"),
    "max_pool": (*_PICTURE, "window", "stride"),
    "avg_pool": (*_PICTURE, "window", "stride"),
    "affine": (*_PICTURE, "filters"),
    "spatial_batchnorm": _PICTURE,
}


@dataclass(frozen=True)
class Compared:
    """One engine in the directions that were asked for.

    Attributes
    ----------
    engine : str
    seconds : float
    gflops : float or None
    speedup : float or None
        How many times faster than NumPy's; None for itself, or where that is not known.
    error : float or None
        Largest difference from NumPy's numbers, relative to the largest of them.
    pictures : int
        How many pictures of the batch were computed; the rest is reckoned.
    """

    engine: str
    seconds: float
    gflops: float | None
    speedup: float | None
    error: float | None
    pictures: int


@dataclass(frozen=True)
class Comparison:
    """All times of one layer at one shape."""

    spec: TimingSpec
    rate: MachineRate | None
    times: tuple[Timed, ...]

    def compared(self, direction: str) -> list[Compared]:
        """Return the engines in ``forward``, ``backward`` or ``both`` directions."""
        wanted = ("forward", "backward") if direction == "both" else (direction,)
        found: list[Compared] = []
        loops: float | None = None
        for engine in dict.fromkeys(one.engine for one in self.times):
            parts = [one for one in self.times if one.engine == engine and one.direction in wanted]
            if len(parts) < len(wanted):
                continue
            seconds = sum(one.seconds for one in parts)
            work = [one.gflops * one.seconds for one in parts if one.gflops is not None]
            if engine == "NumPy":
                loops = seconds
            errors = [one.error for one in parts if one.error is not None]
            found.append(
                Compared(
                    engine,
                    seconds,
                    sum(work) / seconds if len(work) == len(parts) and seconds > 0 else None,
                    loops / seconds if engine != "NumPy" and loops and seconds > 0 else None,
                    max(errors, default=None),
                    min(one.pictures for one in parts),
                )
            )
        return found

    def limit(self, direction: str) -> float | None:
        """Return the seconds that the products would take at the best rate seen here."""
        for one in self.compared(direction):
            if one.gflops is not None and self.rate is not None and self.rate.gflops > 0:
                return one.gflops * one.seconds / self.rate.gflops
        return None

    def sentence(self, direction: str) -> str:
        """Say what is worth saying."""
        by_engine = {one.engine: one for one in self.compared(direction)}
        ours, torch = by_engine.get("compiled"), by_engine.get("torch")
        said = []
        if ours is not None and ours.speedup is not None:
            said.append(f"compiled is {times(ours.speedup)} as fast as NumPy’s")
        if ours is not None and torch is not None:
            said.append(f"takes {ours.seconds / torch.seconds:.2f} of torch’s time")
        if ours is not None and ours.error is not None:
            said.append(f"differs by {ours.error:.1e}")
        if ours is None and torch is not None and torch.speedup is not None:
            said.append(f"torch is {times(torch.speedup)} as fast as NumPy’s")
        return " · ".join(said)

    def as_csv(self) -> bytes:
        """Return a row for each engine and direction, with the shape."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        shape = self.spec.model_dump()
        writer.writerow(
            [
                "engine",
                "direction",
                "seconds",
                "gflops",
                "error",
                "pictures",
                *shape,
                "machine_gflops",
            ]
        )
        rate = "" if self.rate is None else repr(self.rate.gflops)
        for one in self.times:
            figures = [one.seconds, one.gflops, one.error]
            numbers = ["" if figure is None else repr(float(figure)) for figure in figures]
            writer.writerow(
                [one.engine, one.direction, *numbers, one.pictures, *shape.values(), rate]
            )
        return out.getvalue().encode()


def times(ratio: float) -> str:
    """Write a ratio: ``3.2×``, ``470×``, ``18 800×``."""
    if ratio < 10:
        return f"{ratio:.2g}×"
    return f"{grouped(float(f'{ratio:.3g}'))}×"


def parts_of(times_: Sequence[Timed | MachineRate]) -> tuple[MachineRate | None, tuple[Timed, ...]]:
    """Divide what `time_layer` yields into the machine's rate and the times."""
    rate = next((one for one in times_ if isinstance(one, MachineRate)), None)
    return rate, tuple(one for one in times_ if isinstance(one, Timed))
