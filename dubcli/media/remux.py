"""Muxes the finished film: its new picture, the dub, and every other stream of the source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
from av.stream import Disposition

from dubcli.artifacts.media import MediaInfo, VideoStream
from dubcli.errors import MediaError
from dubcli.media import describe, marks, matroska, nal, picture, source
from dubcli.media.containers import audio_codec, format_of
from dubcli.media.ffmpeg import RESYNC, Process, arguments, input_options, url
from dubcli.media.groups import INTRA, LONG
from dubcli.media.length import misfit, of_picture
from dubcli.media.messages import keeps_dolby_vision
from dubcli.media.mov import read as mov_read
from dubcli.media.mov import write as mov_write
from dubcli.media.mov.boxes import opened
from dubcli.media.names import LAYER, colours
from dubcli.media.probe import probe
from dubcli.media.soundtrack import with_decoded_start
from dubcli.media.spans import Span
from dubcli.media.streams import COVERS, Dub, Plan, plan

_MULTILAYER = "multilayer"  # FFmpeg's mark of pictures whose second layer the container describes
_SLACK_SECONDS = 0.05  # set by hand, about a frame: a dub that is longer by less gives no warning
_SAFE = input_options()
# Microseconds that a track may lag behind before the others are written without it. A subtitle may not come
# for an hour, and so long ffmpeg would hold the film in memory. Set by hand.
_INTERLEAVED_US = 10_000_000

_H264_TAGS = ("avc1", "avc3")
_HEVC_TAG = "hvc1"  # the one that QuickTime, Final Cut and telephones of Apple open
# Codes that say that pictures are Dolby Vision, and what they are to others.
_PLAIN_TAGS = {"dvh1": "hvc1", "dvhe": "hev1", "dvav": "avc3", "dva1": "avc1", "dav1": "av01"}
_COVER_SUFFIXES = {"image/png": "png", "image/jpeg": "jpg"}  # Matroska's players look for cover.jpg
_BRANDS = ("major_brand", "minor_version", "compatible_brands")  # of the container that the film came in


def mux(
    film: picture.Film,
    info: MediaInfo,
    segments: Sequence[picture.Segment],
    copies: Sequence[Span],
    codec: str,
    dub: Dub,
    out: Path,
    scratch: Path,
    warn: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Write the film.

    Args:
        film: the source.
        info: what is in it.
        segments: spans of its new picture; none to copy the source's own.
        copies: ranges of frames copied from the source.
        codec: of the picture.
        dub: the dubbed track.
        out: the file to write, in the format its suffix says.
        scratch: a folder for temporary files.
        warn: called with what the user should know.

    Returns:
        What could not be kept, one line each.

    Raises:
        MediaError, EngineError, TemporaryError, CheckError, nal.Unsupported: it cannot be written.
    """
    container = format_of(out.suffix)
    dub = _with_encoder_delay(dub, container, scratch)
    what = plan(info, codec, dub, container)
    # What is copied from coarse ticks is timed anew too, or its rate would be that of their rounding.
    coarse = container != "matroska" and film.clock != film.video.tick and film.video.codec in LONG | INTRA
    ahead = picture.delay(film, segments, copies)
    form = picture.pipe_format(container, ahead, codec) if segments or coarse else ""
    vision = not segments or (film.timed and keeps_dolby_vision(film.video, codec))
    if vision and film.video.dolby_vision and form == "mov":
        form = "mp4"  # which holds its record
    options = [
        *what.options,
        *(("metadata", f"{key}=") for key in _BRANDS),
        *_fit_options(film, dub, container, warn),
        *_metadata_options(what, info, bool(form)),
    ]
    own_code = info.film.tag if info.film.tag in _PLAIN_TAGS and codec == info.film.codec else ""
    if container == "matroska":
        options += [("tag:v:0", _PLAIN_TAGS[own_code])] if own_code else []
        # Its rate would be guessed from the first packets; MOV and MP4 have it from durations.
        options.append(("r:v:0", f"{info.film.average_rate[0]}/{info.film.average_rate[1]}"))
        options += told_options(film.video)
        if codec != info.film.codec and info.film.sar != (1, 1):
            # Its muxer does not look where the pipe keeps the shape of pixels.
            shape = Fraction(info.film.width, info.film.height) * Fraction(*info.film.sar)
            options.append(("aspect:v:0", f"{shape.numerator}:{shape.denominator}"))
        options += marks.matroska_options() if any(segment.patched for segment in segments) else []
        options += _cover_options(film.path, what, sum(o.kind == "attachment" for o in info.other), scratch)
    else:
        options += _mov_options(film, info, codec, bool(form))
    if vision or film.video.told:
        # Dolby Vision and 360° stand in boxes that ffmpeg counts as unofficial; MOV gets the second alone.
        options.append(("strict", "unofficial"))
    if not form and _MULTILAYER in film.video.disposition:  # ffmpeg then says how it is decoded (lhvC)
        said = dict(options)["disposition:v:0"]
        options.append(("disposition:v:0", f"{said}+{_MULTILAYER}"))
    options += [
        ("fflags", "+bitexact"),
        ("max_interleave_delta", str(_INTERLEAVED_US)),
        ("f", container),
    ]
    with Process(_command(_streams(what, film, dub, form, info), options, out)) as process:
        if form:
            picture.write(process, film, segments, copies, form)
    if LAYER in film.video.dynamic and not _keeps_layer(out):
        what.left_out.append(f"{LAYER}: what says how it is decoded does not stay, so no player shows it")
    if container == "mov" and vision and film.video.dolby_vision:
        mov_write.add_dolby_vision(out, film.video.dolby_vision)
    if container != "matroska" and vision and own_code:
        mov_write.set_code(out, own_code)
    if container != "matroska" and codec == "h264" != film.video.codec:
        mov_write.add_hdr10(out, film.video)
    if container == "matroska":
        matroska.set_languages(out, what.languages)
    else:
        mov_write.add_colour(out, film.video)
        mov_write.set_languages(out, what.languages)
        mov_write.set_length(out, film.seconds)
        mov_write.turn_off(out, what.off)
        volumes = {what.places[one.index]: one.volume for one in info.audio if one.index in what.places}
        volumes[what.streams.index(("dub", dub.sound.index))] = dub.sound.volume
        mov_write.set_volumes(out, volumes)
        mov_write.add_keys(out, what.keys, mov=container == "mov")
        mov_write.add_references(out, what.references)
        mov_write.add_own(out, _own_words(film.path, what.places) if info.own else [])
    return what.left_out


