"""Starts the window: application, theme, first data, and what follows a crash."""

from __future__ import annotations

import sys
from pathlib import Path

from PyQt6.QtCore import QByteArray, QObject, Qt, QTimer, pyqtSignal
from PyQt6.QtGui import QGuiApplication, QIcon
from PyQt6.QtWidgets import QApplication

import resources
from app import crash
from app.core.data.preprocess import sweep_work_files
from app.core.kernels import COMPILED, REASON
from app.core.settings import Settings, load_settings
from app.launch import IMAGE_NAMES
from app.ui.main_window import MainWindow
from app.ui.theme import theme

__all__ = ["SWITCH_SECONDS", "run"]

# A thread that computes in Python gives the interpreter up so soon when another waits for it. By
# default it is five times as long, and the window waits for several threads in turn.
SWITCH_SECONDS = 0.001


class _CrashRelay(QObject):
    """Carries reports from whatever thread they arise in to the window's."""

    reported = pyqtSignal(str, str)


def run(
    files: list[str],
    *,
    theme_choice: str | None = None,
    safe_mode: bool = False,
    reset_settings: bool = False,
) -> int:
    """Show the window and return when it is closed.

    Parameters
    ----------
    files : list of str
        Opened instead of the sample patches; the first counts.
    theme_choice : str, optional
        ``dark``, ``light`` or ``system``, for this time.
    safe_mode : bool
        Neither read nor write settings.
    reset_settings : bool
        Start from the defaults, and keep them.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    QGuiApplication.setHighDpiScaleFactorRoundingPolicy(
        Qt.HighDpiScaleFactorRoundingPolicy.PassThrough
    )
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setApplicationName("Filterscope")
    application.setDesktopFileName("Filterscope")
    application.setStyle("Fusion")
    icon = Path(resources.__file__).with_name("filterscope.svg")
    application.setWindowIcon(QIcon(str(icon)))
    settings, trouble = (Settings(), "") if safe_mode or reset_settings else load_settings()
    theme.choose(theme_choice or settings.theme)
    hints = QGuiApplication.styleHints()
    if hints is not None:
        hints.colorSchemeChanged.connect(theme.follow_system)
    window = MainWindow(settings)
    window.keep_settings = not safe_mode
    relay = _CrashRelay()
    relay.reported.connect(window.report_bug)
    crash.listen(relay.reported.emit)
    if settings.geometry and not safe_mode:
        window.restoreGeometry(QByteArray(bytes.fromhex(settings.geometry)))
    window.show()
    if trouble:
        window.notice.tell("problem", trouble)
    elif not COMPILED:
        window.notice.tell(
            "plain",
            f"Training runs on the NumPy twins: {REASON}.",
            "It is correct but several times slower. Install a C compiler, then install again.",
        )
    left = crash.left_over()
    if left is not None:
        window.notice.tell("problem", "The program ended unexpectedly last time.", "", left)
    window.offer_to_go_on(left or "")
    if files and (files[0] in IMAGE_NAMES or Path(files[0].partition("::")[0]).exists()):
        window.opening.open(files[0])
    elif files:
        window.opening.open_sample_instead(f"There is no file {files[0]}.")
    if not window.data.busy:
        # Nothing was named, or it is for another lab.
        window.opening.open_sample()
    # What a crashed process left on the disk is swept when the window is there.
    QTimer.singleShot(2000, sweep_work_files)
    code = application.exec()
    crash.listen(None)
    return code
