"""Messages between the reader and its child: a kind, a length, and that many bytes.

JSON for words, raw bytes for numbers; nothing is ever unpickled.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

__all__ = ["MOST_BYTES", "Broken", "read_frame", "write_bytes", "write_json"]

HEADER = struct.Struct("<cQ")
MOST_JSON = 4 << 20
MOST_BYTES = 256 << 20


class Broken(Exception):  # noqa: N818 - the other side is broken, not this one
    """The stream ended or what came is no message."""


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) != count:
        raise Broken("the other side went away")
    return data


def read_frame(stream: IO[bytes]) -> dict[str, Any] | bytes:
    """Return the next message: a JSON object, or bytes."""
    kind, length = HEADER.unpack(_read(stream, HEADER.size))
    if kind == b"J" and length <= MOST_JSON:
        try:
            message = json.loads(_read(stream, length))
        except (ValueError, RecursionError) as error:
            raise Broken(f"not JSON: {error}") from None
        if isinstance(message, dict):
            return message
    elif kind == b"B" and length <= MOST_BYTES:
        return _read(stream, length)
    raise Broken("not a message")


def write_json(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Send a JSON object."""
    data = json.dumps(message).encode()
    stream.write(HEADER.pack(b"J", len(data)) + data)
    stream.flush()


def write_bytes(stream: IO[bytes], data: bytes | memoryview) -> None:
    """Send bytes."""
    view = memoryview(data).cast("B")
    stream.write(HEADER.pack(b"B", len(view)))
    stream.write(view)
    stream.flush()
