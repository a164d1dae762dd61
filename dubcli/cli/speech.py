"""`dubcli speech export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out

HELP = """
Export the words and phones recognised in the dub and in the film.

Words, phones and mouth classes with their times. As a TextGrid they can be corrected in Praat, and given to
dubcli run as the dub's --script.
"""

Of = Annotated[
    Literal["dub", "film"],
    typer.Option("--of", metavar="dub|film", help="Which sound.", rich_help_panel=options.OUTPUT),
]
To = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", rich_help_panel=options.FILES,
        help="Write to this file, .TextGrid or .json. Without it: to stdout.",
    ),
]  # fmt: skip
Format = Annotated[
    Literal["textgrid", "json"] | None,
    typer.Option(
        "--format", metavar="textgrid|json", rich_help_panel=options.OUTPUT,
        help="The format. Without it: by the file's suffix, else TextGrid.",
    ),
]  # fmt: skip


def export(
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    of: Of = "dub",
    out_file: To = None,
    form: Format = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write words and phones with their times, as a TextGrid or as JSON.

    Words are known where the dub has a script, or was transcribed with whisperx.
    """
    from dubcli.artifacts.speech import Record
    from dubcli.speech import textgrid

    written = options.form_of(out_file, form, {".TextGrid": "textgrid", ".json": "json"})
    job = find_job(job_dir, job_named)
    record = Record.load(job.require(f"align/{of}", f"phones of its {of}").path)
    text = record.text() if written == "json" else textgrid.dump(record)
    out.export(text, out_file)


COMMANDS = {"export": export}