def _keeps_layer(path: Path) -> bool:
    """Whether a film's second layer of pictures can be decoded."""
    with source.opened(path) as container:
        stream = source.picture(container, path)
        if stream.disposition & Disposition.multilayer or describe.has_alpha_beside(stream):
            return True
        first = next((bytes(packet) for packet in source.packets(container, stream) if packet.size), b"")
        context = stream.codec_context
        return nal.describes_layer(first, context.extradata or b"", context.codec.canonical_name)


def _own_words(film: Path, places: Mapping[int, int]) -> list[mov_read.Words]:
    """What a camera says in boxes of its own, of the streams by their numbers in the result."""
    with opened(film) as file:
        return [
            (None if stream is None else places[stream], kind, said)
            for stream, kind, said in mov_read.own(file)
            if stream is None or stream in places
        ]


def _command(streams: Sequence[Any], options: Sequence[tuple[str, str]], out: Path) -> list[str]:
    """Arguments that write streams; of a repeated option the last counts, but for tags and filters."""
    once = {name: value for name, value in options if not name.startswith(("metadata", "attach"))}
    filters = [name for name, _ in options if name.startswith(("bsf", "filter"))]
    once |= {name: ",".join(value for key, value in options if key == name) for name in filters}
    # ffmpeg-python knows an option once; tags are many under one name.
    *head, target = arguments(ffmpeg.output(*streams, url(out), **once))
    many = [part for name, value in options if name not in once for part in (f"-{name}", value)]
    return ["-y", "-copyts", "-copy_unknown", *head, *many, target]


