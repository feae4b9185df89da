"""The list of layers: edited as text, described as it is typed."""

from __future__ import annotations

import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from app.core.nn.description import describe_network
from app.core.specs.layer_list import parse_layers
from app.core.specs.layers import LAYERS
from app.ui.widgets.layer_list import PATTERNS, LayerList

TEXT = "conv 32 7x7, relu, pool 2, affine 500, relu"


@pytest.fixture
def layers(qtbot: QtBot) -> LayerList:
    layers = LayerList()
    qtbot.addWidget(layers)
    layers.set_layers(TEXT)
    layers.show()
    return layers


def cells(layers: LayerList, row: int) -> list[str]:
    item = layers.tree.topLevelItem(row)
    assert item is not None
    return [item.text(column) for column in range(4)]


def edit(layers: LayerList, row: int, text: str) -> None:
    item = layers.tree.topLevelItem(row)
    assert item is not None
    item.setText(0, text)


def test_rows_show_shape_view_and_weights(layers: LayerList) -> None:
    assert cells(layers, 0) == ["conv 32 7x7", "32×32×32", "7×7", "4 736"]
    assert cells(layers, 2)[1:3] == ["32×16×16", "8×8"]
    assert cells(layers, 3)[3] == "4.10 M"
    # The layer of the scores is added, and cannot be edited.
    assert cells(layers, 5)[0] == "affine 10"
    item = layers.tree.topLevelItem(5)
    assert item is not None
    assert not item.flags() & Qt.ItemFlag.ItemIsEditable


def test_an_edited_row_makes_another_list(qtbot: QtBot, layers: LayerList) -> None:
    with qtbot.waitSignal(layers.layers_changed) as told:
        edit(layers, 0, "CONV 16 5x5 stride 2")
    assert told.args == ["conv 16 5x5 stride 2, relu, pool 2, affine 500, relu"]
    assert cells(layers, 0)[1] == "16×16×16"


def test_several_rows_can_be_typed_in_one(qtbot: QtBot, layers: LayerList) -> None:
    with qtbot.waitSignal(layers.layers_changed) as told:
        edit(layers, 1, "batchnorm, relu")
    assert told.args == ["conv 32 7x7, batchnorm, relu, pool 2, affine 500, relu"]


def test_what_is_no_layer_is_said_and_undone(qtbot: QtBot, layers: LayerList) -> None:
    with qtbot.assertNotEmitted(layers.layers_changed):
        edit(layers, 1, "reluu")
    assert "reluu" in layers.problem.text()
    assert layers.problem.isVisible()
    assert cells(layers, 1)[0] == "relu"


def test_an_impossible_row_is_said_at_the_row(qtbot: QtBot, layers: LayerList) -> None:
    with qtbot.assertNotEmitted(layers.layers_changed):
        edit(layers, 2, "pool 40")
    item = layers.tree.topLevelItem(2)
    assert item is not None
    assert "40" in item.toolTip(0)
    assert "Row 3" in layers.problem.text()
    assert cells(layers, 3)[1:] == ["", "", ""]
    with qtbot.waitSignal(layers.layers_changed):
        edit(layers, 2, "pool 4")
    assert not layers.problem.isVisible()


def test_rows_are_added_moved_and_removed(qtbot: QtBot, layers: LayerList) -> None:
    told: list[str] = []
    layers.layers_changed.connect(told.append)
    layers.tree.setCurrentItem(layers.tree.topLevelItem(0))
    layers._add("batchnorm")
    for name in ("layerDown", "layerUp", "layerRemove"):
        button = layers.findChild(QToolButton, name)
        assert button is not None
        button.click()
    assert told == [
        "conv 32 7x7, batchnorm, relu, pool 2, affine 500, relu",
        "conv 32 7x7, relu, batchnorm, pool 2, affine 500, relu",
        "conv 32 7x7, batchnorm, relu, pool 2, affine 500, relu",
        TEXT,
    ]


def test_the_keys_move_and_remove(qtbot: QtBot, layers: LayerList) -> None:
    layers.tree.setCurrentItem(layers.tree.topLevelItem(1))
    with qtbot.waitSignal(layers.layers_changed):
        qtbot.keyClick(layers, Qt.Key.Key_Up, Qt.KeyboardModifier.ControlModifier)
    with qtbot.waitSignal(layers.layers_changed) as told:
        qtbot.keyClick(layers, Qt.Key.Key_Delete)
    assert told.args == ["conv 32 7x7, pool 2, affine 500, relu"]


def test_the_last_row_stays(qtbot: QtBot, layers: LayerList) -> None:
    layers.set_layers("affine 7")
    layers.tree.setCurrentItem(layers.tree.topLevelItem(0))
    with qtbot.assertNotEmitted(layers.layers_changed):
        layers._remove()
    assert "linear classifier" in layers.problem.text()


@pytest.mark.parametrize("word", list(LAYERS))
def test_every_layer_of_the_menu_can_be_added(layers: LayerList, word: str) -> None:
    layers.set_layers("conv 8")
    layers.tree.setCurrentItem(layers.tree.topLevelItem(0))
    layers._add(word)
    assert layers.description is not None
    assert layers.description.error is None


@pytest.mark.parametrize("text", list(PATTERNS.values()), ids=list(PATTERNS))
def test_every_pattern_can_be_built(layers: LayerList, text: str) -> None:
    assert describe_network(parse_layers(text), (3, 32, 32), 10).error is None
    layers._replace(text)
    assert layers.description is not None
    assert layers.description.error is None


def test_a_locked_list_cannot_be_changed(qtbot: QtBot, layers: LayerList) -> None:
    layers.set_locked(True)
    item = layers.tree.topLevelItem(0)
    assert item is not None
    assert not item.flags() & Qt.ItemFlag.ItemIsEditable
    assert not layers.add_button.isEnabled()
    layers.tree.setCurrentItem(item)
    with qtbot.assertNotEmitted(layers.layers_changed):
        qtbot.keyClick(layers, Qt.Key.Key_Delete)


def test_other_images_are_described_anew(layers: LayerList) -> None:
    layers.set_input((1, 16, 16), 4)
    assert cells(layers, 0)[1] == "32×16×16"
    assert cells(layers, 5)[0] == "affine 4"


def test_in_a_narrow_window_a_convolution_is_read_in_full(layers: LayerList) -> None:
    layers.resize(294, 230)
    layers.set_layers("conv 16 5x5, batchnorm, relu, pool 2, affine 100, relu")
    item = layers.tree.topLevelItem(0)
    text = item.text(0)
    assert layers.tree.columnWidth(0) >= layers.fontMetrics().horizontalAdvance(text) + 6
    # What is longer ends in dots; it is told whole.
    assert item.toolTip(0).startswith(text)
