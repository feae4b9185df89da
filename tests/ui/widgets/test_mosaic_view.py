"""The mosaic on the screen: whole pixels at every scale, the right tile under the mouse, no surprise by any data."""

from __future__ import annotations

import numpy as np
import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.ui.theme import theme
from app.ui.widgets.mosaic_view import MosaicView


@pytest.fixture
def view(qtbot: QtBot) -> MosaicView:
    view = MosaicView("tiles", lambda index: f"tile {index}")
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.show()
    return view


def tiles(count: int = 12, side: int = 6) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, 1, side, side))


def grab(view: MosaicView) -> QImage:
    return view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def test_every_pixel_of_a_tile_is_a_square_of_whole_pixels(view: MosaicView) -> None:
    """Compared with the mosaic itself, enlarged by repeating."""
    view.set_tiles(tiles())
    mosaic = view.mosaic
    assert mosaic is not None
    first = view.tile_rect(0)
    zoom = first.width() / 6
    assert zoom == int(zoom) >= 1
    picture = grab(view)
    left, top = round(first.x() - zoom), round(first.y() - zoom)
    wanted = mosaic.zoomed(int(zoom))
    for y in range(0, wanted.shape[0], 5):
        for x in range(0, wanted.shape[1], 3):
            colour = picture.pixelColor(left + x, top + y)
            level = np.atleast_1d(wanted[y, x])
            assert colour.red() == level[0]


def test_the_tile_under_the_mouse_is_named(qtbot: QtBot, view: MosaicView) -> None:
    view.set_tiles(tiles())
    for index in range(12):
        assert view.tile_at(view.tile_rect(index).center()) == index
    assert view.tile_at(QPointF(0, 0)) in (-1, 0)
    assert view.tile_at(QPointF(-5, -5)) == -1
    assert view.tile_at(QPointF(5000, 10)) == -1


def test_a_click_chooses(qtbot: QtBot, view: MosaicView) -> None:
    view.set_tiles(tiles())
    with qtbot.waitSignal(view.tile_clicked) as clicked:
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.tile_rect(7).center().toPoint())
    assert clicked.args == [7]
    assert view.selected == 7


def test_arrows_move_the_choice(qtbot: QtBot, view: MosaicView) -> None:
    view.set_tiles(tiles())
    columns = view.mosaic.columns
    for key, expected in (
        (Qt.Key.Key_Right, 0),
        (Qt.Key.Key_Right, 1),
        (Qt.Key.Key_Down, 1 + columns),
        (Qt.Key.Key_Up, 1),
        (Qt.Key.Key_Left, 0),
        (Qt.Key.Key_Left, 0),
        (Qt.Key.Key_Up, 0),
    ):
        qtbot.keyClick(view, key)
        assert view.selected == expected


def test_hovering_is_told(qtbot: QtBot, view: MosaicView) -> None:
    view.set_tiles(tiles())
    heard = []
    view.tile_hovered.connect(heard.append)
    for index in (0, 5):
        qtbot.mouseMove(view, view.tile_rect(index).center().toPoint())
    view.leaveEvent(None)
    assert heard[-1] == -1
    assert 5 in heard


def test_bands_stand_below_each_other_and_share_their_index(view: MosaicView) -> None:
    view.set_bands([tiles(), tiles(), tiles()], ("input", "output", "residual"))
    assert view.count >= 8
    for index in range(view.count):
        centres = [view.tile_rect(index, band).center() for band in range(3)]
        assert len({round(c.x()) for c in centres}) == 1
        assert centres[0].y() < centres[1].y() < centres[2].y()
        assert [view.tile_at(c) for c in centres] == [index] * 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, 1e300, 1e-300])
