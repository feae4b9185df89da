"""Which file a person's network is in."""

from __future__ import annotations

import hashlib

import pytest

from app.core.errors import FilterscopeError
from app.core.own_model.file import needs_consent, read_model_file


def test_a_file_and_a_name_in_it(tmp_path):
    path = tmp_path / "net.py"
    path.write_text("x = 'ü'\n", encoding="utf-8")
    plain, named = read_model_file(str(path)), read_model_file(f"{path}:Net")
    assert (plain.path, plain.wanted, plain.name) == (str(path), "", "net.py")
    assert (named.path, named.wanted) == (str(path), "Net")
    assert (plain.text, named.text) == (str(path), f"{path}:Net")
    assert plain.source == "x = 'ü'\n"
    assert plain.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_reading_it_runs_nothing(tmp_path):
    canary = tmp_path / "canary"
    path = tmp_path / "net.py"
    path.write_text(f"open({str(canary)!r}, 'w')\n")
    read_model_file(str(path))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("net.txt", b"", "net.txt is no file of Python."),
        ("nowhere.py", None, "There is no file nowhere.py."),
        ("empty.py", b"", "empty.py is empty."),
        ("bytes.py", b"\xff\xfe", "bytes.py is no text in UTF-8."),
        ("long.py", b"#" * ((1 << 20) + 1), "long.py has"),
    ],
)
def test_what_is_no_program_is_refused(tmp_path, name, content, said):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FilterscopeError) as caught:
        read_model_file(str(tmp_path / name))
    assert caught.value.message.startswith(said)


def test_consent_is_asked_for_in_plain_words():
    error = needs_consent("net.py")
    assert str(error) == (
        "net.py is a program: it would run with your rights on this computer. "
        "If you trust it, add --trust-code."
    )
