"""Completion for bash, zsh and fish, from the commands' declarations; no Python runs at a press of Tab."""

from __future__ import annotations

from collections.abc import Iterable

from dubcli.cli.declaration import Declaration, Parameter

PLACES = {"FILE", "DIR", "FILM", "JOB", "MANIFEST", "PRESET", "NAME|FILE"}
"""Metavars whose values are files or folders."""


def files(root: Declaration, words: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """File name → script; `words` gives the values of metavars that have a known list, such as `STAGE`."""
    return {
        "dubcli.bash": _bash(root, words),
        "_dubcli": _zsh(root, words),
        "dubcli.fish": _fish(root, words),
    }


def values(item: Parameter, words: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The words that a parameter's value may be, as far as they are known."""
    metavar = item.value or item.names[0]
    return item.choices or words.get(metavar, ())


def _bash(root: Declaration, words: dict[str, tuple[str, ...]]) -> str:
    cases, known = [], []
    for command in root.walk():
        path = command.path.replace(" ", "_")
        below = " ".join(item.name for item in command.commands)
        flags = " ".join(name for option in command.options for name in option.names)
        args = " ".join(word for item in command.arguments for word in values(item, words))
        known += [f"{path}_{item.name}" for item in command.commands]
        inner = []
        for option in command.options:
            if option.value:
                names = "|".join(option.names)
                given = " ".join(values(option, words))
                reply = f'_dubcli_words "{given}"' if given else "return"
                reply = "_dubcli_files" if not given and option.value in PLACES else reply
                both = (
                    f'_dubcli_words "{given}"; _dubcli_files' if given and option.value in PLACES else reply
                )
                inner.append(f"            {names}) {both}; return ;;")
        case = "\n".join([f"        {path})", '        case "$previous" in', *inner, "        esac"])
        fill = f'        if [[ $current == -* ]]; then _dubcli_words "{flags}"'
        other = f'_dubcli_words "{below or args}"' + ("" if below else "; _dubcli_files")
        cases.append(f"{case}\n{fill}; else {other}; fi ;;")
    return _BASH.replace("@KNOWN@", "|".join(known)).replace("@CASES@", "\n".join(cases))


def _zsh(root: Declaration, words: dict[str, tuple[str, ...]]) -> str:
    functions = []
    for command in root.walk():
        lines = [f"_{command.path.replace(' ', '_')}() {{"]
        specs = [spec for option in command.options for spec in _zsh_option(option, words)]
        if command.commands:
            lines.append("  local -a commands=(")
            lines += [f"    {_quote(item.name + ':' + _label(item.summary))}" for item in command.commands]
            lines += ["  )", "  local context state line", "  _arguments -C \\"]
            lines += [f"    {spec} \\" for spec in specs]
            lines += ["    '1: :->command' '*:: :->rest'", "  case $state in"]
            lines += ["    command) _describe command commands ;;\n    rest) case $words[1] in"]
            path = command.path.replace(" ", "_")
            lines += [f"      {item.name}) _{path}_{item.name} ;;" for item in command.commands]
            lines += ["    esac ;;", "  esac"]
        else:
            rest = [_zsh_argument(item, words) for item in command.arguments]
            lines += ["  _arguments \\", *[f"    {spec} \\" for spec in specs + rest], "    && return"]
        functions.append("\n".join([*lines, "}"]))
    return "#compdef dubcli\n\n" + "\n\n".join(functions) + '\n\n_dubcli "$@"\n'


def _zsh_option(option: Parameter, words: dict[str, tuple[str, ...]]) -> Iterable[str]:
    star = "*" if option.repeats and option.value else ""
    for name in option.names:
        text = f"{star}{name}[{_label(option.help)}]"
        yield _quote(text + (f":{option.value.lower()}:{_zsh_action(option, words)}" if option.value else ""))


def _zsh_argument(item: Parameter, words: dict[str, tuple[str, ...]]) -> str:
    return _quote(f"{'*' if item.repeats else ''}:{item.names[0].lower()}:{_zsh_action(item, words)}")


def _zsh_action(item: Parameter, words: dict[str, tuple[str, ...]]) -> str:
    known = values(item, words)
    if (item.value or item.names[0]) == "DIR":
        return "_files -/"
    if known:
        return f"({' '.join(known)})"
    return "_files" if (item.value or item.names[0]) in PLACES else " "


def _fish(root: Declaration, words: dict[str, tuple[str, ...]]) -> str:
    lines = ["complete -c dubcli -f"]
    for command in root.walk():
        inside = command.path.split()[1:]
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in inside)
        names = " ".join(item.name for item in command.commands)
        top = (
            "__fish_use_subcommand" if not inside else f"{seen}; and not __fish_seen_subcommand_from {names}"
        )
        for item in command.commands:
            lines.append(f"complete -c dubcli -n '{top}' -a {item.name} -d {_quote(item.summary)}")
        when = f" -n '{seen}'" if inside else f" -n '{top}'"
        for option in command.options:
            flags = " ".join(f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names)
            known = values(option, words)
            wants = " -r" if option.value else ""
            wants += f" -a '{' '.join(known)}'" if known else ""
            wants += " -F" if option.value in PLACES else ""
            lines.append(f"complete -c dubcli{when} {flags}{wants} -d {_quote(_label(option.help))}")
        for argument in command.arguments:
            known = values(argument, words)
            extra = f" -a '{' '.join(known)}'" if known else ""
            extra += " -F" if argument.names[0] in PLACES else ""
            lines += [f"complete -c dubcli{when}{extra}"] if extra else []
    return "\n".join(lines) + "\n"


def _label(text: str) -> str:
    """A help text as a short label: its first sentence, without characters that shells read."""
    first = text.partition(". ")[0].partition(";")[0].partition(":")[0].rstrip(".")
    return "".join(c for c in first if c not in "[]:\\`$\"'")[:70]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_BASH = """\
_dubcli_words() { mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$1" -- "$current"); }
_dubcli_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$current")
}

_dubcli() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} path=dubcli word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "${path}_$word" in
        @KNOWN@) path="${path}_$word" ;;
        esac
    done
    COMPREPLY=()
    case "$path" in
@CASES@
    esac
}

complete -F _dubcli dubcli
"""
