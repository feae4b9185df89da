"""What can be taken away from the window, and the dialog that asks where to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QObject
from PyQt6.QtGui import QAction, QActionGroup
from PyQt6.QtWidgets import QFileDialog, QMenu

from app.core.errors import Cancelled, FilterscopeError
from app.core.file_names import safe_name
from app.core.storage import save_bytes
from app.ui.export_items import GROUPS, Choices, Item, autoencoder_items
from app.ui.run_items import run_folder_of, run_items
from app.ui.task_notice import tell_progress
from app.workers.task_worker import Task, TaskWorker

if TYPE_CHECKING:
    from app.ui.main_window import MainWindow

__all__ = ["Exporter"]

ZOOMS = (1, 2, 4, 8, 16)


class Exporter(QObject):
    """The Export menu, and what its entries do."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window_ = window
        self.zoom = window.settings.zoom
        self.menu = QMenu("Export", window)
        self.menu.setObjectName("exportMenu")
        self.all_items: list[Item] = []
        self.actions: dict[str, QAction] = {}
        self.menu.aboutToShow.connect(self.refresh)
        # A heading for each group; what belongs to it goes above the next one.
        self._headings = {name: self._heading(name) for name in GROUPS}
        end = self.menu.addSeparator()
        assert end is not None
        lines = [line for line, _ in self._headings.values()]
        self._below = dict(zip(GROUPS, [*lines[1:], end], strict=True))
        lab = window.autoencoder_lab
        self.add(autoencoder_items(lab, window.data_panel, self.current_zoom))
        self.add(run_items(lab, "run", partial(run_folder_of, lab), autoencoder=True))
        self.menu.setToolTipsVisible(True)
        zoom = self.menu.addMenu("Zoom of pictures")
        assert zoom is not None
        zoom.setToolTipsVisible(True)
        group = QActionGroup(self)
        for factor in ZOOMS:
            choice = QAction(f"{factor} ×", window)
            choice.setCheckable(True)
            choice.setChecked(factor == self.zoom)
            choice.setData(factor)
            choice.setObjectName(f"exportZoom{factor}")
            choice.setToolTip(f"A pixel of a patch becomes {factor} × {factor} pixels of a PNG")
            group.addAction(choice)
            zoom.addAction(choice)
        group.triggered.connect(self._on_zoom)

    def add(self, items: list[Item]) -> None:
        """Offer the things of one more lab."""
        for item in items:
            action = QAction(f"{item.text}…", self.window_)
            action.setObjectName(f"export_{item.key}")
            action.setData(item.key)
            action.triggered.connect(self._on_chosen)
            self.menu.insertAction(self._below[item.group], action)
            self.actions[item.key] = action
        self.all_items.extend(items)

    def _heading(self, name: str) -> tuple[QAction, QAction]:
        """Return the line above a group, and its name, which cannot be chosen."""
        line = self.menu.addSeparator()
        heading = self.menu.addAction(name)
        assert line is not None
        assert heading is not None
        heading.setObjectName(f"exportGroup{GROUPS.index(name)}")
        heading.setToolTip(f"What follows: {name.lower()}")
        letters = heading.font()
        letters.setBold(True)
        heading.setFont(letters)
        heading.setEnabled(False)
        return line, heading

    def current_zoom(self) -> int:
        """Return how many pixels of a file a pixel of a tile becomes."""
        return self.zoom

    @property
    def items(self) -> list[Item]:
        """What the lab in sight offers."""
        return [item for item in self.all_items if item.lab is self.window_.exported]

    def refresh(self) -> None:
        """Offer what is there."""
        for item in self.all_items:
            action = self.actions[item.key]
            action.setVisible(item.lab is self.window_.exported)
            ready = item.ready()
            # An ampersand would mark a key.
            action.setText(f"{item.title.replace('&', '&&')}…")
            action.setEnabled(ready)
            saved = f"Save as {' or '.join(_named(kind) for kind in item.kinds)}"
            tip = f"{item.tip}. {saved}" if item.tip else saved
            action.setToolTip(tip if ready or not item.needs else item.needs)
        there = {item.group for item in self.items}
        for name, both in self._headings.items():
            for action in both:
                action.setVisible(name in there)

    def _on_zoom(self, action: QAction) -> None:
        self.zoom = action.data()
        self.window_.save_settings(zoom=self.zoom)

    def _on_chosen(self) -> None:
        action = self.sender()
        if not isinstance(action, QAction):
            return
        item = next(item for item in self.all_items if item.key == action.data())
        choices: Choices | None = {}
        if item.ask is not None:
            try:
                choices = item.ask(self.window_)
            except FilterscopeError as error:
                self.window_.notice.tell("problem", error.message, error.hint)
                return
        if choices is None:
            return
        filters = {f"{_named(suffix)} (*.{suffix})": suffix for suffix in item.kinds}
        settings = self.window_.settings
        folder = Path(settings.save_folder or settings.last_folder or Path.home())
        start = folder / f"{safe_name(item.title.lower())}.{item.kinds[0]}"
        # The dialog asks before an existing file is replaced.
        path, chosen = QFileDialog.getSaveFileName(
            self.window_, item.text, str(start), ";;".join(filters)
        )
        if path and self.save(item.key, Path(path), filters.get(chosen, ""), choices=choices):
            self._remember(Path(path).parent)

    def _remember(self, folder: Path) -> None:
        """Offer the folder where something was saved last for the next thing too."""
        if str(folder) != self.window_.settings.save_folder:
            self.window_.save_settings(save_folder=str(folder))

    def save(
        self,
        key: str,
        path: Path,
        suffix: str = "",
        *,
        overwrite: bool = True,
        choices: Choices | None = None,
    ) -> bool:
        """Write one thing; the kind of file follows the name's ending, else `suffix`.

        `choices` are what the thing asked for before. Returns whether it was written, or is being
        written.
        """
        item = next(item for item in self.all_items if item.key == key)
        kind = path.suffix.lstrip(".").lower()
        known = {kind for each in self.all_items for kind in each.kinds}
        if kind in known and kind not in item.kinds:
            self.window_.notice.tell(
                "problem",
                f"{item.text} cannot be saved as {kind.upper()}.",
                f"They can as {' or '.join(each.upper() for each in item.kinds)}.",
            )
            return False
        if kind not in item.kinds:
            kind = suffix or item.kinds[0]
            path = path.with_name(f"{path.name}.{kind}")
            overwrite = False
        notice = self.window_.notice
        if kind in item.later:
            make = item.later[kind]()
            self._save_later(lambda _task: (make(), []), path, overwrite)
            return True
        if kind in item.from_run:
            job = item.from_run[kind](choices or {})
            self._save_later(job, path, overwrite, stoppable=True)
            return True
        try:
            save_bytes(path, item.makers[kind](), overwrite=overwrite)
        except FilterscopeError as error:
            notice.tell("problem", error.message, error.hint)
            return False
        notice.tell("good", f"Saved {path.name}.", str(path.parent))
        return True

    def _save_later(
        self,
        make: Callable[[Task], tuple[bytes, list[str]]],
        path: Path,
        overwrite: bool,
        *,
        stoppable: bool = False,
    ) -> None:
        """Make a file in a thread of its own, and tell when it is there."""
        notice = self.window_.notice

        def job(task: Task) -> Sequence[str]:
            data, notes = make(task)
            if task.cancelled():
                raise Cancelled("The window is closing.")
            save_bytes(path, data, overwrite=overwrite)
            return notes

        worker = TaskWorker(job)

        def ended() -> None:
            if worker.result is not None:
                # What is to be known of the file stays until it is read.
                kind = "warning" if worker.result else "good"
                where = "  ".join((str(path.parent), *worker.result))
                notice.tell(kind, f"Saved {path.name}.", where)
            elif worker.error is not None:
                notice.tell("problem", *worker.error)
            elif worker.cancelled:
                notice.tell(
                    "plain", f"{path.name} was not written.", "What was there is unchanged."
                )
            elif worker.bug:
                said = f"{path.name} was not written: a fault in the program."
                notice.tell("problem", said, "", worker.bug)

        worker.ended.connect(ended)
        if stoppable:
            tell_progress(notice, worker, f"Writing {path.name}")
        else:
            notice.tell("plain", f"Writing {path.name}.", "")
        self.window_.runner.start(worker)


def _named(kind: str) -> str:
    """Return a kind of file as people call it."""
    names = {
        "filterscope": ".filterscope",
        "ipynb": "Jupyter notebook",
        "npz": "NumPy arrays",
        "onnx": "ONNX network",
        "pt": "PyTorch state_dict",
        "py": "Python",
        "safetensors": "safetensors",
        "tfevents": "TensorBoard",
    }
    return names.get(kind, kind.upper())