@pytest.mark.parametrize("scale", ["own", "common", "diverging", "unit"])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_value_disturbs_it(view: MosaicView, value: float, scale: str, channels: int) -> None:
    odd = np.random.default_rng(0).standard_normal((5, channels, 4, 4))
    view.set_scale(scale)
    odd[2] = value
    view.set_tiles(odd)
    assert not view.grab().isNull()
    view.set_tiles(np.full((5, channels, 4, 4), value))
    assert not view.grab().isNull()


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1, 1, 1),
        (1, 1, 300, 2),
        (300, 1, 1, 1),
        (1, 1, 900, 900),
        (500, 3, 20, 20),
        (2, 1, 1, 500),
    ],
)
def test_every_shape_is_drawn_inside_the_widget(view: MosaicView, shape: tuple[int, ...]) -> None:
    view.set_tiles(np.random.default_rng(0).random(shape))
    for index in (0, shape[0] - 1):
        assert view.rect().toRectF().adjusted(-1, -1, 1, 1).contains(view.tile_rect(index))
    assert not view.grab().isNull()


def test_nothing_to_show_says_what_to_do(view: MosaicView) -> None:
    view.empty_text = "Press Train"
    for nothing in (None, np.empty((0, 1, 4, 4))):
        view.set_tiles(nothing)
        assert view.mosaic is None
        assert view.count == 0
        assert view.tile_at(QPointF(10, 10)) == -1
        written = {grab(view).pixel(x, y) for x in range(0, 400, 2) for y in range(140, 160)}
        assert len(written) > 1


def test_a_choice_that_is_no_longer_there_is_forgotten(view: MosaicView) -> None:
    view.set_tiles(tiles(12))
    view.select(10)
    view.set_tiles(tiles(4))
    assert view.selected is None
    assert not view.grab().isNull()


def test_frames_are_drawn_in_the_theme_s_colour(view: MosaicView) -> None:
    view.set_tiles(tiles())
    view.set_frames({3: "bad", 99: "warm"})
    picture = grab(view)
    edge = view.tile_rect(3).topLeft() + QPointF(5, -1)
    assert picture.pixelColor(edge.toPoint()) == theme.colour("bad")


def test_it_does_not_keep_the_caller_s_array(view: MosaicView) -> None:
    given = tiles()
    view.set_tiles(given)
    before = grab(view)
    given[:] = 0
    view.update()
    assert grab(view) == before


def test_gaps_follow_the_theme(view: MosaicView) -> None:
    view.set_tiles(tiles())
    gap = QPoint(round(view.tile_rect(0).right()), round(view.tile_rect(0).center().y()))
    assert grab(view).pixelColor(gap) == theme.colour("card")
    theme.choose("dark")
    assert grab(view).pixelColor(gap) == theme.colour("card")


def test_frames_of_neighbours_do_not_lie_over_each_other(view: MosaicView) -> None:
    view.set_tiles(tiles())
    view.set_frames({0: "bad", 1: "good"})
    picture = grab(view)
    middle = QPointF(0, view.tile_rect(0).height() / 2)
    right = view.tile_rect(0).topRight() + middle
    left = view.tile_rect(1).topLeft() + middle
    assert picture.pixelColor(QPoint(round(right.x()), round(right.y()))) == theme.colour("bad")
    assert picture.pixelColor(QPoint(round(left.x()) - 1, round(left.y()))) == theme.colour("good")


def test_dimmed_tiles_are_nearer_to_the_card(view: MosaicView) -> None:
    view.set_tiles(np.zeros((4, 1, 8, 8), np.float32))
    view.set_scale("unit")
    plain = grab(view)
    view.dim([2])
    dimmed = grab(view)
    for tile, same in ((0, True), (2, False)):
        place = view.tile_rect(tile).center().toPoint()
        assert (plain.pixelColor(place) == dimmed.pixelColor(place)) is same
    assert dimmed.pixelColor(view.tile_rect(2).center().toPoint()).lightness() > 150


def test_a_tag_is_written_at_its_tile_within_the_view(view: MosaicView) -> None:
    view.set_tiles(tiles())
    before = grab(view)
    for tile in (0, 5, view.count - 1):
        view.tag(tile, "r 0.50")
        after = grab(view)
        accent = theme.colour("accent")
        seen = [
            (x, y)
            for x in range(after.width())
            for y in range(after.height())
            if after.pixelColor(x, y) == accent
        ]
        assert len(seen) > 200
    view.tag(None)
    assert grab(view) == before
