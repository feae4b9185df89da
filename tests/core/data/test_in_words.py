"""Data in one line."""

from __future__ import annotations

import pytest

from app.core.data.image_preprocess import fit_images
from app.core.data.in_words import images_in_words, patches_in_words, title_of
from app.core.data.preprocess import preprocess
from app.core.data.reader import open_patches
from app.core.data.sample import sample_path
from app.core.specs import ImageSpec, PreprocessSpec
from tests.core.small_images import small_images
from tests.core.trained import images, write


@pytest.mark.parametrize(
    ("path", "title"),
    [
        (str(sample_path()), "sample patches"),
        ("synthetic", "drawn shapes"),
        ("/data/some/patches.h5", "patches.h5"),
        ("/", "/"),
    ],
)
def test_what_came_with_the_program_has_a_title_and_others_their_name(path, title):
    assert title_of(path) == title


def test_patches_are_told_with_their_shape_and_what_was_done_to_them(tmp_path):
    file = write(tmp_path / "some.h5", images(30, side=4))
    raw = open_patches(file)
    told = patches_in_words(preprocess(raw, PreprocessSpec(whiten="computed", clip=False)))
    assert told.startswith("some.h5 ▸ data   30 × 1 × 4 × 4   ·   grey, mean removed, ZCA ε ")
    assert "σ" not in told


def test_images_are_told_with_how_they_are_divided(tmp_path):
    fitted = fit_images(
        small_images(),
        ImageSpec(train_count=45, validation_count=30, normalisation="per_channel", flip=True),
    )
    told = images_in_words("few", fitted)
    assert told.startswith("few   45 / 30 / ")
    assert told.endswith("channels of mean 0, σ 1, mirrored")
