"""`probe`: what the film is made of, and whether the film asked for can be written at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dubcli.artifacts.media import AudioStream, MediaInfo
from dubcli.core.model import JobView, Stage, Task, Unit
from dubcli.errors import CheckError, MediaError, StoreError
from dubcli.language import guess

if TYPE_CHECKING:
    from dubcli.settings.config import ComposeSettings

STAGE = Stage("probe", version=18)

_SLACK_SECONDS = 0.02  # by which a dub may be stamped otherwise than its film; set by hand, half a frame
_STILLS = {"attached_pic", "timed_thumbnails"}  # FFmpeg's marks of pictures that are no films
_LEADER_SECONDS = 600  # more is no leader: the two were stamped by other clocks; set by hand


def units(job: JobView) -> Iterable[Unit]:
    """`film`, and `output`, which is refused before any work is done on a film that cannot be written."""
    film, dub = job.sources["film"], job.sources.get("dub")
    if dub is not None:
        yield Unit(
            STAGE,
            "output",
            {"film": film.sha256, "dub": dub.sha256},
            {"film": film.path, "dub": dub.path},
            params={
                "compose": job.settings.compose.model_dump(),
                "original": job.settings.remux.original,
                "offset": job.settings.align.offset,
            },
            facts={
                "suffix": job.suffix,
                "itself": dub.sha256 == film.sha256,
                "unnamed": not (job.settings.remux.language or guess(dub.path.stem)),
            },
        )
    yield Unit(STAGE, "film", {"film": film.sha256}, {"film": film.path})


def run(task: Task) -> None:
    """Write an `artifacts.media.MediaInfo` or, of the unit `output`, an `Output`."""
    if task.unit == "output":
        _judge(task)
    else:
        _probe(task)


def _judge(task: Task) -> None:
    """Write an `artifacts.media.Output`: how every stream of the film will be written."""
    import tempfile

    from dubcli.artifacts.media import Output
    from dubcli.media import soundtrack, writable
    from dubcli.media.probe import probe
    from dubcli.media.streams import Dub
    from dubcli.settings.config import ComposeSettings

    path = task.inputs["dub"]
    film, voice = (probe(task.inputs[role], whole=False) for role in ("film", "dub"))
    if film.video is None:  # as where the two are exchanged
        raise MediaError(
            f"{task.inputs['film'].name} has no video; name a film, and the dubbed track with --audio"
        )
    track = soundtrack.with_decoded_start(path, soundtrack.main_track(voice))
    own = soundtrack.told_language(voice, track)
    settings = ComposeSettings(**task.params["compose"])
    _refuse_coded(path, track)
    original = task.inputs["film"]
    for told in (
        *_cut_short(original, film),
        *_cut_short(path, voice),
        *_of_pictures(film),
        *_of_dub(task, film, voice, track),
        *_of_coded(original, film),
    ):
        task.warn(told)
    dub = Dub(path, track, 0.0, "", alone=task.params["original"] == "drop")
    with tempfile.TemporaryDirectory(dir=task.out) as scratch:
        plan = writable.check(film, dub, settings, task.facts["suffix"], Path(scratch))
    for told in _lost_messages(film, settings):
        task.warn(told)
    if task.facts["unnamed"] and not own:
        task.warn(
            f"the language of {path.name} is not known, and its track will say none; name it, as in --set "
            "remux.language=fr"
        )
    Output(options=tuple(plan.options), left_out=tuple(plan.left_out), language=own).save(task.out)


def _of_dub(task: Task, film: MediaInfo, voice: MediaInfo, track: AudioStream) -> Iterator[str]:
    """What is told of a dub, whose track is already known, before any work."""
    from dubcli.media import length, soundtrack, truncation, wave

    path, name, offset = task.inputs["dub"], task.inputs["dub"].name, task.params["offset"]
    if task.facts["itself"]:  # where it holds several languages, the first counts
        yield (
            "the dub is the film itself, whose mouths say it already; is the dubbed track another one? Write "
            "it as a file of its own, as with ffmpeg -i FILM -map 0:a:1 -c copy dub.mka"
        )
    if len(voice.audio) > 1:
        number = [one.index for one in voice.audio].index(track.index) + 1
        yield (
            f"{name} has {len(voice.audio)} sound tracks; number {number} ({track.layout}) is taken; where "
            "they are channels of one sound, or another is meant, write that as one track first"
        )
    if not offset:
        yield from _begins_late(path, voice, track)
        yield from _is_stamped(name, film, voice)
        yield from _has_pop(path, task.inputs["film"], film, track)
    whole, seconds = length.of_picture(task.inputs["film"]), soundtrack.duration(path, track)
    if lacking := truncation.lacking_sound(path, voice.format, seconds):
        yield _is_cut_short(name, lacking)
    if told := length.misfit(whole, name, seconds, track.rate, offset):
        yield told
    if wave.has_objects(path):
        yield (
            f"{name} describes a bed and objects (ADM); its channels are kept, their description is not: "
            "deliver it beside the film"
        )


def _cut_short(path: Path, info: MediaInfo) -> Iterator[str]:
    """That a film or a dub lacks its end."""
    from dubcli.media import truncation

    if lacking := truncation.lacking(path, info.format):
        yield _is_cut_short(path.name, lacking)


def _is_cut_short(name: str, lacking: str) -> str:
    return (
        f"{name} is cut short, as where a copy broke off: {lacking}; what is left is dubbed; write it again"
    )


def _of_pictures(film: MediaInfo) -> Iterator[str]:
    """That a film has several pictures, as a broadcast whose numbers of streams change midway."""
    others = [one for one in film.other if one.kind == "video" and not set(one.disposition) & _STILLS]
    if others:
        numbers = ", ".join(str(one.index) for one in others)
        yield (
            f"the film has {len(others) + 1} pictures; stream {film.film.index} is dubbed and stream "
            f"{numbers} stays as it is; where another is meant, or goes on where it ends, write a film of "
            f"one picture first, as with ffmpeg -i FILM -map 0:{others[0].index} -map 0:a -c copy NEW.mkv"
        )


def _refuse_coded(path: Path, track: AudioStream) -> None:
    """Refuse a dub whose PCM is coded sound.

    Raises:
        MediaError: it is.
    """
    from dubcli.media import sound

    if found := sound.coded(path, track):
        command = found.decoding(track.channels)
        raise MediaError(
            f"{path.name} holds {found.kind} in the form of PCM, which would be heard as noise; decode it "
            + (f"first, as with {command}" if command else "first")
        )


def _of_coded(path: Path, film: MediaInfo) -> Iterator[str]:
    """That a film's own PCM is coded sound."""
    from dubcli.media import sound

    for track in film.audio:
        if found := sound.coded(path, track):
            yield (
                f"sound track {track.index} of the film holds {found.kind} in the form of PCM: what it "
                "says is not heard, and where it is not copied, as into MP4, it is lost; add -o film.mov to "
                "keep it"
            )


