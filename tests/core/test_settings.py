"""Settings can never keep the program from starting, and nothing of them is lost unsaid."""

from __future__ import annotations

import errno
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core import storage
from app.core.errors import StorageError, UsageError
from app.core.settings import (
    Settings,
    config_folder,
    data_folder,
    load_settings,
    log_folder,
    read_json,
)


@pytest.fixture
def place():
    path = config_folder() / "settings.json"
    path.parent.mkdir(parents=True)
    return path


def test_what_was_saved_is_loaded():
    said = Settings(theme="dark", recent=("a b.h5", "Größe 滤波器.npy", "caf\udce9.npy"), zoom=4)
    said.save()
    assert load_settings() == (said, "")
    said.changed(theme="light").save()
    assert load_settings()[0].theme == "light"


def test_without_a_file_there_are_defaults_and_nothing_is_said():
    assert load_settings() == (Settings(), "")
    assert not config_folder().exists()


DAMAGED = [
    b"",
    b"\0\xff\xfe\x80junk",
    b"{",
    b"[]",
    b"null",
    b"NaN",
    b'{"version": 2, "theme": "dark"}',
    b'{"theme": "purple"}',
    b'{"theme": "dark", "theme": "light"}',
    b'{"zoom": "large"}',
    b'{"zoom": 0}',
    b'{"zoom": 100000}',
    b'{"zoom": 1e999}',
    b'{"recent": "not a list"}',
    b'{"nobody": "knows me"}',
    b"[" * 100_000,
    b"9" * 10_000,
    b" " * ((1 << 20) + 1),
]


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_settings_are_told_and_kept(place, data):
    place.write_bytes(data)
    found, said = load_settings()
    assert isinstance(found, Settings)
    assert "settings.json.BAK" in said
    assert "\n" not in said
    assert place.with_name("settings.json.BAK").read_bytes() == data
    # Once they are saved, nothing more is said, and the old file is still kept.
    found.save()
    assert load_settings() == (found, "")
    assert place.with_name("settings.json.BAK").read_bytes() == data


def test_what_is_good_of_damaged_settings_stays(place):
    place.write_text('{"version": 2, "theme": "dark", "zoom": -1, "recent": ["a"], "new": 1}')
    assert load_settings()[0] == Settings(theme="dark", recent=("a",))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(list(Settings.model_fields)) | st.text(max_size=5),
        st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.text(max_size=3)),
    ).map(lambda values: json.dumps(values).encode())
)  # fmt: skip
def test_any_file_gives_settings_that_can_be_saved(home, data):
    folder = config_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.json").write_bytes(data)
    found, said = load_settings()
    assert isinstance(found, Settings)
    assert "\n" not in said
    found.save()
    assert load_settings() == (found, "")


def test_a_folder_in_the_place_of_the_file_is_told(place):
    place.mkdir()
    found, said = load_settings()
    assert found == Settings()
    assert "could not be read" in said
    with pytest.raises(StorageError):
        found.save()


def test_a_disk_that_takes_nothing_keeps_nobody_from_starting(place, monkeypatch):
    class ReadOnly(storage.FileSystem):
        def create(self, path):
            raise OSError(errno.EROFS, "Read-only file system")

    place.write_bytes(b"junk")
    monkeypatch.setattr(storage, "disk", ReadOnly())
    found, said = load_settings()
    assert found == Settings()
    assert "could not be kept" in said
    assert place.read_bytes() == b"junk"
    with pytest.raises(StorageError, match="read-only"):
        found.save()
    assert place.read_bytes() == b"junk"


def test_a_home_that_cannot_be_made_is_told_when_saving(home):
    home.parent.mkdir(parents=True, exist_ok=True)
    home.touch()
    assert load_settings()[0] == Settings()
    with pytest.raises(StorageError):
        Settings().save()
    home.unlink()


def test_runs_are_kept_where_the_person_says(monkeypatch, tmp_path):
    assert data_folder().name == "runs"
    monkeypatch.setenv("FILTERSCOPE_RUNS", str(tmp_path))
    assert data_folder() == tmp_path
    assert len({config_folder(), data_folder(), log_folder()}) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NaN", "NaN"),
        ("[Infinity]", "Infinity"),
        ("-1e999", "-1e999"),
        ('{"a": {"b": 1, "b": 2}}', "twice"),
        ("{", "not JSON"),
        ("9" * 10_000, "not JSON"),
        ("[" * 100_000, "not JSON"),
        (" " * ((1 << 20) + 1), "bytes"),
    ],
)
def test_what_json_may_not_say_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        read_json(text.encode())


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8,
))  # fmt: skip
def test_what_json_may_say_is_read(value):
    assert read_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=64))
def test_any_bytes_are_json_or_refused(data):
    said = "read"
    try:
        read_json(data)
    except UsageError as error:
        said = str(error)
    assert said == said.strip() != ""


def test_settings_are_written_for_the_person_alone_to_change(place):
    Settings().save()
    assert place.stat().st_mode & 0o022 == 0
