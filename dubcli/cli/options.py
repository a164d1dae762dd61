"""Options and arguments that several commands share; importing this is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from dubcli.cli.output import out
from dubcli.errors import UsageError

FILES, SETTINGS, RUNNING, OUTPUT = "Files", "Settings", "Running", "Output"


def _quiet(value: bool) -> bool:
    out.quiet = value
    return value


def _verbose(value: bool) -> bool:
    out.verbose = value
    return value


# The callbacks of these two act on the printer, so commands declare them and need not read them.
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Only warnings and errors.", rich_help_panel=OUTPUT, callback=_quiet),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="More detail, on stderr.", rich_help_panel=OUTPUT, callback=_verbose
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.", rich_help_panel=OUTPUT)]

Source = Annotated[
    Path,
    typer.Argument(
        metavar="FILM", help="The film; or the job directory of an earlier run.", show_default=False
    ),
]
JobDir = Annotated[
    Path | None,
    typer.Argument(
        metavar="JOB",
        help="The job directory of an earlier run. Without it: this folder, or the one job in it.",
    ),
]
JobNamed = Annotated[
    Path | None,
    typer.Option("--job", metavar="DIR", rich_help_panel=FILES, help="The job directory; the same as JOB."),
]
Audio = Annotated[
    Path | None,
    typer.Option("--audio", "-a", metavar="FILE", help="The dubbed track.", rich_help_panel=FILES),
]
Stems = Annotated[
    list[str] | None,
    typer.Option(
        "--stem", metavar="NAME=FILE", rich_help_panel=FILES,
        help="One character's part of the dub alone, as long as the dub; it then decides when that person "
        "speaks. NAME is an id or a name that dubcli cast show gives. May be given for each character.",
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", rich_help_panel=FILES,
        help="The dubbed film: .mp4, .mov or .mkv. Without it: FILM.DUB.mp4 beside the film.",
    ),
]  # fmt: skip
Script = Annotated[
    Path | None,
    typer.Option(
        "--script", metavar="FILE", rich_help_panel=FILES,
        help="The script of the dub: .srt, .vtt, .sbv, .ttml, .ass, .lrc, .TextGrid, .ctm, .txt, or .json of "
        "Whisper. Mouths then close at the right sounds more surely, and names of speakers help to find who "
        "speaks.",
    ),
]  # fmt: skip
JobOption = Annotated[
    Path | None,
    typer.Option(
        "--job", metavar="DIR", rich_help_panel=FILES,
        help="The job directory, where the work is kept. Without it: FILM.DUB.dub beside the film.",
    ),
]  # fmt: skip
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", rich_help_panel=FILES,
        help="A store that several jobs share, also DUBCLI_STORE; ten languages of one film then share its "
        "shots, faces and mouth model. Without it: inside the job directory.",
    ),
]  # fmt: skip
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset", "-p", metavar="NAME|FILE", rich_help_panel=SETTINGS,
        help="The settings to start from: a name that dubcli preset list shows, or a YAML file.",
    ),
]  # fmt: skip
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", rich_help_panel=SETTINGS,
        help="One setting, such as run.workers=2; dubcli preset show lists them all.",
    ),
]  # fmt: skip
Engines = Annotated[
    list[str] | None,
    typer.Option(
        "--engine", metavar="KIND=NAME", rich_help_panel=SETTINGS,
        help="The engine of a kind (tracker, aligner, lips); dubcli engine list shows them.",
    ),
]  # fmt: skip
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=1, rich_help_panel=RUNNING,
        help="Worker processes at once. Without it: as many as cores and memory allow.",
    ),
]  # fmt: skip
Fallback = Annotated[
    Literal["none", "original"] | None,
    typer.Option(
        "--fallback", metavar="none|original", rich_help_panel=RUNNING,
        help="What to do when shots have failed: leave the film unfinished (none, the default), or finish "
        "it with the source's picture there and note it in the report (original).",
    ),
]  # fmt: skip
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept-licence", metavar="ENGINE", rich_help_panel=SETTINGS,
        help="Use an engine although its models are licensed for non-commercial use only.",
    ),
]  # fmt: skip
KeepMatching = Annotated[
    bool,
    typer.Option(
        "--keep-matching", rich_help_panel=SETTINGS,
        help="Keep frames in which the film's mouth already fits the dub. The setting motion.matching "
        "sets how well it must fit.",
    ),
]  # fmt: skip
Progress = Annotated[
    Literal["auto", "bar", "plain", "json", "openjd", "none"],
    typer.Option(
        "--progress", metavar="auto|bar|plain|json|openjd|none", rich_help_panel=OUTPUT,
        help="How to show progress on stderr; auto is a bar on a terminal and plain lines elsewhere.",
    ),
]  # fmt: skip


def form_of(file: Path | None, asked: str | None, forms: Mapping[str, str]) -> str:
    """The format in which an export is written: the one asked for, else what the file's suffix names.

    Args:
        file: where to, None for stdout.
        asked: `--format`.
        forms: suffix → format; the first is that of stdout and of names without a suffix.

    Raises:
        UsageError: the suffix is of none of them.
    """
    if asked is not None:
        return asked
    suffix = file.suffix if file else ""
    known = {name.lower(): form for name, form in forms.items()}
    if suffix and suffix.lower() not in known:
        raise UsageError(
            f"{file} is in no format that is written here; use {' or '.join(forms)}, or --format"
        )
    return known.get(suffix.lower(), next(iter(known.values())))
