"""Films and posters: their frames are the keyframes, on one scale, and words are words."""

from __future__ import annotations

import io
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from app.core.errors import Cancelled, UsageError
from app.core.mosaic import mosaic
from app.core.run_exports import export_run
from app.core.specs import AutoencoderSpec
from app.core.takeaway.choices import FilmSpec
from app.core.takeaway.contents import contents_of
from app.core.takeaway.film import MARGIN, Film, film_bytes
from app.core.takeaway.poster import INNER, Bar, Poster, Tiles, Words, poster_pdf, poster_svg
from tests.core.takeaway.cnn_runs import record_convnet
from tests.core.trained import images, record, write

SPEC = AutoencoderSpec(hidden_units=9, batch_size=32, epochs=5, solver="sgd")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("film")


@pytest.fixture(scope="module")
def run(place):
    live = [SPEC.changed(rho=0.1), SPEC.changed(rho=0.2), SPEC.changed(rho=0.3)]
    return record(place, write(place / "p.h5", images()), SPEC, live=live)


def inside(film, frame):
    """Return the filters of a frame, a pixel for a pixel."""
    wide = np.asarray(frame)
    tiles = film._tiles(film.shots[0])
    height, width = mosaic(tiles).pixels.shape[:2]
    left = (film.width - width * film.zoom) // 2
    part = wide[MARGIN : MARGIN + height * film.zoom, left : left + width * film.zoom]
    return part[:: film.zoom, :: film.zoom]


def test_a_frame_is_a_keyframe_on_the_scale_of_the_whole_film(run):
    film = Film(contents_of(run), scale="common")
    assert [shot.step for shot in film.shots] == [step for step, _ in run.keyframes()]
    every = [run.read_keyframe(path)["W1"] for _, path in run.keyframes()]
    low, high = min(w.min() for w in every), max(w.max() for w in every)
    for weights, frame in zip(every, film.frames(), strict=True):
        assert frame.size == (film.width, film.height)
        tiles = (weights.T.reshape(9, 6, 6) - low) / (high - low)
        expected = mosaic(tiles, scale="unit").pixels
        np.testing.assert_array_equal(inside(film, frame)[:, :, 0], expected)


def test_own_scale_is_that_of_the_window(run):
    # The usual one: on one scale for all, the small first weights are nearly all grey.
    film = Film(contents_of(run), zoom=3)
    assert film.scale == FilmSpec().scale == "own"
    assert film.zoom == 3
    weights = run.read_keyframe(run.keyframes()[-1][1])["W1"]
    expected = mosaic(weights.T.reshape(9, 6, 6), scale="own").pixels
    np.testing.assert_array_equal(inside(film, film.frame(film.shots[-1]))[:, :, 0], expected)


def test_zero_is_the_middle_of_a_diverging_film(run):
    film = Film(contents_of(run), scale="diverging")
    assert film.low == -film.high < 0


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_the_files_have_all_frames_and_hold_the_last(run, kind):
    film = Film(contents_of(run))
    with Image.open(io.BytesIO(film_bytes(film, kind, fps=10))) as movie:
        assert movie.n_frames == len(film)
        durations = []
        for number in range(movie.n_frames):
            movie.seek(number)
            durations.append(movie.info["duration"])
            if kind == "png":
                np.testing.assert_array_equal(
                    np.asarray(movie.convert("RGB")), np.asarray(film.frame(film.shots[number]))
                )
    assert durations == [100] * (len(film) - 1) + [2000]


def test_a_film_as_mp4(run):
    found = pytest.importorskip("imageio_ffmpeg")
    data = film_bytes(Film(contents_of(run)), "mp4", fps=10)
    assert data[4:8] == b"ftyp"
    assert found.get_ffmpeg_exe()


def test_without_ffmpeg_one_sentence_says_what_to_do(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match="imageio-ffmpeg") as caught:
        export_run(run, "film", "mp4")
    assert "filterscope[film]" in caught.value.hint


def test_it_tells_how_far_it_is_and_can_be_given_up(run):
    told = []
    film = Film(contents_of(run, progress=lambda share, text: told.append(share)))
    assert len(list(film.frames())) == len(film)
    assert told == sorted(told)
    assert told[-1] == 1.0
    asked = iter([False] * 3 + [True] * 99)
    with pytest.raises(Cancelled):
        list(Film(contents_of(run, cancel=lambda: next(asked))).frames())


def test_frames_are_bounded_by_memory(run, monkeypatch):
    monkeypatch.setattr("app.core.takeaway.film.MOST_BYTES", 3 * 580 * 760 * 3)
    contents = contents_of(run)
    film = Film(contents)
    steps = [step for step, _ in run.keyframes()]
    assert 2 <= len(film) < len(steps)
    assert film.shots[0].step == steps[0]
    assert film.shots[-1].step == steps[-1]
    assert f"The film shows {len(film)} of {len(steps)} keyframes." in contents.notes


def test_what_cannot_be_a_film_is_one_sentence(run, place, tmp_path):
    once = record(tmp_path, place / "p.h5", SPEC.changed(epochs=1))
    for _, path in once.keyframes()[1:]:
        path.unlink()
    with pytest.raises(UsageError, match="1 keyframe: a film needs two"):
        Film(contents_of(once))
    with pytest.raises(UsageError, match="frames a second"):
        export_run(run, "film", "gif", fps=1000)


def test_a_networks_film_and_poster(tmp_path):
    run = record_convnet(tmp_path)
    for what, kind in (("film", "gif"), ("poster", "svg"), ("poster", "pdf")):
        assert export_run(run, what, kind)[0]


def test_a_poster_calls_drawn_images_as_the_window_does(tmp_path):
    run = record_convnet(tmp_path)
    run.write_info(run.info.changed(source=run.info.source.changed(path="synthetic")))
    assert "images of drawn shapes," in poster_svg(Poster.of(contents_of(run))).decode()


@pytest.mark.parametrize("scale", ["own", "common", "diverging"])
def test_a_posters_bar_is_as_long_as_a_filter(run, scale):
    poster = Poster.of(contents_of(run), scale)
    words = [part for part in poster.parts if isinstance(part, Words)]
    bar = next(part for part in poster.parts if isinstance(part, Bar))
    tiles = next(part for part in poster.parts if isinstance(part, Tiles))
    pixel = INNER / tiles.mosaic.pixels.shape[1]
    assert bar.width == pytest.approx(6 * pixel)
    assert "6 pixels" in [part.text for part in words]
    assert any("ρ 0.05" in part.text for part in words)
    values = contents_of(run).weights["W1"]
    if scale == "common":
        assert {f"{values.min():.3g}", f"{values.max():.3g}"} <= {part.text for part in words}
    root = ElementTree.fromstring(poster_svg(poster))
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert said == [part.text for part in words]
    data = poster_pdf(poster)
    assert data.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", data)) == 1


def test_a_posters_words_fit_and_are_escaped(run):
    values = run.info.model_dump()
    values["source"]["path"] = "/x/" + "<b>&" * 60
    contents = contents_of(run)
    contents.info = type(run.info).build(values)
    poster = Poster.of(contents)
    ElementTree.fromstring(poster_svg(poster))
    line = next(p.text for p in poster.parts if isinstance(p, Words) and "learned" in p.text)
    assert line.endswith("…")
