"""A name that a file is given is one on every system, and never leaves its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.file_names import safe_name

RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10))}
ODD = st.one_of(
    st.text(max_size=300),
    st.text(st.characters(categories=("Cs", "Cc", "Ll", "Po")), max_size=120),
    st.builds(
        "".join,
        st.lists(
            st.sampled_from(
                ["../", "/", "\\", ".", "con", "NUL", "COM1", "lpt9", "COM¹", "\0", " ", "-", "ﬀ", "a", "é", "x" * 90]
            ),
            max_size=8,
        ),
    ),
)  # fmt: skip


@given(ODD)
def test_a_name_never_leaves_its_folder(text):
    name = safe_name(text)
    folder = Path("/somewhere/chosen")
    assert (folder / name).resolve().parent == folder
    assert 1 <= len(name) <= 80
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not name.startswith((".", "-"))
    assert not name.endswith((".", " "))
    assert name.partition(".")[0].lower() not in RESERVED
    # A name that is safe already is left as it is.
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("filters.png", "filters.png"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe 1.png", "Groe-1.png"),
        ("滤波器", "untitled"),
        ("", "untitled"),
        ("con.png", "file-con.png"),
        ("a" * 300, "a" * 80),
        ("trailing.", "trailing"),
    ],
)
def test_names_that_are_known(text, name):
    assert safe_name(text) == name
