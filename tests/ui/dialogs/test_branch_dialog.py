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


def test_only_what_the_solver_uses_is_asked(qtbot: QtBot) -> None:
    dialog = BranchDialog(AutoencoderSpec(), "epoch 3.2", 3.2, 20, running=True)
    qtbot.addWidget(dialog)
    for solver, shown in (("adam", (True, True, False)), ("nesterov", (True, True, True))):
        dialog.form._on_row("solver", solver)
        rows = [dialog.form.rows[name] for name in ("learning_rate", "batch_size", "momentum")]
        assert tuple(not row.isHidden() for row in rows) == shown
    dialog.form._on_row("solver", "lbfgs")
    assert all(row.isHidden() for row in rows)
