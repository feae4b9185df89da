"""The words of a row, read; and rows in words, with repetitions gathered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from app.core.errors import UsageError
from app.core.params import parse_number

__all__ = ["gathered", "one_number", "options", "whole"]


def whole(text: str, word: str) -> int:
    """Return the whole number after a word; raises `UsageError`."""
    if not re.fullmatch(r"\d{1,9}", text):
        raise UsageError(f"“{text}” after {word} is not a whole number.")
    return int(text)


def one_number(word: str, name: str, words: Sequence[str]) -> dict[str, float]:
    """Return the number after a word by its name, or nothing; raises `UsageError`."""
    if len(words) > 1:
        raise UsageError(f"“{word}” takes one number at most.")
    return {name: parse_number(words[0])} if words else {}


def options(words: Sequence[str], names: tuple[str, ...]) -> tuple[dict[str, int], list[str]]:
    """Return ``NAME NUMBER`` pairs of the words, and the words that are left."""
    values: dict[str, int] = {}
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word in names:
            values[word] = whole(next(waiting, ""), word)
        else:
            rest.append(word)
    return values, rest


def gathered(texts: Sequence[str]) -> str:
    """Return the texts of rows with commas between them; ``[…] x 3`` stands for what is repeated."""
    return ", ".join(_repeats(texts))


def _repeats(texts: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(texts):
        best_length, best_times = 1, 1
        for length in range(2, (len(texts) - at) // 2 + 1):
            pattern = texts[at : at + length]
            times = 1
            while texts[at + times * length : at + (times + 1) * length] == pattern:
                times += 1
            if times > 1 and length * (times - 1) > best_length * (best_times - 1):
                best_length, best_times = length, times
        pattern = texts[at : at + best_length]
        if best_times > 1:
            yield f"[{gathered(pattern)}] x {best_times}"
        else:
            yield pattern[0]
        at += best_length * best_times
