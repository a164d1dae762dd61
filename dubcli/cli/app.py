"""The command line: all commands, in the order and under the headings of the help."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from dubcli.cli import (
    batch,
    cache,
    cast,
    conform,
    cue,
    demo,
    doctor,
    engine,
    explain,
    farm,
    layers,
    motion,
    plan,
    preset,
    purge,
    report,
    review,
    run,
    shots,
    speech,
    status,
    style,
    unlock,
    verify,
)
from dubcli.cli.declaration import Declaration, declare
from dubcli.cli.help import render
from dubcli.core.places import is_job
from dubcli.errors import UsageError


class Command(TyperCommand):
    """A command with dubcli's own help format: sections, plain text, the exit codes at the end."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        formatter.write(render(declare(self, ctx.command_path)))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, and refuse a file that is named twice: the parser forgets the first, such as another dub.

        Of other options the last counts, as scripts expect that put a caller's words behind their own.

        Raises:
            UsageError: an option for one file names several, or the job stands where something else belongs.
        """
        words = self._ordered(args) or args
        values, extra, given = self.make_parser(ctx).parse_args(args=list(words))
        other = str(values.get("job_dir") or "") if values.get("job_named") else ""
        if Path(other).suffix not in ("", ".dub"):  # the job is named, so this is what is to be written
            extra = [other]
        words = self._with_out(words, extra, [one.name for one in given])
        if words != args:
            raise UsageError(f"type: {ctx.command_path} {shlex.join(words)}")
        for option in given:
            once = isinstance(option, TyperOption) and option.metavar == "FILE" and not option.multiple
            if once and given.count(option) > 1:
                raise UsageError(f"{max(option.opts, key=len)} stands there twice; name one")
        return list(super().parse_args(ctx, args))

    def _ordered(self, args: list[str]) -> list[str]:
        """The words with the job in its place; [] where it is there, or is not named."""
        first = self._first
        at = next((k for k, word in enumerate(args[:2]) if is_job(word)), None)
        if at is None or any(word.startswith("-") for word in args[: at + 1]):
            return []
        if first == "JOB":
            return [args[1], args[0], *args[2:]] if at == 1 and not Path(args[0]).exists() else []
        named = any("--job" in one.opts for one in self.params)
        if not named or at or first in (None, "FILM"):
            return []
        return [*(args[1:] or [str(first)]), "--job", args[0]]

    def _with_out(self, words: list[str], extra: list[str], given: list[str | None]) -> list[str]:
        """The words with -o before the one that can but name what is written; as they are where none can."""
        made = next((one for one in self.params if "--out" in one.opts and one.name not in given), None)
        if made is None or (extra and self._first == "FILM" and Path(extra[0]).is_file()):
            return words
        bare = [word for word in words if not word.startswith("-")]
        alone = made.required and self._first == "JOB" and len(words) == len(bare) == 1
        if alone and Path(bare[0]).suffix and not Path(bare[0]).is_dir():  # the job is the one that lies here
            return ["-o", *words]
        at = len(words) - 1 - words[::-1].index(extra[0]) if len(extra) == 1 else None
        return words if at is None else [*words[:at], "-o", *words[at:]]

    @property
    def _first(self) -> str | None:
        """What the first word is, that is no option."""
        return next((one.metavar for one in self.params if not one.opts[0].startswith("-")), None)


class Group(TyperGroup):
    """Several commands under one word."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help page."""
        formatter.write(render(declare(self, ctx.command_path)))


class JobGroup(Group):
    """Several commands under one word, after which the job may come: `review JOB list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put a job that comes before the command behind it; a job alone asks for the first command."""
        named = args[1:2] and args[1] in self.commands and not args[0].startswith("-")
        if args and args[0] not in self.commands and (named or Path(args[0]).is_dir()):
            args = [args[1] if args[1:] else next(iter(self.commands)), "--job", args[0], *args[2:]]
        return list(super().parse_args(ctx, args))


def _group(help_text: str, cls: type[Group] = Group) -> typer.Typer:
    return typer.Typer(
        cls=cls,
        help=help_text,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


HELP = """
Dub the picture of a film: the same film comes out with mouths that speak the dubbed track, and nothing else
changed.

  dubcli run film.mp4 --audio dub_fr.wav   writes film.dub_fr.mp4
  dubcli demo                              makes a sample film and dubs it

Work is kept in film.dub_fr.dub beside the film: after a crash, a reboot or Ctrl-C, type the same command
again and it continues. A file name that begins with a dash is written ./-name.
"""

app = _group(HELP)


@app.callback()
def dubcli_() -> None:
    """The top of the command line; its help is `HELP`."""


def _add(to: typer.Typer, name: str, panel: str, function: Callable[..., None]) -> None:
    to.command(name, cls=Command, rich_help_panel=panel)(function)


DUB, INSPECT, SET_UP = "Dub", "Inspect a job", "Set up"
_add(app, "run", DUB, run.run)
_add(app, "batch", DUB, batch.batch)
_add(app, "conform", DUB, conform.conform)
_add(app, "demo", DUB, demo.demo)
_add(app, "plan", INSPECT, plan.plan)
_add(app, "status", INSPECT, status.status)
_add(app, "unlock", INSPECT, unlock.unlock)
_add(app, "explain", INSPECT, explain.explain)
_add(app, "report", INSPECT, report.report)
for word, module, panel in (
    ("shots", shots, INSPECT),
    ("layers", layers, INSPECT),
    ("cast", cast, INSPECT),
    ("cue", cue, INSPECT),
    ("speech", speech, INSPECT),
    ("motion", motion, INSPECT),
    ("style", style, INSPECT),
    ("farm", farm, DUB),
    ("preset", preset, SET_UP),
    ("engine", engine, SET_UP),
    ("cache", cache, SET_UP),
):
    group = _group(str(module.HELP))
    for name, function in module.COMMANDS.items():
        _add(group, name, "Commands", function)
    app.add_typer(group, name=word, rich_help_panel=panel)
_add(app, "verify", INSPECT, verify.verify)
_add(app, "purge", SET_UP, purge.purge)
group = _group(review.HELP, JobGroup)
for name in review.COMMANDS:
    _add(group, name, "Commands", review.COMMANDS[name])
app.add_typer(group, name="review", rich_help_panel=INSPECT)
_add(app, "doctor", SET_UP, doctor.doctor)


def everything() -> Declaration:
    """The declaration of `dubcli` itself, and of every command below it."""
    return declare(typer.main.get_command(app), "dubcli")
