"""How a race stands, in words: for each racer, for all, and at its end."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from app.core.race.contestant import Contestant
from app.core.race.standing import JUDGES, places

__all__ = ["behind", "figures", "judged_curves", "leader", "line", "standing_csv", "verdict"]


def written(value: float, judge: str) -> str:
    """Return a value as a person reads it: an accuracy in per cent."""
    return f"{value:.1%}" if judge == "accuracy" else f"{value:.3g}"


def figures(one: Contestant, judge: str, words: str) -> str:
    """Return J, and what the racer is judged by; without words in short."""
    cost, value = one.value("cost"), one.value(judge)
    parts = [] if cost is None else [f"J {cost:.3g}"]
    if value is not None and judge != "cost":
        short = "right" if judge == "accuracy" else "error"
        parts.append(f"{words or short} {written(value, judge)}")
    return "  ·  ".join(parts)


def behind(value: float | None, best: float | None, judge: str) -> str:
    """Return how far a racer is behind the best: ``+12 %``, of an accuracy ``−3.1 points``.

    Empty for the best itself, and where there is nothing to compare.
    """
    if value is None or best is None or value == best:
        return ""
    if judge == "accuracy":
        return f"−{100 * (best - value):.1f} points"
    if best <= 0:
        return ""
    share = value / best - 1
    return f"+{share:.0%}" if share >= 0.095 else f"+{share:.1%}"


def leader(racers: Sequence[Contestant], judge: str, *, least_is_best: bool) -> int | None:
    """Return the place in the row of who alone is ahead, or None."""
    found = places([one.value(judge) for one in racers], least_is_best=least_is_best)
    return found.index(1) if found.count(1) == 1 else None


def verdict(racers: Sequence[Contestant], kind: str, judge: str, *, ended: bool) -> str:
    """Return who is ahead, or won, by what, and by how much; empty where nobody alone is.

    Parameters
    ----------
    kind : {"autoencoder", "cnn"}
    judge : str
        One of `JUDGES` of that kind.
    """
    words, least_is_best = JUDGES[kind][judge]
    first = leader(racers, judge, least_is_best=least_is_best)
    if first is None:
        return ""
    best = racers[first].value(judge)
    assert best is not None
    others = [one.value(judge) for place, one in enumerate(racers) if place != first]
    known = [value for value in others if value is not None]
    said = (
        f"{racers[first].name} {'won' if ended else 'is ahead'} by {words} {written(best, judge)}"
    )
    if not known:
        return said
    second = min(known) if least_is_best else max(known)
    gap = behind(second, best, judge)
    return f"{said}; the next has {written(second, judge)}" + (f" ({gap})" if gap else "")


def line(racers: Sequence[Contestant]) -> tuple[float, str]:
    """Return how far the race is (0 … 1), and one line of figures."""
    racing = [one for one in racers if one.ending is None] or racers
    last = min(racing, key=lambda one: one.share)
    out = sum(bool(one.out) for one in racers)
    words = f"epoch {int(last.epochs)} / {last.spec.epochs}   ·   {len(racers)} racers"
    return last.share, words + (f", {out} out" if out else "")


def judged_curves(racers: Sequence[Contestant], judge: str) -> str:
    """Return the quantity whose curves show what `judge` judges by, as `curve_of` names it."""
    if judge == "accuracy" and not any(one.history.evaluations for one in racers):
        # Before the first look at validation images there is the cost to be seen.
        judge = "cost"
    return {"accuracy": "validation", "cost": "cost"}.get(judge, f"term {judge}")


def standing_csv(racers: Sequence[Contestant], kind: str, judge: str) -> bytes:
    """Return a line for each racer: its place, name, figures, how far it is, and its run."""
    words, least_is_best = JUDGES[kind][judge]
    values = [one.value(judge) for one in racers]
    ranks = places(values, least_is_best=least_is_best)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("place", "racer", words.replace(" ", "_"), "J", "epochs", "out", "run"))
    for one, value, rank in zip(racers, values, ranks, strict=True):
        run = "" if one.path is None else one.path.name
        # What is None is an empty cell.
        cells = (rank, one.called, value, one.value("cost"), f"{one.epochs:.6g}", one.out, run)
        writer.writerow(cells)
    return out.getvalue().encode()