def _with_encoder_delay(dub: Dub, container: str, scratch: Path) -> Dub:
    """The dub in a file that records how much of its first packet is encoder delay.

    An MP3 file says so in its first packet, which is dropped; Matroska then moves the whole film instead.
    """
    if container != "matroska" or dub.sound.codec != "mp3" or dub.path.suffix == ".mp4":
        return dub
    path = scratch / "dub.mp4"
    track = ffmpeg.input(url(dub.path), **_SAFE)[str(dub.sound.index)]
    command = ffmpeg.output(track, url(path), c="copy", fflags="+bitexact")
    with Process([*arguments(command), "-y"]):
        pass
    (track,) = probe(path, whole=False).audio
    return dataclasses.replace(dub, path=path, sound=with_decoded_start(path, track))


def _streams(what: Plan, film: picture.Film, dub: Dub, form: str, info: MediaInfo) -> list[Any]:
    """The streams that go in: the new picture from a pipe if there is one, the dub in its place, the film's.

    Those of the film's subtitles that ffmpeg does not know are read as it is told.
    ffmpeg counts its inputs in this order: pipe, dub, film with a pipe, and film, dub without one.
    """
    lift = film.time_shift * film.video.tick
    moved = {"itsoffset": f"{float(lift):.9f}"} if lift else {}
    kinds = {f"c:{one.index}": one.codec for one in info.subtitles if one.foreign}
    kinds |= RESYNC if info.format == "mpegts" else {}
    origin = ffmpeg.input(url(film.path), **_SAFE, **moved, **kinds)
    # The dub's first sample belongs to the film's first picture, unless the user says otherwise.
    shift = film.begin - dub.sound.start * Fraction(*dub.sound.time_base)
    voice = ffmpeg.input(url(dub.path), **_SAFE, itsoffset=f"{float(shift) + dub.offset:.9f}")
    fresh = ffmpeg.input("pipe:0", f=form, protocol_whitelist="pipe")["0"] if form else None
    found = {"video": fresh or origin[str(film.video.index)], "dub": voice[str(dub.sound.index)]}
    streams = [found.get(name) or origin[str(index)] for name, index in what.streams]
    # Tags and chapters come from the film even where none of its streams do: a stream that it may lack.
    return [*streams, origin["d:99?"]]


def _metadata_options(what: Plan, info: MediaInfo, fresh: bool) -> list[tuple[str, str]]:
    """Options that name the source of tags and chapters."""
    film = 2 if fresh else 0
    return [
        ("map_metadata", str(film)),
        ("map_chapters", str(film)),
        *((f"map_metadata:s:{specifier}", f"{film}:s:{index}") for specifier, index in what.tags),
    ]


def _fit_options(
    film: picture.Film, dub: Dub, container: str, warn: Callable[[str], None]
) -> list[tuple[str, str]]:
    """Options that trim and pad a dub to the film's length; `warn` hears what `probe` has not told."""
    length = film.seconds
    beyond = dub.offset + dub.seconds - float(length)
    if dub.offset >= length or (dub.seconds and dub.offset <= -dub.seconds):
        raise MediaError(
            f"an offset of {dub.offset} s leaves nothing of the dub; type another --set align.offset=SECONDS"
        )
    apart = ""
    if beyond > _SLACK_SECONDS:
        apart = f"the dub is {beyond:.2f} s longer than the film; its end is cut off"
    elif dub.seconds and beyond < -1:
        apart = f"the dub ends {-beyond:.2f} s before the film does; the rest is silent"
    if apart and not misfit(of_picture(film.path), dub.path.name, dub.seconds, dub.sound.rate, dub.offset):
        warn(apart)
    if dub.offset < 0:
        warn(f"the dub begins {-dub.offset:.2f} s before the film; its beginning is cut off")
    if dub.offset < 0 or beyond > _SLACK_SECONDS:
        return _cut_options(dub, film.begin, length, container)
    return []


