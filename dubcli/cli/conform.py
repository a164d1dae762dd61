"""`dubcli conform`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dubcli.cli import options
from dubcli.cli.output import out
from dubcli.errors import UsageError, counted

if TYPE_CHECKING:
    from fractions import Fraction

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="DIR", help="The folder of the sequence: .dpx, .tif, .exr, .png, .tga or .jpg files."
    ),
]
To = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="FILE", rich_help_panel=options.FILES, help="The film, an .mkv."),
]
Rate = Annotated[
    str,
    typer.Option(
        "--rate", metavar="FPS", rich_help_panel=options.SETTINGS,
        help="Frames a second, such as 24, 23.976 or 30000/1001.",
    ),
]  # fmt: skip
Force = Annotated[
    bool, typer.Option("--force", "-f", rich_help_panel=options.FILES, help="Replace the output file.")
]


def conform(
    folder: Folder,
    out_file: To,
    rate: Rate,
    force: Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a film of an image sequence, without loss, to be dubbed.

      dubcli conform scans/ --rate 24 -o film.mkv
      dubcli run film.mkv --audio fr.wav --set compose.codec=ffv1

    Images become frames of FFV1 with every bit, and the number of the first one becomes timecode; layers of
    the dubbed film have the numbers of the images. EXR holds linear floats: they become 16-bit integers under
    the sRGB curve, and what lies outside 0 to 1 is clipped and told. Alpha stays, of EXR as it is.
    """
    import os
    import tempfile

    from dubcli.edits.timecode import Clock
    from dubcli.media import sequence

    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; name that of an image sequence")
    if out_file.suffix.lower() != ".mkv":
        raise UsageError(f"{out_file.name}: FFV1 goes into an .mkv; choose such a name with -o FILE")
    if out_file.exists() and not force:
        raise UsageError(f"{out_file} exists; choose another with -o FILE, or add --force")
    found, exact = sequence.find(folder), _rate(rate)
    try:
        scratch = tempfile.TemporaryDirectory(dir=out_file.parent, prefix=".dubcli-")
    except OSError as error:
        raise UsageError(
            f"cannot write to {out_file.parent} ({error.strerror}); choose another place"
        ) from None
    with scratch as place:
        made = Path(place) / "film.mkv"
        clock = Clock(exact)
        timecode = clock.label(found.first) if clock.counts else ""
        clipped = sequence.conform(found, made, exact, Path(place), timecode)
        os.replace(made, out_file)
    if clipped:
        out.warn(
            f"{100 * clipped:.2g} % of the samples were outside 0 to 1, and are clipped in {out_file.name}"
        )
    out.path(out_file)
    out.note(f"{counted(len(found.files), 'frame')} from number {found.first}, at {rate} frames a second")


def _rate(text: str) -> Fraction:
    """Frames a second as an exact number; 23.976 and its like are thousandths of 1001.

    Raises:
        UsageError: it is no rate.
    """
    from fractions import Fraction

    try:
        given = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--rate {text}: write it as 24, 23.976 or 24000/1001") from None
    if not 1 <= given <= 1000:
        raise UsageError(f"--rate {text}: no film has that many frames a second")
    drop = Fraction(round(given * 1001 / 1000) * 1000, 1001)
    return drop if given.denominator > 1 and abs(drop - given) < Fraction(1, 200) else given
