"""`dubcli layers export|import`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dubcli.cli import options
from dubcli.cli.jobs import find_job
from dubcli.cli.output import out
from dubcli.errors import UsageError, counted, typed

if TYPE_CHECKING:
    from collections.abc import Collection

    from dubcli.core.model import Artifact

HELP = """
Hand what was generated to a compositor, and take it back.

Layers are OpenEXR sequences per changed face: the generated pixels, their matte, and the motion of the warp,
numbered by the film's frames. Laid over the source they give the dubbed picture.
"""

To = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="DIR", rich_help_panel=options.FILES, help="The folder to write to."),
]
Shots = Annotated[
    list[str] | None,
    typer.Option(
        "--shot", metavar="SHOT", rich_help_panel=options.SETTINGS,
        help="Only this shot, by its name or first frame. May be given more than once.",
    ),
]  # fmt: skip
From = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder of the sequence: RGBA, or a matte alone.")
]
Face = Annotated[
    str | None,
    typer.Option(
        "--face", metavar="SHOT.TRACK", rich_help_panel=options.SETTINGS,
        help="The face. Without it: by the name of the folder, as it was exported.",
    ),
]  # fmt: skip


def export(
    out_folder: To,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    shots: Shots = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write EXR layers of the changed shots.

    Each face gets a folder SHOT.TRACK with rgba, matte and motion sequences and the curves of its motion and
    weight as curve.csv. Colours are in the film's own transfer function, not linear, and multiplied by alpha.
    """
    from dubcli.cli import delivered
    from dubcli.core import consent, plan
    from dubcli.delivery import exr, layers
    from dubcli.edits import shotname

    delivered.check_place(out_folder)
    exr.library()
    work = _Work(job_dir, job_named)
    if text := consent.recheck(work.job, plan.view(work.job)):
        out.warn(text)
    wanted = {shotname.named(int(name)) for name in shots or () if name.isdecimal()}
    unknown = [name for name in shots or () if not name.isdecimal()]
    changed = [face for face in work.faces if face.is_changed]
    unknown += sorted(wanted - {face.name.split(".")[0] for face in changed})
    if unknown:
        raise UsageError(
            f"--shot {unknown[0]}: no changed shot is called that; "
            f"type: dubcli shots show {typed(work.job.root)}"
        )
    video, seconds = work.film.info.film, work.film.frames.seconds
    for face in changed:
        if not wanted or face.name.split(".")[0] in wanted:
            count = layers.write(face, out_folder, video, seconds, work.film.clock, work.film.first)
            out.note(f"{face.name}: {counted(count, 'frame')}")
    out.path(out_folder)


def import_(
    folder: From,
    face: Face = None,
    job_dir: options.JobDir = None,
    job_named: options.JobNamed = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Take a retouched matte or RGBA sequence back for a face.

      dubcli layers import fix/00000104.0/rgba --job film.fr.dub

    Frames without a file stay as they are. The layers are kept in the job's folder layers and the next run
    uses them, as long as the footage and the mouths of the face stay the same. Any number of faces, and
    corrections of what was taken before, may wait for it. Delete layers/SHOT.TRACK there to go back to what
    was generated.
    """
    import tempfile

    from dubcli.cli import delivered
    from dubcli.core import plan
    from dubcli.delivery import retouch
    from dubcli.edits import layerfile

    job = find_job(job_dir, job_named)
    job.read_sources()
    # Layers go over what was generated, so that others, and earlier ones, may wait for the next run.
    retouched = f"{layerfile.ROLE}:"
    job.sources = {role: file for role, file in job.sources.items() if not role.startswith(retouched)}
    done = delivered.finished(job, until="lips")
    film, faces = delivered.film(job, done), done.get("lips", {})
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; name that of an EXR sequence")
    name = _face(face, folder, faces)
    row, target, shot = faces[name], job.root / layerfile.FOLDER / name, name.split(".")[0]
    assert row.unit is not None
    if shot in plan.view(job).pins:
        raise UsageError(
            f"shot {shot} is approved and keeps what it shows; "
            f"type: dubcli review {typed(job.root)} reopen {shot}"
        )
    before = [row.artifact.path] if row.artifact else []
    earlier = layerfile.files(job.root).get(name)
    if earlier and not layerfile.differences(earlier, row.unit.inputs):
        before.append(earlier)
    if not before:
        raise delivered.unfinished(job)
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=job.root, prefix=".layers-") as scratch:
        taken = Path(scratch) / name
        taken.mkdir()
        own, inputs = film.shots.named()[shot], row.unit.inputs
        count = retouch.take(folder, before, own, film.info.film, inputs, taken, film.first)
        layerfile.put(taken, target)
    out.path(target)
    out.note(f"{counted(count, 'frame')} of {name}; to apply them, type: dubcli run {typed(job.root)}")


def _face(given: str | None, folder: Path, faces: Collection[str]) -> str:
    """The face that is meant, by its name or by that of the folder of its layers.

    Raises:
        UsageError: it is none of the film's.
    """
    from dubcli.edits import facename

    for text in (given,) if given else (folder.name, folder.resolve().parent.name):
        with suppress(ValueError):
            name = facename.unit(facename.named(text))
            if name in faces:
                return name
    known = ", ".join(sorted(faces)[:5]) or "there is none"
    raise UsageError(f"which face is {given or folder}? add --face SHOT.TRACK, one of: {known}")


class _Work:
    """A finished job and the faces that were changed in it.

    Attributes:
        job: the job.
        film: its film before it was encoded.
        faces: all faces for which lips were made.
    """

    def __init__(self, job_dir: Path | None, job_named: Path | None) -> None:
        from dubcli.artifacts.cast import Cast
        from dubcli.cli import delivered
        from dubcli.delivery.layers import Face

        self.job = find_job(job_dir, job_named)
        done = delivered.finished(self.job)
        self.film = delivered.film(self.job, done)

        def artifact(stage: str, unit: str) -> Artifact:
            found = done[stage][unit].artifact
            assert found is not None
            return found

        owners = Cast.load(artifact("cast", "film").path).owners
        self.faces: list[Face] = []
        for name in done.get("lips", {}):
            shot, _, number = name.partition(".")
            gallery = artifact("gallery", owners[shot, int(number)].id)
            self.faces.append(
                Face(name, artifact("lips", name), artifact("motion", name), artifact("track", shot), gallery)
            )


COMMANDS = {"export": export, "import": import_}
