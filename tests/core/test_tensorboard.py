"""Event files hold the run's numbers, framed as TensorBoard expects."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from app.core.events import Change, Evaluated
from app.core.history import History
from app.core.tensorboard import event_file

pytest.importorskip("tensorboardX")


def crc32c(data: bytes) -> int:
    """The Castagnoli polynomial, bit by bit (RFC 3720, B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def events(data: bytes) -> list[Any]:
    from tensorboardX.proto.event_pb2 import Event

    def masked(part: bytes) -> int:
        crc = crc32c(part)
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        assert struct.unpack_from("<I", data, at + 8)[0] == masked(data[at : at + 8])
        body = data[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body)
        found.append(Event.FromString(body))
        at += 16 + length
    return found


def history() -> History:
    made = History(("data", "l2"))
    made.append(1, np.arange(8.0).reshape(4, 2), np.array([0.1, 0.2, 0.3, 0.4]))
    made.evaluations.append(Evaluated("r", 2, 1.0, 0.5, 0.25, 1.75, True))
    made.evaluations.append(Evaluated("r", 4, 2.0, 0.75, None, None, False))
    made.changes.append((2, Change("reg", 0.0, 0.5)))
    return made


def test_the_check_value_of_the_polynomial() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_every_step_evaluation_and_change_is_there() -> None:
    first, *steps = events(event_file(history(), "2026-01-02T03:04:05+00:00", 8.0))
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in steps] == [1, 2, 3, 4]
    assert [event.wall_time - first.wall_time for event in steps] == [2, 4, 6, 8]
    said = [{v.tag: v.simple_value for v in event.summary.value} for event in steps]
    assert [one["cost/J"] for one in said] == [1, 5, 9, 13]
    assert [one["cost/l2"] for one in said] == [1, 3, 5, 7]
    assert [one["accuracy/batch"] for one in said] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert said[1]["accuracy/validation"] == 0.25
    assert said[1]["cost/validation"] == 1.75
    assert said[3]["accuracy/train"] == 0.75
    assert "accuracy/validation" not in said[3]
    assert [one.get("settings/reg") for one in said] == [None, None, 0.5, None]


def test_a_run_without_steps_and_one_without_names() -> None:
    assert len(events(event_file(History(("a",)), "2026-01-02T03:04:05+00:00", 0.0))) == 1
    made = History(("a",))
    made.append(1, np.ones((2, 1)))
    tags = [
        v.tag
        for e in events(event_file(made, "2026-01-02T03:04:05+00:00", 0.0))
        for v in e.summary.value
    ]
    assert tags == ["cost/a", "cost/J"] * 2


def test_the_settings_are_a_table_whatever_they_say() -> None:
    settings = {"rho": "0.05", "layers": "conv | <b>x</b>\nrelu", "path": "/x/\udcff"}
    data = event_file(history(), "2026-01-02T03:04:05+00:00", 8.0, settings)
    (value,) = events(data)[1].summary.value
    assert value.metadata.plugin_data.plugin_name == "text"
    lines = value.tensor.string_val[0].decode().splitlines()
    assert lines[:3] == ["| setting | value |", "|---|---|", "| rho | 0.05 |"]
    assert lines[3] == r"| layers | conv \| \<b\>x\</b\> relu |"
    assert len(lines) == 5
