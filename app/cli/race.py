"""``filterscope race``: two to four settings trained in turns on the same batches."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from app.cli.options import command, settings_help
from app.cli.progress import Interruptible, Progress
from app.cli.train import open_data, read_settings
from app.cli.train_cnn import read_cnn_settings
from app.cli.training import setting_options
from app.core.errors import UsageError
from app.core.presets import CNN_PRESETS, PRESETS
from app.core.specs import AutoencoderSpec, ConvNetSpec, ImageSpec, PreprocessSpec

__all__ = ["add_race", "run_race"]

VARY = """values that race (--vary, may be given often; two to four combinations in all):
  --vary rho=0.05,0.2,0.5            a list
  --vary learning_rate=1e-4..1e-2:log:3   a range: three values, equal factors apart
  --vary "layers=conv 8 3x3, relu | conv 16 3x3, relu"   a list of texts

Each racer is a run like any other, with a tag that all of them share; runs resume goes on with
one that was stopped.

"""


def add_race(commands: Any) -> None:
    """Add ``race autoencoder`` and ``race cnn``."""
    race = commands.add_parser("race", help="Train two to four settings on the same batches")
    kinds = race.add_subparsers(metavar="NETWORK", required=True)
    for kind, what, classes, presets in (
        ("autoencoder", "sparse autoencoders", (AutoencoderSpec, PreprocessSpec), PRESETS),
        ("cnn", "convolutional networks", (ConvNetSpec, ImageSpec), CNN_PRESETS),
    ):
        parser = command(
            kinds,
            kind,
            f"Race {what} against each other, batch by batch",
            run_race,
            epilog=VARY + settings_help(classes, presets),
        )
        parser.set_defaults(kind=kind, device=None)
        parser.add_argument("data", nargs="?", metavar="DATA", help="as for train")
        parser.add_argument(
            "--vary", action="append", default=[], metavar="NAME=VALUES", help="what differs"
        )
        parser.add_argument("--judge", metavar="WHAT", help="what says who is ahead")
        setting_options(parser, list(presets))
        if kind == "autoencoder":
            parser.add_argument("--layout", help="what the axes of a file of patches mean")
            parser.add_argument("--value-range", choices=["0..1", "0..255"])


def run_race(options: argparse.Namespace) -> int:
    """``filterscope race``."""
    from app.core import threads as threading_
    from app.core.race.entry import settings_of
    from app.core.race.line_up import line_up
    from app.core.race.lockstep import RaceControl, race
    from app.core.race.standing import JUDGES
    from app.core.settings import data_folder

    cnn = options.kind == "cnn"
    base, preprocess = (read_cnn_settings if cnn else read_settings)(options)
    judges = JUDGES[options.kind]
    judge = options.judge or next(iter(judges))
    if judge not in judges:
        raise UsageError(f"“{judge}” says nothing of a race; there are {', '.join(judges)}.")
    if options.threads is not None and options.threads < 1:
        raise UsageError("--threads must be at least 1.")
    if not options.vary:
        raise UsageError("There is nothing to race.", "Say --vary rho=0.05,0.2,0.5.")
    specs = settings_of(base, options.vary)
    data = _data(options, preprocess)
    threads = options.threads or threading_.kernel_threads(window=False)
    racers = line_up(data, specs, root=data_folder(), threads=threads)
    control, screen = RaceControl(len(racers)), Screen(racers, judge, judges[judge])
    with Interruptible(control.stop):
        for event in race(racers, control):
            screen.take(event)
    if options.json:
        print(json.dumps({"judge": judge, "racers": screen.facts()}))
    else:
        screen.table()
    if any(racer["state"] == "stopped" for racer in screen.facts()):
        return 130
    return 0 if all(racer["state"] in ("done", "converged") for racer in screen.facts()) else 1


def _data(options: argparse.Namespace, preprocess: Any) -> Any:
    """Open and prepare what DATA names."""
    if options.kind == "cnn":
        from app.core.data.image_preprocess import fit_images
        from app.core.data.image_reader import open_images
        from app.core.data.synthetic import SYNTHETIC_NAME

        screen = Progress("images")
        data: Any = fit_images(
            open_images(options.data or SYNTHETIC_NAME, progress=screen.share), preprocess
        )
    else:
        from app.core.data.preprocess import preprocess as fit

        screen = Progress()
        data = fit(open_data(options, screen), preprocess, progress=screen.share)
    screen.end()
    return data


class Screen:
    """A line for each racer at the end of its epochs, and a table at the end of all."""

    def __init__(self, racers: Any, judge: str, words: tuple[str, bool]) -> None:
        from app.core.history import History

        self.racers, self.judge, (self.words, self.least) = list(racers), judge, words
        self.by_id = {racer.run_id: place for place, racer in enumerate(racers)}
        self.histories = [History(racer.run.info.term_names) for racer in racers]
        self.endings: list[Any] = [None] * len(self.racers)
        self.wide = max(len(racer.name) for racer in racers)
        for racer in racers:
            if racer.run.warning:
                self._say(racer.run.warning)

    def take(self, event: Any) -> None:
        """Show an event."""
        from app.core import events
        from app.core.params import format_number

        place = self.by_id[event.run_id]
        self.histories[place].take(event)
        name = self.racers[place].name
        if isinstance(event, events.EpochEnded):
            epochs = self.racers[place].spec.epochs
            value = self.values()[place]
            said = "" if value is None or self.judge == "cost" else f"   {self._judged(value)}"
            print(
                f"epoch {event.epoch} / {epochs}   {name:{self.wide}}   "
                f"J {event.terms.sum():.5g}{said}",
                file=sys.stderr,
                flush=True,
            )
        elif isinstance(event, events.Noted):
            self._say(f"{event.message} {event.hint}".strip())
        elif isinstance(event, events.Failed):
            self.endings[place] = event
            if event.kind == "bug":
                print(event.traceback_text, file=sys.stderr)
            step = format_number(event.step)
            # What would help it alone is no advice in a race.
            hint = "" if event.kind == "diverged" else event.hint
            self._say(f"{name} is out after step {step}: {event.message} {hint}".strip())
        elif isinstance(event, events.Finished):
            self.endings[place] = event

    def _say(self, text: str) -> None:
        print(f"filterscope: {text}", file=sys.stderr, flush=True)

    def _judged(self, value: float) -> str:
        return f"{self.words} " + (f"{value:.1%}" if self.judge == "accuracy" else f"{value:.5g}")

    def values(self) -> list[float | None]:
        """Return what each is judged by; none of one that is out."""
        return [self._value(place, self.judge) for place in range(len(self.racers))]

    def _value(self, place: int, judge: str) -> float | None:
        from app.core.events import Failed
        from app.core.race.standing import value_of

        ending, racer = self.endings[place], self.racers[place]
        if isinstance(ending, Failed):
            return None
        return value_of(self.histories[place], racer.steps_per_epoch, judge, ending)

    def facts(self) -> list[dict[str, Any]]:
        """Return what came out, a racer each."""
        from app.core.race.standing import places

        found = places(self.values(), least_is_best=self.least)
        facts: list[dict[str, Any]] = []
        for place, (racer, ending) in enumerate(zip(self.racers, self.endings, strict=True)):
            outcome = racer.run.info.outcome
            facts.append(
                {
                    "name": racer.name,
                    "run": str(racer.run.path),
                    "place": found[place],
                    "cost": self._value(place, "cost"),
                    self.judge: self._value(place, self.judge),
                    "epochs": racer.epochs,
                    "seconds": getattr(ending, "seconds", None),
                    "state": getattr(ending, "reason", getattr(ending, "kind", "failed")),
                    "message": "" if outcome is None else outcome.message,
                }
            )
        return facts

    def table(self) -> None:
        """Print who came where."""
        from app.core.race.standing import ordinal

        facts = self.facts()
        own = max(len(self.words), 10)
        print(f"     {'':{self.wide}}   {self.words:{own}}   {'J':10}   epochs   seconds   run")
        for one in sorted(facts, key=lambda fact: fact["place"] or len(facts) + 1):
            values = [
                "–" if value is None else f"{value:.1%}" if percent else f"{value:.5g}"
                for value, percent in (
                    (one[self.judge], self.judge == "accuracy"),
                    (one["cost"], False),
                )
            ]
            seconds = "–" if one["seconds"] is None else f"{one['seconds']:.1f}"
            state = "" if one["state"] == "done" else f"   {one['state']}"
            print(
                f"{ordinal(one['place']):4} {one['name']:{self.wide}}   {values[0]:{own}}   "
                f"{values[1]:10}   {one['epochs']:6.4g}   {seconds:>7}   {one['run']}{state}"
            )
