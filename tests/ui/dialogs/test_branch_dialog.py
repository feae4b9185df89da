"""The dialog that asks for a branch is as high as what it asks."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from app.core.specs import AutoencoderSpec, ConvNetSpec
from app.ui.dialogs.branch_dialog import BranchDialog


@pytest.mark.parametrize("spec", [AutoencoderSpec(), ConvNetSpec()])
def test_it_has_no_empty_strip(qtbot: QtBot, spec) -> None:
    dialog = BranchDialog(spec, "epoch 3.2", 3.2, 20, running=True)
    qtbot.addWidget(dialog)
    dialog.show()
    qtbot.waitUntil(dialog.isVisible)
    column = dialog._column
    needed = max(column.heightForWidth(column.width()), column.sizeHint().height())
    assert dialog._scroll.height() - needed <= 1
    assert dialog.height() <= 560
    assert dialog._scroll.height() >= min(needed, 260)
