"""A film of the weights forming: the filters at every keyframe, with the curve and a line of words."""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.core.errors import Cancelled, FilterscopeError, UsageError
from app.core.fonts import drawable, font
from app.core.mosaic import mosaic
from app.core.takeaway.choices import FilmScale
from app.core.takeaway.contents import Contents

__all__ = ["Film", "FilmPlan", "film_bytes", "plan_film"]

INK, QUIET, LINE, ACCENT, PAPER = "#161b22", "#626b76", "#e1e5ea", "#2f6fed", "#ffffff"
MARGIN, CURVE_HEIGHT = 16, 96
# The mosaic is about so wide unless somebody says otherwise, and at most so wide.
USUAL, WIDEST = 560, 1600
LEAST_WIDTH = 420
# Writers keep the frames of a GIF or an APNG until the last one is there: so many bytes of them.
MOST_BYTES = 384 << 20
# The last picture stays, so that it can be looked at.
HOLD_SECONDS = 2.0


@dataclass(frozen=True)
class Shot:
    """One keyframe that is shown."""

    step: int
    path: Path


@dataclass(frozen=True)
class FilmPlan:
    """Which keyframes a film shows, and how large it is; known before anything is drawn.

    Attributes
    ----------
    shots : tuple of Shot
    keyframes : int
        How many the run has: more than are shown where memory would not hold them.
    zoom : int
        Pixels for a pixel.
    width, height, top : int
        Size of a frame, and where its words begin, in pixels.
    """

    shots: tuple[Shot, ...]
    keyframes: int
    zoom: int
    width: int
    height: int
    top: int

    def seconds(self, fps: float) -> float:
        """Return how long the film is; its last frame stays."""
        return (len(self.shots) - 1) / fps + HOLD_SECONDS