def _cut_options(dub: Dub, begin: Fraction, length: Fraction, container: str) -> list[tuple[str, str]]:
    """Options that cut the dub to the film: at a sample where it is re-encoded, else at a packet."""
    way = audio_codec(dub.sound, container)
    if way == "copy" and not dub.sound.codec.startswith("pcm_"):
        late = Fraction(dub.offset).limit_denominator(1_000_000)
        before, until = (_packets_until(dub, end) for end in (-late, length - late))
        # Not by -frames: where a stream ends by that, ffmpeg ends all others there.
        return [("bsf:a:0", f"noise=drop=not(between(n\\,{before}\\,{until - 1}))")]
    codec = dub.sound.codec if way == "copy" else way
    trim = f"atrim=start={float(begin):.9f}:end={float(begin + length):.9f}"
    return [("c:a:0", codec), ("filter:a:0", trim)]


def _packets_until(dub: Dub, end: Fraction) -> int:
    """Packets that begin less than `end` seconds after the dub does."""
    with source.opened(dub.path) as container:
        track = container.streams[dub.sound.index]
        assert track.time_base is not None
        last = end / track.time_base + dub.sound.start
        return sum(p.pts < last for p in source.packets(container, track) if p.size and p.pts is not None)


def _cover_options(film: Path, what: Plan, first: int, scratch: Path) -> list[tuple[str, str]]:
    """Options that attach the film's covers to Matroska, which has no streams for them."""
    options: list[tuple[str, str]] = []
    for number, cover in enumerate(what.covers, start=first):
        kind = COVERS[cover.codec]
        name = "cover" if number == first else f"cover{number - first}"
        path = scratch / f"{name}.{_COVER_SUFFIXES[kind]}"
        with source.opened(film) as container:
            packet = next(p for p in source.packets(container, container.streams[cover.index]) if p.size)
            path.write_bytes(bytes(packet))
        options.append(("attach", url(path)))
        options += [
            (f"metadata:s:t:{number}", f"mimetype={kind}"),
            (f"metadata:s:t:{number}", f"filename={cover.tags.get('filename', path.name)}"),
        ]
    return options


def told_options(video: VideoStream) -> list[tuple[str, str]]:
    """Options that let Matroska say the colours and fields that the film's container alone says."""
    told = colours(video.primaries, video.transfer, video.matrix)
    words = dict(zip(("color_primaries", "color_trc", "colorspace"), map(str, told), strict=True))
    words |= {"color_range": video.range, "field_order": video.field_order}
    return [(f"{name}:v:0", word) for name, word in words.items() if word not in ("2", "unknown")]


def _mov_options(film: picture.Film, info: MediaInfo, codec: str, new: bool) -> list[tuple[str, str]]:
    """The film's own time scale and, unless its picture is new, four-character code."""
    video = info.film
    options = list(picture.timescales(film).items())
    if codec == "h264" and new and video.tag not in _H264_TAGS:
        # Of intra pictures at 4:2:2 the muxer makes AVC-Intra, whose packets are laid out otherwise, and
        # takes no other code for them unless it need not be strict.
        options += [("tag:v:0", _H264_TAGS[0]), ("strict", "unofficial")]
    elif video.codec == codec and video.tag.isalnum() and "mov" in info.format:
        options.append(("tag:v:0", _PLAIN_TAGS.get(video.tag, video.tag)))
    elif codec == "hevc":
        options.append(("tag:v:0", _HEVC_TAG))
    return options
