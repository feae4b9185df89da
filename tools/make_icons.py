"""Draw resources/filterscope.svg as the pictures that desktops want: PNG, .ico and .icns.

Run it from the repository's root after a change of the drawing. Needs PyQt6 and Pillow.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PIL import Image
from PyQt6.QtCore import QBuffer, QIODevice, QRectF, Qt
from PyQt6.QtGui import QGuiApplication, QImage, QPainter
from PyQt6.QtSvg import QSvgRenderer

SOURCE = Path("resources/filterscope.svg")
ICO_SIZES = (16, 24, 32, 48, 64, 128, 256)
ICNS_SIZES = (32, 64, 128, 256, 512, 1024)


def draw(renderer: QSvgRenderer, size: int) -> Image.Image:
    """Draw at exactly `size` pixels, rather than scale a picture."""
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGBA")


def main() -> int:
    """Write the files beside the drawing."""
    application = QGuiApplication(sys.argv)
    renderer = QSvgRenderer(str(SOURCE))
    if not renderer.isValid():
        print(f"{SOURCE} cannot be drawn.", file=sys.stderr)
        return 1
    stem = SOURCE.with_suffix("")
    for size in (64, 256):
        draw(renderer, size).save(f"{stem}-{size}.png", optimize=True)
    for suffix, sizes in (("ico", ICO_SIZES), ("icns", ICNS_SIZES)):
        pictures = [draw(renderer, size) for size in sizes]
        pictures[-1].save(
            f"{stem}.{suffix}",
            sizes=[(size, size) for size in sizes],
            append_images=pictures[:-1],
        )
    del renderer, application
    return 0


if __name__ == "__main__":
    sys.exit(main())