def plan_film(contents: Contents, zoom: int | None = None) -> FilmPlan:
    """Return what a film of this run would be.

    Raises
    ------
    UsageError
        The run has fewer than two keyframes with filters.
    """
    shots = [Shot(step, path) for step, path in contents.run.keyframes()]
    if len(shots) < 2:
        raise UsageError(
            f"{contents.run.name} has {len(shots)} keyframe{'s' * (len(shots) != 1)}: "
            "a film needs two.",
            "Train for longer, so that weights are kept on the way.",
        )
    shape = contents.shape_of_tiles(_weights(contents, shots[0]))
    rows, columns = mosaic(np.zeros(shape, np.float32)).pixels.shape[:2]
    zoom = min(zoom or max(1, USUAL // columns), max(1, WIDEST // columns))
    width = max(columns * zoom + 2 * MARGIN, LEAST_WIDTH)
    top = rows * zoom + 2 * MARGIN
    height = top + 44 + CURVE_HEIGHT + MARGIN
    # Films that others open want even sides.
    width, height = width + width % 2, height + height % 2
    most = max(2, MOST_BYTES // (3 * width * height))
    shown = shots
    if len(shots) > most:
        shown = [shots[n] for n in np.linspace(0, len(shots) - 1, most).astype(int)]
    return FilmPlan(tuple(shown), len(shots), zoom, width, height, top)


def _weights(contents: Contents, shot: Shot) -> dict[str, NDArray[np.float32]]:
    weights = contents.run.read_keyframe(shot.path)
    if "W1" not in weights:
        raise UsageError("The keyframes of this run hold no filters.")
    return weights


class Film:
    """The frames of a run's film, drawn one after the other.

    Parameters
    ----------
    contents : Contents
    zoom : int, optional
        Pixels for a pixel; what makes the filters about as wide as a hand by default.
    scale : {"common", "own", "diverging"}
        ``common``: black and white mean the same in all of the film, so that nothing flickers
        but what changes; ``diverging``: and zero is the middle; ``own``: each filter's own least
        and greatest weight, in each frame.

    Raises
    ------
    UsageError
        The run has fewer than two keyframes with filters.
    """

    def __init__(
        self, contents: Contents, *, zoom: int | None = None, scale: FilmScale = "own"
    ) -> None:
        self.contents, self.scale = contents, scale
        plan = self.plan = plan_film(contents, zoom)
        self.zoom, self.width, self.height, self.top = plan.zoom, plan.width, plan.height, plan.top
        self.shots = plan.shots
        if len(self.shots) < plan.keyframes:
            contents.note(f"The film shows {len(self.shots)} of {plan.keyframes} keyframes.")
        self.low, self.high = self._range() if scale != "own" else (0.0, 1.0)
        self._curve = self._draw_curve()

    def __len__(self) -> int:
        return len(self.shots)

    def _tiles(self, shot: Shot) -> NDArray[np.float32]:
        return np.asarray(self.contents.tiles(_weights(self.contents, shot)), np.float32)

    def _range(self) -> tuple[float, float]:
        """Return the least and the greatest weight of the whole film."""
        low, high = np.inf, -np.inf
        for number, shot in enumerate(self.shots):
            self._tell(0.3 * number / len(self.shots), "Measuring the keyframes")
            tiles = self._tiles(shot)
            low, high = min(low, float(tiles.min())), max(high, float(tiles.max()))
        if self.scale == "diverging":
            high = max(abs(low), abs(high))
            low = -high
        return low, high if high > low else low + 1.0

    def _tell(self, share: float, text: str) -> None:
        if self.contents.cancel is not None and self.contents.cancel():
            raise Cancelled("The film was given up.")
        if self.contents.progress is not None:
            self.contents.progress(share, text)

    def frames(self) -> Iterator[Image.Image]:
        """Yield the frames (RGB), one at a time."""
        for number, shot in enumerate(self.shots):
            self._tell(0.3 + 0.7 * (number + 1) / len(self.shots), "Drawing the film")
            yield self.frame(shot)

    def frame(self, shot: Shot) -> Image.Image:
        """Return one frame."""
        tiles = self._tiles(shot)
        if self.scale == "own":
            picture = mosaic(tiles, scale="own")
        else:
            picture = mosaic((tiles - self.low) / (self.high - self.low), scale="unit")
        image = Image.new("RGB", (self.width, self.height), PAPER)
        pixels = picture.zoomed(self.zoom)
        image.paste(Image.fromarray(pixels), ((self.width - pixels.shape[1]) // 2, MARGIN))
        pen = ImageDraw.Draw(image)
        history, contents = self.contents.history, self.contents
        words = f"step {shot.step:,}   epoch {contents.epoch_of(shot.step):.3g}"
        place = int(np.searchsorted(history.steps, shot.step, side="right")) - 1
        if place >= 0:
            name = "loss" if contents.info.kind == "cnn" else "J"
            words += f"   {name} {history.terms[place].sum():.4g}"
        pen.text((MARGIN, self.top), words, INK, font(14, bold=True))
        small = font(11)
        said = drawable(contents.caption())
        while small.getlength(said) > self.width - 2 * MARGIN and len(said) > 4:
            said = said[:-2].rstrip(" …") + "…"
        pen.text((MARGIN, self.top + 21), said, QUIET, small)
        image.paste(self._curve, (MARGIN, self.top + 44))
        x = MARGIN + self._across(contents.epoch_of(max(shot.step, 1)))
        pen.line([(x, self.top + 44), (x, self.top + 43 + CURVE_HEIGHT)], ACCENT, 1)
        if place >= 0:
            y = self.top + 44 + self._down(float(history.terms[place].sum()))
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], ACCENT)
        return image

    def _draw_curve(self) -> Image.Image:
        """Return the curve of all of the run, on which each frame has a cursor."""
        history = self.contents.history
        width = self.width - 2 * MARGIN
        costs = history.terms.sum(axis=1)
        good = np.isfinite(costs) & (costs > 0)
        epochs = history.steps / max(self.contents.info.steps_per_epoch, 1)
        ends = [
            self.contents.epoch_of(max(self.shots[0].step, 1)),
            self.contents.epoch_of(self.shots[-1].step),
        ]
        x, y = epochs[good], costs[good]
        self._x = np.log([min([*ends, *x[:1]]), max([*ends, *x[-1:]])])
        self._y = np.log([y.min(), y.max()]) if len(y) else np.zeros(2)
        image = Image.new("RGB", (2 * width, 2 * CURVE_HEIGHT), PAPER)
        pen = ImageDraw.Draw(image)
        pen.rectangle([0, 0, 2 * width - 1, 2 * CURVE_HEIGHT - 1], outline=LINE, width=2)
        # No more points than can be seen: of each column the mean.
        if len(x):
            columns = np.array([round(self._across(value)) for value in x[:: 1 + len(x) // 4000]])
            heights = np.array([self._down(value) for value in y[:: 1 + len(y) // 4000]])
            sums, counts = np.bincount(columns, heights), np.bincount(columns)
            points = [(2.0 * c, 2.0 * sums[c] / counts[c]) for c in np.flatnonzero(counts).tolist()]
            pen.line(points, QUIET, 3, joint="curve")
        return image.resize((width, CURVE_HEIGHT), Image.Resampling.BOX)

    def _across(self, epoch: float) -> float:
        width = self.width - 2 * MARGIN - 9
        left, right = self._x
        share = (np.log(max(epoch, 1e-12)) - left) / (right - left) if right > left else 0.5
        return float(4 + np.clip(share, 0, 1) * width)

    def _down(self, cost: float) -> float:
        low, high = self._y
        share = (np.log(max(cost, 1e-300)) - low) / (high - low) if high > low else 0.5
        return float(CURVE_HEIGHT - 6 - np.clip(share, 0, 1) * (CURVE_HEIGHT - 12))


def film_bytes(film: Film, kind: str, *, fps: float = 12.0) -> bytes:
    """Return the film as ``gif``, ``png`` (APNG) or ``mp4``.

    Raises
    ------
    UsageError
        imageio-ffmpeg, which MP4 needs, is not installed.
    Cancelled
        The person gave up.
    """
    if not 0.5 <= fps <= 60:
        raise UsageError("A film has between 0.5 and 60 frames a second.")
    if kind == "mp4":
        return _mp4(film, fps)
    frames = film.frames()
    if kind == "gif":
        # No dithering: it would be another noise in each frame.
        frames = (
            frame.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            for frame in frames
        )
    first = next(frames)
    out = io.BytesIO()
    usual = max(20, round(1000 / fps / 10) * 10)
    durations = [usual] * (len(film) - 1) + [round(1000 * HOLD_SECONDS)]
    if kind == "gif":
        first.save(
            out,
            "GIF",
            save_all=True,
            append_images=frames,
            duration=durations,
            loop=0,
            optimize=False,
        )
    else:
        # Pillow goes through them twice here.
        rest = list(frames)
        first.save(out, "PNG", save_all=True, append_images=rest, duration=durations, loop=0)
    return out.getvalue()


def _mp4(film: Film, fps: float) -> bytes:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise UsageError(
            f"imageio-ffmpeg, which makes MP4, is not installed ({error}).",
            'Say: pip install "filterscope[film]", or choose .gif or .png.',
        ) from None
    with tempfile.TemporaryDirectory(prefix="filterscope-film-") as folder:
        path = Path(folder) / "film.mp4"
        try:
            writer = imageio_ffmpeg.write_frames(
                str(path), (film.width, film.height), fps=fps, quality=8, macro_block_size=2
            )
            writer.send(None)
            last = b""
            for frame in film.frames():
                last = frame.tobytes()
                writer.send(last)
            for _ in range(round(HOLD_SECONDS * fps) - 1):
                writer.send(last)
            writer.close()
            return path.read_bytes()
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            said = " ".join(str(error).split())[:200]
            raise FilterscopeError(
                f"ffmpeg could not write the film: {said}", "Choose .gif or .png."
            ) from None
