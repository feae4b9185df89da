"""Small line icons, drawn for a colour when they are first needed.

A dozen glyphs in as many lines weigh less than an icon font, whose loading alone would take a
tenth of the time the window has to appear.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path

from PyQt6.QtCore import QByteArray, QRectF, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer

__all__ = ["icon", "icon_file"]

_PATHS = {
    "arrow": '<path d="M2.5 4.5 L6 8 L9.5 4.5" fill="none" stroke="{c}" stroke-width="1.6"/>',
    "check": '<path d="M2 6.5 L5 9.5 L10 3" fill="none" stroke="{c}" stroke-width="2"/>',
    "play": '<path d="M3 1.5 L10.5 6 L3 10.5 Z" fill="{c}"/>',
    "pause": '<path d="M2.5 1.5 h2.6 v9 h-2.6 Z M6.9 1.5 h2.6 v9 h-2.6 Z" fill="{c}"/>',
    "step": '<path d="M1.5 1.5 L7.5 6 L1.5 10.5 Z M8.6 1.5 h2 v9 h-2 Z" fill="{c}"/>',
    "stop": '<path d="M2 2 h8 v8 h-8 Z" fill="{c}"/>',
    "reset": '<path d="M2.2 3.2 A4.6 4.6 0 1 1 1.4 6.6 M2 .8 V3.6 H4.8" fill="none" stroke="{c}" stroke-width="1.5"/>',
    "close": '<path d="M2.5 2.5 L9.5 9.5 M9.5 2.5 L2.5 9.5" stroke="{c}" stroke-width="1.5"/>',
    "back": '<path d="M7.5 2 L3.5 6 L7.5 10" fill="none" stroke="{c}" stroke-width="1.6"/>',
    "forward": '<path d="M4.5 2 L8.5 6 L4.5 10" fill="none" stroke="{c}" stroke-width="1.6"/>',
    "up": '<path d="M6 10.5 V2 M2.5 5.5 L6 2 L9.5 5.5" fill="none" stroke="{c}" stroke-width="1.6"/>',
    "new_folder": '<path d="M1 2.5 h3.5 l1 1.5 H11 v6 H1 Z M6 5.3 v3.4 M4.3 7 h3.4" fill="none" stroke="{c}" stroke-width="1.1"/>',
    "tiles": '<path d="M2 2 h3 v3 h-3 Z M7 2 h3 v3 h-3 Z M2 7 h3 v3 h-3 Z M7 7 h3 v3 h-3 Z" fill="{c}"/>',
    "lines": '<path d="M2 3 H10 M2 6 H10 M2 9 H10" stroke="{c}" stroke-width="1.4"/>',
    "lock": '<path d="M2.5 5.5 h7 v5 h-7 Z" fill="{c}"/><path d="M4 5.5 V3.7 a2 2 0 0 1 4 0 V5.5" fill="none" stroke="{c}" stroke-width="1.3"/>',
}


def _svg(name: str, colour: str) -> bytes:
    body = _PATHS[name].format(c=colour)
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 12 12">'
    return f"{head}{body}</svg>".encode()


@lru_cache(maxsize=64)
def icon(name: str, colour: str, disabled: str = "") -> QIcon:
    """Return the icon `name` in `colour` (``#rrggbb``), sharp at every scale."""
    found = QIcon()
    for mode, tint in ((QIcon.Mode.Normal, colour), (QIcon.Mode.Disabled, disabled or colour)):
        for size in (12, 24, 36, 48):
            pixmap = QPixmap(size, size)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            renderer = QSvgRenderer(QByteArray(_svg(name, tint)))
            renderer.render(painter, QRectF(0, 0, size, size))
            painter.end()
            found.addPixmap(pixmap, mode)
    return found


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="filterscope-icons-")


@lru_cache(maxsize=32)
def icon_file(name: str, colour: str) -> str:
    """Return the path of an SVG file of the icon; style sheets can only name files."""
    path = Path(_folder().name) / f"{name}-{colour.lstrip('#')}.svg"
    path.write_bytes(_svg(name, colour))
    return path.as_posix()
