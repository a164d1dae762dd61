"""Man pages in roff, from the declarations of the commands."""

from __future__ import annotations

from collections.abc import Iterator

import dubcli
from dubcli.cli.declaration import Declaration, Parameter
from dubcli.cli.help import exit_codes

FILES = (
    ("FILM.DUB.mp4", "The dubbed film, beside the film unless -o says otherwise."),
    ("FILM.DUB.dub/", "The job directory: job.json, store/, logs/, events.jsonl, report.html, report.json."),
    ("dubcli.toml", "Settings for the jobs of a folder."),
    ("~/.config/dubcli/config.toml", "Your own settings."),
)
ENVIRONMENT = (
    ("DUBCLI_PRESET", "The preset to start from, like --preset."),
    ("DUBCLI_STORE", "A store that jobs share, like --store."),
    ("DUBCLI_SECTION_FIELD", "One setting: DUBCLI_LIPS_ENGINE stands for lips.engine."),
    ("NO_COLOR", "If not empty, nothing is coloured."),
)


def pages(root: Declaration) -> dict[str, str]:
    """File name → roff of every man page: one for `dubcli`, one for each command below it."""
    return {_file(command): _page(command, root) for command in (root, *root.commands)}


def _page(command: Declaration, root: Declaration) -> str:
    title = _file(command).removesuffix(".1").upper()
    lines = [
        '.\\" Generated from the declarations of the commands by "make man".',
        f'.TH {_text(title)} 1 "" "dubcli {dubcli.__version__}" "User Commands"',
        ".ad l",
        ".nh",
        ".SH NAME",
        _text(f"{_file(command).removesuffix('.1')} - {_lower_first(command.summary.rstrip('.'))}"),
        ".SH SYNOPSIS",
    ]
    for item in command.commands if command is not root and command.commands else [command]:
        lines += [".nf", f".B {_text(item.usage)}", ".fi"]
    lines += [".SH DESCRIPTION", *_paragraphs(command.text)]
    if command is root:
        for heading in dict.fromkeys(item.group for item in command.commands):
            lines.append(f".SS {_text(heading)}")
            for item in command.commands:
                if item.group == heading:
                    lines += [".TP", f".BR {_text(_file(item).removesuffix('.1'))} (1)", _text(item.summary)]
    lines += _parameters(command)
    if command is not root:
        for item in command.commands:
            lines += [f".SH {_text(item.name.upper())}", *_paragraphs(item.text), *_parameters(item, ".SS")]
    lines.append(".SH EXIT STATUS")
    lines += _definitions(exit_codes())
    if command is root:
        lines += [".SH FILES", *_definitions(FILES), ".SH ENVIRONMENT", *_definitions(ENVIRONMENT)]
    others = [item for item in (root, *root.commands) if item is not command]
    lines += [
        ".SH SEE ALSO",
        ",\n".join(f".BR {_text(_file(item).removesuffix('.1'))} (1)" for item in others),
    ]
    return "\n".join(lines).replace(",\n.BR", " ,\n.BR") + "\n"


def _file(command: Declaration) -> str:
    return command.path.replace(" ", "-") + ".1"


def _parameters(command: Declaration, level: str = ".SH") -> Iterator[str]:
    if command.arguments:
        yield f"{level} ARGUMENTS" if level == ".SH" else ".PP"
        for argument in command.arguments:
            yield from (".TP", f".I {_text(argument.names[0])}", _text(argument.help))
    headings = list(command.groups())
    if level == ".SH" and headings:
        yield ".SH OPTIONS"
    for heading, options in headings:
        if level == ".SH" and len(headings) > 1:
            yield f".SS {_text(heading)}"
        for option in options:
            yield from (".TP", _option(option), _text(_with_notes(option)))


def _option(option: Parameter) -> str:
    names = ", ".join(f"\\fB{_text(name)}\\fR" for name in option.names)
    return f"{names} \\fI{_text(option.value)}\\fR" if option.value else names


def _with_notes(option: Parameter) -> str:
    notes = ["May be repeated."] if option.repeats and option.value else []
    notes += [f"Default: {option.default}."] if option.default else []
    return " ".join([option.help, *notes])


def _definitions(rows: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, text in rows:
        yield from (".TP", f".B {_text(name)}", _text(text))


def _paragraphs(text: str) -> Iterator[str]:
    for part in text.split("\n\n"):
        yield ".PP"
        if any(line.startswith(" ") for line in part.splitlines()):
            yield from (".nf", *(_text(line) for line in part.splitlines()), ".fi")
        else:
            yield _text(" ".join(part.split()))


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _text(text: str) -> str:
    """Text that roff prints as it stands: no escapes, no requests, hyphens that can be copied."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    return "\\&" + safe if safe.startswith((".", "'")) else safe