def _begins_late(path: Path, voice: MediaInfo, track: AudioStream) -> Iterator[str]:
    """That a dub starts after its own file does."""
    from dubcli.media import writable

    if late := writable.late_sound(path, voice, track):
        when = "its picture" if voice.video else "its file begins"
        yield (
            f"the sound of {path.name} starts {late:.3f} s after {when}, but is laid from the film's first "
            f"picture on; add --set align.offset={late:.3f} to keep it late"
        )


def _is_stamped(name: str, film: MediaInfo, voice: MediaInfo) -> Iterator[str]:
    """That a dub's timecode begins elsewhere than the film's."""
    from dubcli.edits.timecode import Clock, stamped

    stamp = stamped(voice, Clock.of(film)) or 0.0
    if _SLACK_SECONDS < abs(stamp) < _LEADER_SECONDS:
        when = "before" if stamp < 0 else "after"
        yield (
            f"by its timecode {name} begins {abs(stamp):.3f} s {when} the film, but is laid from the film's "
            f"first picture on; add --set align.offset={round(stamp, 5)} to keep its place"
        )


def _has_pop(path: Path, original: Path, film: MediaInfo, track: AudioStream) -> Iterator[str]:
    """That a dub has the pop of a leader, and the film has not."""
    from dubcli.media import leader

    pop = _pop(path, track)
    own = _pop(original, film.spoken) if pop is not None and film.spoken else None
    if pop is not None and (own is None or abs(own - pop) > _SLACK_SECONDS):
        yield (
            f"{path.name} has a sync pop {pop:.3f} s after its beginning, as two seconds before a first "
            "picture, but is laid from the film's first picture on; add --set "
            f"align.offset={-pop - leader.BEFORE_SECONDS:.3f} to begin it there"
        )


def _lost_messages(film: MediaInfo, settings: ComposeSettings) -> Iterator[str]:
    """What pictures say of themselves and lose when they are encoded."""
    from dubcli.edits.timecode import Clock
    from dubcli.media import encode, messages
    from dubcli.media.names import TIMECODES

    if settings.video == "copy":
        return
    kept = TIMECODES if Clock.of(film).known else ()  # the container's stays
    for name in messages.lost(film.film, encode.encoding(film.film, settings).codec):
        if name not in kept:
            yield f"the film carries {name}; frames that are encoded anew lose it"


def _pop(path: Path, track: AudioStream) -> float | None:
    """When the pop of a leader sounds in a file, in seconds; None where it has none."""
    from dubcli.media import leader, sound

    rate = 16000
    return leader.pop(sound.beginning(path, leader.SEARCHED_SECONDS, rate, track.index), rate)


def _probe(task: Task) -> None:
    from dubcli.media.probe import probe

    path = task.inputs["film"]
    before = path.stat()
    info = probe(path)
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise MediaError(f"{path} is still being written; type the same again when it is whole")
    info.save(task.out)


def check(task: Task) -> None:
    """The description must be there and valid."""
    from dubcli.artifacts.media import Output

    try:
        (Output if task.unit == "output" else MediaInfo).load(task.out)
    except StoreError as error:
        raise CheckError(f"probe left no description of the film ({error})") from error
