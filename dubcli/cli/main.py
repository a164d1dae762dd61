"""`dubcli`: run the command line and end with an exit code from the table."""

from __future__ import annotations

import gc
import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import typer

import dubcli
from dubcli.cli import failures
from dubcli.cli.declaration import declare
from dubcli.cli.help import render
from dubcli.cli.output import out, prepare
from dubcli.core.places import is_job
from dubcli.errors import ExitCode

_CALLED = {
    "--dub": "--audio", "--sound": "--audio", "--voice": "--audio", "--output": "--out", "--srt": "--script",
    "--subtitles": "--script", "--subs": "--script", "--threads": "--workers", "--jobs": "--workers",
    "--lang": "--language", "--delay": "--offset",
}  # fmt: skip
"""What an option may be called by those who do not know its name."""
_GC_OBJECTS = 200_000  # that may come before cycles are looked for: a feature's plan has a million, and none


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script.

    Args:
        arguments: words after `dubcli`; those of the process by default.

    Raises:
        SystemExit: always, with the exit code.
    """
    gc.set_threshold(_GC_OBJECTS)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in workers: more add in another order
    prepare()
    sys.exit(int(_run(sys.argv[1:] if arguments is None else list(arguments))))


def _run(arguments: list[str]) -> int:
    try:
        return _answered(arguments)
    except typer.Abort:
        return failures.report(KeyboardInterrupt())
    except (Exception, KeyboardInterrupt) as error:
        return failures.report(error)


def _answered(arguments: list[str]) -> int:
    from dubcli.cli.app import app

    command = typer.main.get_command(app)
    try:
        if page := _page(command, arguments):
            out.raw(page)
            return ExitCode.OK
        if blank := _blank(arguments):
            out.error(
                f"{blank} is empty, as where a shell's variable is not set; give it a value or leave it out"
            )
            return ExitCode.USAGE
        code = command.main(arguments, prog_name="dubcli", standalone_mode=False)
    except typer.TyperException as error:
        return _usage(error, arguments, *_asked_of(command, arguments))
    if code == ExitCode.INTERRUPTED:  # which Typer makes of Ctrl-C, without a word
        raise KeyboardInterrupt
    return int(code or ExitCode.OK)


def _page(command: Any, arguments: list[str]) -> str:
    """Help or version, if asked for; found without Typer's parser, which imports pydantic."""
    if arguments[:1] in (["-V"], ["--version"]):
        return f"dubcli {dubcli.__version__}"
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if not {"-h", "--help"} & set(words):
        return ""
    found, path, rest = _asked_of(command, words)
    if rest and not rest[0].startswith("-") and hasattr(found, "commands"):
        return ""  # a mistyped command: the parser says so
    return render(declare(found, path)).rstrip()


def _asked_of(command: Any, words: Sequence[str]) -> tuple[Any, str, Sequence[str]]:
    """The command that words name, how it is typed, and the words after its name."""
    path = "dubcli"
    for number, word in enumerate(words):
        below = getattr(command, "commands", {})
        if word not in below:
            return command, path, words[number:]
        command, path = below[word], f"{path} {word}"
    return command, path, ()


def _blank(arguments: Sequence[str]) -> str:
    """What of the command line has no letter in it, in words; "" where all has, or it is an empty note."""
    for number, word in enumerate(arguments):
        option = re.fullmatch(r"(--[a-z-]+)=\s*", word)
        before = arguments[number - 1] if number else ""
        text = arguments[0] == "review" and "note" in arguments[: max(0, number - 1)]  # after note and SHOT
        if text or before == "--note" or (option and option[1] == "--note"):
            continue
        if option:
            return option[1]
        if not word.strip():
            return f"what follows {before}" if before.startswith("-") else f"word {number + 1}"
    return ""


def _usage(
    error: typer.TyperException, arguments: Sequence[str], command: Any, path: str, rest: Sequence[str]
) -> ExitCode:
    """Tell what is wrong with the words of a command that is typed as `path`, which are `rest`."""
    context = getattr(error, "ctx", None)
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    taken = next((word for word in arguments if word.startswith("-") and os.path.lexists(word)), "")
    if taken and type(error).__name__ == "NoSuchOption":
        out.error(f"the name of the file {taken} is taken for an option; write ./{taken}")
    elif arguments and os.path.isfile(arguments[0]) and "No such command" in text:
        out.error(f"{arguments[0]} is no command; type: {shlex.join(['dubcli', 'run', *arguments])}")
    elif ordered := _ordered(command, path, rest):
        out.error(f"type: {ordered}")
    elif meant := _meant(getattr(error, "option_name", ""), getattr(context, "command", None)):
        out.error(f"there is no option {getattr(error, 'option_name', '')}; {meant}")
    elif path == "dubcli batch" and "--glob" in arguments and "extra argument" in text:
        from dubcli.cli.batch import SPREAD

        out.error(SPREAD)
    elif path in ("dubcli run", "dubcli plan") and (dub := _alone(text)) and not _has_audio(arguments):
        out.error(f"which is the film, and which the dub? type: {path} FILM --audio {shlex.quote(dub)}")
    elif context and type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{context.get_help()}\n")
    else:
        text = text[:1].lower() + text[1:] + ("" if text.endswith("?") else ";")
        out.error(f"{text} type: {path} --help")
    return ExitCode.USAGE


def _ordered(command: Any, path: str, rest: Sequence[str]) -> str:
    """How to type words that stand in another order, or ask for help or the version; "" where they do not."""
    commands = getattr(command, "commands", {})
    if path == "dubcli" and rest and rest[0] in ("help", "version"):
        return shlex.join(["dubcli", *rest[1:], f"--{rest[0]}"])
    if rest and is_job(rest[0]):
        if commands:  # a job before the command, or in place of it
            at = 1 if rest[1:] and rest[1] in commands else 0
            name, others = rest[at] if at else next(iter(commands)), rest[1 + at :]
            first = next(
                (one.metavar for one in commands[name].params if not one.opts[0].startswith("-")), ""
            )
            words = [rest[0], *others] if first in ("JOB", "FILM") else [*others, "--job", rest[0]]
            return f"{path} {shlex.join([name, *words])}"
        group, _, name = path.rpartition(" ")
        if group == "dubcli review":
            return f"{group} {shlex.join([rest[0], name, *rest[1:]])}"
    return ""


def _meant(option: str, command: Any) -> str:
    """What to write for an option that a command does not have; "" where nobody knows."""
    if not option:
        return ""
    from dubcli.settings.layers import names

    called = _CALLED.get(option, option)
    if any(called in parameter.opts for parameter in getattr(command, "params", ())):
        return f"write {called}"
    leaf = called.lstrip("-").replace("-", "_")
    settings = [f"--set {name}=VALUE" for name in names() if name.rpartition(".")[2] == leaf]
    takes_settings = any("--set" in parameter.opts for parameter in getattr(command, "params", ()))
    return f"it is a setting; write {' or '.join(settings)}" if settings and takes_settings else ""


def _alone(text: str) -> str:
    """The one word too many that is a file; "" where there is none, or several."""
    found = re.search(r"unexpected extra arguments?(?:\(s\))? \((.+)\)$", text)
    return found[1] if found and os.path.isfile(found[1]) else ""


def _has_audio(arguments: Sequence[str]) -> bool:
    return any(re.match("-a|--audio", word) for word in arguments)
