"""The declaration of a command: the one source of its help, man page and completion."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parameter:
    """An option or an argument.

    Attributes:
        names: an option's flags, short ones first; an argument's metavar.
        value: metavar of its value, "" for a flag.
        help: what it does.
        group: heading it stands under.
        required: whether the command needs it.
        repeats: whether it may be given more than once.
        default: what it is when left out, "" if that needs no saying.
    """

    names: tuple[str, ...]
    value: str
    help: str
    group: str
    required: bool
    repeats: bool
    default: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The words its value is one of, or ()."""
        return tuple(self.value.split("|")) if "|" in self.value and self.value.islower() else ()


@dataclass(frozen=True)
class Declaration:
    """A command.

    Attributes:
        path: the words that call it, such as `dubcli preset show`.
        summary: one line.
        text: paragraphs of its help; a paragraph with indented lines stays as it is.
        arguments: in order.
        options: in order; `group` says under which heading.
        commands: what it has below it.
        group: heading it stands under in its parent's help.
    """

    path: str
    summary: str
    text: str
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]
    commands: tuple[Declaration, ...]
    group: str

    @property
    def name(self) -> str:
        """Its last word."""
        return self.path.split()[-1]

    @property
    def usage(self) -> str:
        """How to type it."""
        words = [self.path]
        if self.commands:
            return f"{self.path} COMMAND [OPTIONS]"
        for argument in self.arguments:
            word = argument.names[0] + ("..." if argument.repeats else "")
            words.append(word if argument.required else f"[{word}]")
        return " ".join([*words, "[OPTIONS]"])

    def groups(self) -> Iterator[tuple[str, list[Parameter]]]:
        """Options by heading, in the order in which the headings first come."""
        headings = dict.fromkeys(option.group for option in self.options)
        for heading in headings:
            yield heading, [option for option in self.options if option.group == heading]

    def walk(self) -> Iterator[Declaration]:
        """It and every command below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def declare(command: Any, path: str, group: str = "") -> Declaration:
    """The declaration of a Typer command or group, and of all below it."""
    text = inspect.cleandoc(command.help or "")
    parameters = [_parameter(param) for param in command.params if not getattr(param, "hidden", False)]
    options = [parameter for parameter in parameters if parameter.names[0].startswith("-")]
    if path == "dubcli":
        options.append(Parameter(("-V", "--version"), "", "Show the version.", "Other", False, False, ""))
    options.append(Parameter(("-h", "--help"), "", "Show this help.", "Other", False, False, ""))
    below = getattr(command, "commands", {})
    return Declaration(
        path=path,
        summary=text.partition("\n\n")[0].replace("\n", " "),
        text=text,
        arguments=tuple(parameter for parameter in parameters if not parameter.names[0].startswith("-")),
        options=tuple(options),
        commands=tuple(
            declare(item, f"{path} {name}", _panel(item)) for name, item in below.items() if not item.hidden
        ),
        group=group,
    )


def _parameter(param: Any) -> Parameter:
    is_option = param.param_type_name == "option"
    names = sorted([*param.opts, *param.secondary_opts], key=lambda name: (name.startswith("--"), name))
    flag = is_option and (param.is_flag or param.count)
    default = param.default if param.show_default else None
    return Parameter(
        names=tuple(names) if is_option else (param.metavar or param.name.upper(),),
        value="" if flag or not is_option else param.metavar or param.name.upper(),
        help=inspect.cleandoc(param.help or ""),
        group=_panel(param) or ("Other" if is_option else "Arguments"),
        required=param.required,
        repeats=bool(param.multiple) if is_option else param.nargs != 1,
        default="" if default in (None, False, (), [], "") or callable(default) else str(default),
    )


def _panel(item: Any) -> str:
    panel = item.rich_help_panel
    return panel if isinstance(panel, str) else ""
