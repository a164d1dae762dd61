"""Decides what becomes of every stream of a film, and of the dub."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dubcli.artifacts.media import AudioStream, MediaInfo, OtherStream, SubtitleStream
from dubcli.errors import MediaError
from dubcli.language import iso639_2, says_more
from dubcli.media.containers import (
    AAC_RATE,
    SUBTITLES,
    VIDEO,
    audio_codec,
    format_of,
    is_lossless,
    loses_places,
    marks_lost,
    marks_set,
    ordered,
    renamed,
    subtitle_codec,
    suffix_for,
)
from dubcli.media.matroska import placeholder
from dubcli.media.mov.read import FULL_VOLUME
from dubcli.media.names import ALPHA, SERVICE
from dubcli.media.probe import GAP_SECONDS

_LANGUAGE = re.compile("-[a-z]{3}$")  # after a tag's name
_AAC_BITS = 160_000  # bits per second and channel: set by hand, well above audible difference
_LATE_CHAPTER_SECONDS = 0.05  # less is rounding: set by hand
_LONGER = "ffmpeg -analyzeduration 2G -probesize 2G"  # reads on until all streams are known
_SILENCED = 32  # samples that are silenced together; set by hand
COVERS = {"png": "image/png", "mjpeg": "image/jpeg"}
"""Codecs of pictures that are covers, and their types."""

# Tags that FFmpeg's muxers of MP4 and MOV have boxes for, found by writing each; others become keys.
_BOXED_TAGS = {
    "mp4": {
        "title", "artist", "album_artist", "album", "grouping", "composer", "date", "comment", "genre",
        "copyright", "description", "synopsis", "show", "episode_id", "network", "lyrics", "keywords",
        "season_number", "episode_sort", "media_type", "hd_video", "gapless_playback", "compilation", "track",
        "disc", "location", "creation_time",
    },
    "mov": {
        "title", "artist", "album", "comment", "date", "genre", "copyright", "make", "model", "location",
        "creation_time",
    },
}  # fmt: skip

# Tags of a stream that MP4 and MOV say, or that are only of the container or the packets that it came in.
_TRACK_TAGS = re.compile(
    "title|name|language|creation_time|handler_name|vendor_id|encoder|timecode|reel_(name|umid)|rotate|data_type|"
    "(file|material)_package_.*|(bps|duration|number_of_(frames|bytes)|source_id)(-[a-z]{3})?|_statistics_.*|"
    "variant_bitrate|filename|mimetype|alpha_mode",
    re.IGNORECASE,
)
# Tags of the container that the film came in, and of what is made anew.
_OWN_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "timecode", "xmp"}


@dataclass(frozen=True)
class Dub:
    """The dubbed track.

    Attributes:
        path: its file.
        sound: the stream taken from it.
        seconds: its length, 0 where unknown.
        offset: seconds after the film's first picture at which it begins; negative: before.
        language: BCP 47 tag, "" where unknown.
        alone: whether it replaces the film's own sound.
    """

    path: Path
    sound: AudioStream
    seconds: float
    language: str
    offset: float = 0.0
    alone: bool = False


@dataclass
class Plan:
    """The output streams in order, and what is left out.

    Attributes:
        streams: (`video`, `dub` or `film`, index in it) of each stream.
        tags: (stream of the result, index in the film) whose tags it takes.
        languages: of each stream, BCP 47 tags or ISO 639-2 codes, "" where unknown.
        options: output options.
        places: number in the result of each of the film's streams that stay.
        covers: pictures of the film that go into Matroska as attachments.
        keys: tags of the film that MP4 or MOV have no box for.
        references: which streams of the result belong to others, in MP4 and MOV.
        off: streams that no player of MP4 or MOV shows unasked.
        left_out: one line each, what could not be kept and why.
    """

    streams: list[tuple[str, int]] = field(default_factory=list)
    tags: list[tuple[str, int]] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    covers: list[OtherStream] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    off: list[int] = field(default_factory=list)
    references: list[tuple[int, str, tuple[int, ...]]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def plan(info: MediaInfo, codec: str, dub: Dub, container: str) -> Plan:
    """Decide what becomes of every stream.

    Args:
        info: the film.
        codec: of the picture that will be written.
        dub: the dubbed track.
        container: FFmpeg's name of the output format.

    Raises:
        MediaError: the container cannot hold the picture, or the sound.
    """
    if codec not in VIDEO[container]:
        raise MediaError(
            f"{container} cannot hold {codec} pictures; add -o film{suffix_for(codec) or '.mkv'}"
        )
    out = Plan([("video", 0), ("dub", dub.sound.index)])
    out.options = [
        ("c:v", "copy"),
        ("c:d", "copy"),
        ("c:t", "copy"),
        *_sound("a:0", dub.sound, container),
        ("disposition:a:0", "default"),
        *_stale("v:0", info.film.tags, anew=codec != info.film.codec),
    ]
    marks = ["default", *marks_set(info.film.disposition)]
    _tell(out, "v:0", info.film.index, marks, info.film.tags, container)
    _say_language(out, "a:0", None, dub.language, container)
    _name_lost_places(out, "a:0", dub.sound, container)
    _name_lost_volume(out, "a:0", dub.sound, container)
    count = 1
    for track in () if dub.alone else info.audio:
        if not track.codec:
            kind = f"{track.form}, a kind" if track.form else "of a kind"
            out.left_out.append(f"sound track {track.index}: {kind} that cannot be read")
            continue
        if not (track.rate and track.channels):
            # As a broadcast announces, or a disc's second form of another.
            out.left_out.append(
                f"sound track {track.index} ({track.codec}): nothing of it comes where the film begins; if "
                f"it comes later, write the film anew first, as with {_LONGER} -i FILM -map 0 -c copy NEW.mkv"
            )
            continue
        name = f"a:{count}"
        count += 1
        _add(out, name, track, [flag for flag in track.disposition if flag != "default"], container)
        sound = _sound(name, track, container)
        _name_lost_places(out, name, track, container)
        out.options += sound if sound[0][1] == "copy" else [*sound, *_stale(name, track.tags, anew=True)]
        _name_lost_volume(out, name, track, container)
        if sound[0][1] == "aac" and is_lossless(track.codec):
            out.left_out.append(
                f"what AAC loses of sound track {track.index} ({track.codec}); add -o film.mov to keep it"
            )
    count = 0
    for subtitle in info.subtitles:
        way = subtitle_codec(subtitle.codec, container)
        keeps = "; add -o film.mkv to keep" if subtitle.codec in SUBTITLES["matroska"] else ""
        if not way:
            lost = f"subtitle {subtitle.index}: {subtitle.codec} cannot stand in {container}"
            out.left_out.append(lost + (keeps and f"{keeps} it"))
            continue
        out.left_out += _lost_of_subtitle(subtitle, way, keeps and f"{keeps} them")
        name = f"s:{count}"
        count += 1
        _add(out, name, subtitle, subtitle.disposition, container)
        out.options.append((f"c:{name}", way))
        if "default" not in subtitle.disposition:
            out.off.append(len(out.streams) - 1)
    for other in sorted(info.other, key=lambda one: one.is_cover):  # which are no tracks in MP4
        if container == "matroska" and other.is_cover and other.codec in COVERS:
            out.covers.append(other)
            continue
        what = other.codec or other.tag or other.tags.get("filename", "")
        reason = _why_left_out(other, container, bool(info.chapters))
        if reason is None:
            _add(out, str(len(out.streams)), other, other.disposition, container)
        elif reason:
            out.left_out.append(f"{other.kind} stream {other.index} ({what}): {reason}")
    if info.first_chapter > _LATE_CHAPTER_SECONDS and container != "matroska":
        when = f"{info.first_chapter:.3f} s"
        out.left_out.append(f"when the first chapter begins ({when}): in {container} it begins with the film")
    if info.chapter_gaps and container != "matroska":
        out.left_out.append(f"when chapters end: in {container} each ends where the next begins")
    out.places = {index: number for number, (name, index) in enumerate(out.streams) if name == "film"}
    out.places[info.film.index] = 0
    _keep_reels(out, info, container)
    _keep_references(out, info, container)
    out.left_out += info.untold
    if info.own and container == "matroska":
        out.left_out.append(f"what a camera says in boxes of its own ({', '.join(info.own)})")
    if container == "matroska":
        # They are tags of a programme, which ffmpeg copies to none.
        out.options += [("metadata", f"{key}={info.tags[key]}") for key in SERVICE if key in info.tags]
    else:
        out.keys = _keys(info.tags, _BOXED_TAGS[container] | _OWN_TAGS)
    if made := info.tags.get("creation_time"):
        # It stands twice in films that FFmpeg copied with all their tags, which then reads both as one text.
        out.options.append(("metadata", f"creation_time={made.partition(';')[0]}"))
    return out


def _lost_of_subtitle(subtitle: SubtitleStream, way: str, keeps: str) -> Iterator[str]:
    """What a subtitle that stays loses; `keeps` says what to type to keep it, where anything does."""
    if subtitle.codec == "ass" and way != "copy":
        yield f"places, fonts and movements of subtitle {subtitle.index} (ass){keeps}"
    elif subtitle.placed and subtitle.foreign:
        yield f"places of subtitle {subtitle.index} (WebVTT of another program than FFmpeg)"
    elif subtitle.placed and way != "copy":
        yield f"places of subtitle {subtitle.index} ({subtitle.codec}){keeps}"
    if subtitle.coloured and way == "mov_text" and subtitle.codec != "ass":
        yield f"colours of subtitle {subtitle.index} ({subtitle.codec}){keeps}"
    if subtitle.beside and way == "mov_text":
        yield f"the ends of subtitle {subtitle.index}'s lines that are seen beside a later one{keeps}"


def _keep_references(out: Plan, info: MediaInfo, container: str) -> None:
    """Let streams belong to those that they belonged to; name what is lost of streams that stay."""
    for stream, kind, others in info.references:
        if stream in out.places and container != "matroska" and out.places.keys() >= set(others):
            out.references.append((out.places[stream], kind, tuple(out.places[other] for other in others)))
        elif stream in out.places:
            whose = " and ".join(map(str, others))
            out.left_out.append(f"that stream {stream} belongs to stream {whose} ({kind})")


def _keep_reels(out: Plan, info: MediaInfo, container: str) -> None:
    """Give each picture the reel of its timecode track, which is made anew from it; name what is over."""
    pictures = {other.index: other.tags for other in info.other if other.kind == "video"}
    others = [pictures[index] for name, index in out.streams if name == "film" and index in pictures]
    tracks = [other for other in info.other if other.tag == "tmcd" or "reel_name" in other.tags]
    for number, tags in enumerate([info.film.tags, *others]):
        own = [track for track in tracks if track.tags.get("timecode") == tags.get("timecode")]
        track = next(iter(own or ([] if number else tracks)), None)
        if track is None:
            continue
        tracks.remove(track)
        reel = track.tags.get("reel_name", "")
        if reel and container == "mp4":
            out.left_out.append(f"reel name {reel}: mp4 has no place for it")
        elif reel:
            out.options.append((f"metadata:s:v:{number}", f"reel_name={reel}"))
    for track in tracks if container != "matroska" else ():
        if track.tag == "tmcd":
            code = track.tags.get("timecode", "of a further track")
            out.left_out.append(f"timecode {code}: one goes with each picture")


def _keys(tags: Mapping[str, str], boxed: Container[str]) -> dict[str, str]:
    """Tags that are not `boxed`, but for those that only repeat one in its language, as `title-eng` does."""
    return {
        key: value
        for key, value in tags.items()
        if key.lower() not in boxed and (key == (plain := _LANGUAGE.sub("", key)) or tags.get(plain) != value)
    }


def _add(
    out: Plan,
    name: str,
    stream: AudioStream | SubtitleStream | OtherStream,
    disposition: Sequence[str],
    container: str,
) -> None:
    out.streams.append(("film", stream.index))
    _tell(out, name, stream.index, disposition, stream.tags, container)


def _tell(
    out: Plan, name: str, index: int, marks: Sequence[str], tags: Mapping[str, str], container: str
) -> None:
    """Say of the next stream what the film says of its stream `index`; name what its container cannot say."""
    out.tags.append((name, index))
    _say_language(out, name, index, tags.get("language", ""), container)
    out.options.append((f"disposition:{name}", "+".join(marks) or "0"))
    if lost := marks_lost(marks, container):
        out.left_out.append(f"marks of stream {index} ({', '.join(lost)}): {container} has none")
    words = [key for key in tags if container != "matroska" and not _TRACK_TAGS.fullmatch(key)]
    if words:
        out.left_out.append(f"tags of stream {index} ({', '.join(words)}); add -o film.mkv to keep them")
    if "name" in tags and "title" not in tags:
        # What MP4 and MOV call a track's name, their muxer and Matroska's take as its title.
        out.options.append((f"metadata:s:{name}", f"title={tags['name']}"))
    if container == "matroska":
        out.options += [(f"metadata:s:{name}", f"{key}=") for key in ("name", "handler_name", "vendor_id")]


def _say_language(out: Plan, name: str, index: int | None, tag: str, container: str) -> None:
    """Say the next stream's language.

    That of the film's stream `index` comes with its tags, unless it is a BCP 47 tag; the dub's (None) never.
    Broadcasts say one of each of two channels, with a comma between them.
    """
    matroska = container == "matroska"
    tag, *others = tag.split(",")
    out.languages.append(tag)
    if others:
        out.left_out.append(f"that stream {index} is in {', '.join(others)} too, as in its second channel")
    if says_more(tag) or index is None or others:
        said = placeholder(tag) if matroska else iso639_2(tag) or "und"
        out.options.append((f"metadata:s:{name}", f"language={said}"))


def _stale(name: str, tags: Mapping[str, str], *, anew: bool) -> list[tuple[str, str]]:
    """Options that leave out what is no longer true of a stream with new packets.

    That is mkvmerge's figures (bytes, bits per second), and where all is encoded `anew`, by what it was.
    """
    figures = {word for key in tags if key.startswith("_STATISTICS_TAGS") for word in tags[key].split()}
    gone = [key for key in tags if key.startswith("_STATISTICS_") or key.partition("-")[0] in figures]
    gone += [key for key in tags if anew and key.lower() in ("encoder", ALPHA)]
    return [(f"metadata:s:{name}", f"{key}=") for key in gone]


def _sound(name: str, track: AudioStream, container: str) -> list[tuple[str, str]]:
    way = audio_codec(track, container)
    if not way:
        what = f"{_whose(name, track)} ({track.layout or f'{track.channels} channels'})"
        ways = [f"-o film{end}" for end in (".mov", ".mkv") if audio_codec(track, format_of(end))]
        raise MediaError(f"{what} cannot be written into {container}; add {' or '.join(ways)}")
    options = [(f"c:{name}", way)]
    if way == "aac":
        options.append((f"b:{name}", str(_AAC_BITS * max(1, track.channels))))
        if track.rate > AAC_RATE:
            options.append((f"ar:{name}", str(AAC_RATE)))
        if track.layout == f"{track.channels} channels":  # of no named places, which some decoders leave so
            options.append((f"ac:{name}", str(track.channels)))
    if track.gaps and way.startswith("pcm_"):
        options.append((f"filter:{name}", f"aresample=async=1:min_hard_comp={GAP_SECONDS}"))
    if track.pauses:
        silent = "+".join(f"between(t\\,{start:.6f}\\,{stop:.6f})" for start, stop in track.pauses)
        options.append((f"filter:{name}", f"asetnsamples={_SILENCED}:p=0,volume=0:enable={silent}"))
    if layout := renamed(track, way):
        channels = "|".join(map(str, range(track.channels)))
        options.append((f"filter:{name}", f"channelmap={channels}:{layout}"))
    elif way in ("aac", "flac") and ordered(track.layout) != track.layout:
        options.append((f"channel_layout:{name}", ordered(track.layout)))
    if way == "copy" and track.codec in ("vorbis", "wmav2") and container == "matroska":
        # Their first packets only set the decoder going; with times before zero they would move the film.
        options.append((f"bsf:{name}", "setts=ts=max(TS\\,0)"))
    return options


def _name_lost_places(out: Plan, name: str, track: AudioStream, container: str) -> None:
    if loses_places(track, container):
        way = "" if loses_places(track, "mov") else "; add -o film.mov to keep them"
        out.left_out.append(f"the places of {_whose(name, track)} ({track.layout}){way}")


def _name_lost_volume(out: Plan, name: str, track: AudioStream, container: str) -> None:
    if track.volume != FULL_VOLUME and container == "matroska":
        said = f"the volume of {_whose(name, track)} ({track.volume / FULL_VOLUME:.0%})"
        out.left_out.append(f"{said}; add -o film.mov to keep it")


def _whose(name: str, track: AudioStream) -> str:
    """What people call a stream of sound of the result."""
    return "the dub's sound" if name == "a:0" else f"sound track {track.index}"


def _why_left_out(stream: OtherStream, container: str, chapters: bool) -> str | None:
    """Why a stream that is neither sound nor subtitle stays out; None: it is kept, "": it is made anew."""
    if stream.kind == "attachment":
        return None if container == "matroska" else f"{container} has no attachments"
    if stream.kind == "video":
        cover = stream.is_cover and stream.codec in COVERS
        if "timed_thumbnails" in stream.disposition:
            return "pictures of chapters are kept nowhere"
        if cover and container == "mov":
            return "mov has no covers"
        return (
            None
            if cover or stream.codec in VIDEO[container]
            else f"{stream.codec} cannot stand in {container}"
        )
    if stream.kind == "data" and stream.tag == "text" and chapters:
        return ""  # the track that QuickTime keeps chapter names in
    if stream.kind == "data" and stream.tag == "tmcd" and container != "matroska":
        return ""  # made from the timecode tag
    return f"{container} cannot carry it"
