"""What a run folder gives as files: the same pictures, curves and numbers as the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.convnet_exports import with_accuracies
from app.core.errors import UsageError
from app.core.export import (
    curves_csv,
    mosaic_png,
    mosaic_svg,
    weights_npz,
    weights_safetensors,
)
from app.core.runs import RunFolder
from app.core.script import repeat_script
from app.core.takeaway.contents import (
    AutoencoderContents,
    ConvNetContents,
    contents_of,
    cost_chart,
    reconstruction_mosaic,
    reopen,
)
from app.core.tensorboard import event_file
from app.core.torch_exports import onnx_bytes, state_dict_bytes, tensors_bytes
from app.core.torch_script import torch_script
from app.core.waiting import Cancel, Progress

__all__ = ["EXPORTS", "cost_chart", "export_run", "reconstruction_mosaic", "reopen"]

# What there is, and the kinds of file of each; an autoencoder and a CNN have not all of them.
EXPORTS = {
    "filters": ("png", "svg"),
    "reconstructions": ("png", "svg"),
    "poster": ("svg", "pdf"),
    "film": ("gif", "png", "mp4"),
    "curves": ("csv", "svg", "png", "tfevents"),
    "weights": ("npz", "safetensors", "pt", "onnx"),
    "report": ("html", "pdf"),
    "script": ("py",),
    "notebook": ("ipynb",),
    "archive": ("filterscope",),
}


def export_run(
    run: RunFolder,
    what: str,
    kind: str,
    *,
    zoom: int | None = None,
    scale: str | None = None,
    fps: float = 12.0,
    checkpoints: bool = True,
    data: bool = False,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> tuple[bytes, list[str]]:
    """Return one thing of a run as the bytes of a file, and what a person should know.

    Parameters
    ----------
    what, kind : str
        See `EXPORTS`; `kind` is the file's ending.
    zoom : int, optional
        Pixels for a pixel: 8, or of a film as many as make it handy.
    scale : {"own", "common", "diverging"}, optional
        See `mosaic`; ``own``, or of a film ``common``.
    fps : float
        Frames of a film in a second.
    checkpoints, data : bool
        What goes along in an archive, see `archive_bytes`.
    cancel, progress : callable, optional
        Asked and told while something long is made.

    Raises
    ------
    UsageError
        There is no such thing, or not of that kind.
    """
    contents = contents_of(run, cancel=cancel, progress=progress)
    maker = _Maker(contents, zoom, scale, fps, checkpoints, data)
    if isinstance(contents, ConvNetContents):
        makers = _of_convnet(maker, contents)
    else:
        makers = _of_autoencoder(maker, contents)
    if what not in makers:
        raise UsageError(f"There is no “{what}” to export; there are {', '.join(makers)}.")
    kinds = makers[what]
    if kind not in kinds:
        raise UsageError(
            f"{what} cannot be a .{kind or '(none)'} file.",
            f"It can be {', '.join('.' + k for k in kinds)}.",
        )
    return kinds[kind](), contents.notes


Makers = Mapping[str, Mapping[str, Callable[[], bytes]]]


def _of_autoencoder(maker: _Maker, contents: AutoencoderContents) -> Makers:
    def reconstructions_png() -> bytes:
        return mosaic_png(contents.reconstructions(), maker.zoom, contents.text())

    def reconstructions_svg() -> bytes:
        words = "rows: input, output, residual; " + contents.caption()
        return mosaic_svg(contents.reconstructions(), maker.zoom, "Reconstructions", words)

    def script() -> bytes:
        return repeat_script(contents.info, contents.history).encode()

    def notebook() -> bytes:
        from app.core.takeaway.notebook import notebook_bytes

        return notebook_bytes(contents.info, contents.history)

    return {
        **maker.shared(),
        "reconstructions": {"png": reconstructions_png, "svg": reconstructions_svg},
        "script": {"py": script},
        "notebook": {"ipynb": notebook},
    }


def _of_convnet(maker: _Maker, contents: ConvNetContents) -> Makers:
    def onnx() -> bytes:
        shift, factor = contents.run.read_normalisation()
        text = {**contents.text(), "classes": ", ".join(contents.info.classes)}
        return onnx_bytes(contents.network, shift, factor, text)

    def script() -> bytes:
        return torch_script(contents.info, contents.history).encode()

    found = maker.shared()
    found["weights"] = {
        **found["weights"],
        "pt": lambda: (
            state_dict_bytes(contents.network, contents.info.convnet[0])
            if contents.info.model is None
            else tensors_bytes(own_arrays(contents))
        ),
        "onnx": onnx,
    }
    return {**found, "script": {"py": script}}


def own_arrays(contents: AutoencoderContents | ConvNetContents) -> dict[str, NDArray[np.float32]]:
    """Return what the network consists of, without what only pictures need."""
    names = contents.run.shapes()
    return {name: array for name, array in contents.weights.items() if name in names}


class _Maker:
    """Makes what the runs of all networks have."""

    def __init__(
        self,
        contents: AutoencoderContents | ConvNetContents,
        zoom: int | None,
        scale: str | None,
        fps: float,
        checkpoints: bool,
        data: bool,
    ) -> None:
        self.contents, self.asked_zoom, self.asked_scale = contents, zoom, scale
        self.zoom, self.scale = zoom or 8, scale or "own"
        self.fps, self.checkpoints, self.data = fps, checkpoints, data

    def shared(self) -> dict[str, dict[str, Callable[[], bytes]]]:
        contents = self.contents
        return {
            "filters": {"png": self.filters_png, "svg": self.filters_svg},
            "curves": {
                "csv": self.curves_csv,
                "svg": lambda: contents.chart().svg(),
                "png": lambda: contents.chart().png(),
                "tfevents": self.curves_tfevents,
            },
            "weights": {
                "npz": lambda: weights_npz(own_arrays(contents)),
                "safetensors": lambda: weights_safetensors(own_arrays(contents), contents.text()),
            },
            "report": {"html": self.report_html, "pdf": self.report_pdf},
            "film": {kind: partial(self.film, kind) for kind in EXPORTS["film"]},
            "poster": {"svg": self.poster_svg, "pdf": self.poster_pdf},
            "archive": {"filterscope": self.archive},
        }

    def filters_png(self) -> bytes:
        return mosaic_png(self.contents.filters(self.scale), self.zoom, self.contents.text())

    def filters_svg(self) -> bytes:
        cnn = isinstance(self.contents, ConvNetContents)
        title = "First-layer filters" if cnn else "Filters"
        return mosaic_svg(
            self.contents.filters(self.scale), self.zoom, title, self.contents.caption()
        )

    def curves_csv(self) -> bytes:
        info, history = self.contents.info, self.contents.history
        table = curves_csv(history, info.spec, info.steps_per_epoch)
        return with_accuracies(table, history) if info.kind == "cnn" else table

    def curves_tfevents(self) -> bytes:
        info = self.contents.info
        seconds = 0.0 if info.outcome is None else info.outcome.seconds
        return event_file(self.contents.history, info.started, seconds, self.contents.text())

    # What follows needs libraries that nothing else does: they are loaded when it is asked for.

    def report_html(self) -> bytes:
        from app.core.takeaway.page import page_html
        from app.core.takeaway.report import report_page

        return page_html(report_page(self.contents))

    def report_pdf(self) -> bytes:
        from app.core.takeaway.pdf import page_pdf
        from app.core.takeaway.report import report_page

        return page_pdf(report_page(self.contents))

    def film(self, kind: str) -> bytes:
        from app.core.takeaway.film import Film, film_bytes

        scale: Any = self.asked_scale or "own"
        return film_bytes(
            Film(self.contents, zoom=self.asked_zoom, scale=scale), kind, fps=self.fps
        )

    def poster_svg(self) -> bytes:
        from app.core.takeaway.poster import Poster, poster_svg

        return poster_svg(Poster.of(self.contents, self.scale))

    def poster_pdf(self) -> bytes:
        from app.core.takeaway.poster import Poster, poster_pdf

        return poster_pdf(Poster.of(self.contents, self.scale))

    def archive(self) -> bytes:
        from app.core.takeaway.archive import archive_bytes

        contents = self.contents
        return archive_bytes(
            contents.run,
            checkpoints=self.checkpoints,
            data=self.data,
            cancel=contents.cancel,
            progress=contents.progress,
        )
