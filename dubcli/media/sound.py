"""Sound by sample: a track as one channel, decoded block by block.

Times are seconds after the film's first picture, where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from dubcli.errors import MediaError
from dubcli.media import bursts, source
from dubcli.media.containers import is_lossless
from dubcli.media.mov import read as mov_read
from dubcli.media.mov.boxes import opened
from dubcli.media.probe import GAP_SECONDS

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream as AvAudioStream
    from av.container import InputContainer

    from dubcli.artifacts.media import AudioStream

# Samples of sound in one block of memory, set by hand: large enough to be unmapped when freed.
_BLOCK = 1 << 24
_JOINED = 4096  # samples that are worked on at a time, at least; set by hand
_DIRECT = 1e-3  # share of a sound's power that a direct current may have; set by hand, -30 dB
_FULL = {"s16": 2**15 - 2, "s32": 2**31 - 2**16, "flt": 1 - 2**-15, "dbl": 1 - 2**-15}
"""Full scale of the formats that PCM and FLAC decode to, less what 16 bits round."""
_HIGH = {"s16": 16, "s32": 0}  # bits that are free above the samples of a format
_CLIPPED, _CLIPPED_PLACES = 4, 3  # samples in a row at full scale, and how often; set by hand
_BEYOND = 1.01  # of full scale, above which floats are no longer rounded to it; set by hand, 0.1 dB
_SILENT = 0.03**2  # power of a sound over another's below which it carries nothing; set by hand, -30 dB


def audio(
    path: Path, rate: int = 16000, stream: int | None = None, warn: Callable[[str], None] = lambda text: None
) -> tuple[NDArray[np.float32], float]:
    """Decode a sound track to one channel.

    Where the track has a centre channel that carries sound, only that is used: it carries the dialogue. So
    is the first of two channels that cancel each other out, as where one is inverted.

    Args:
        path: a film or a sound file.
        rate: samples per second wanted.
        stream: index of the sound track, or the default one.
        warn: called with a line on channels that cancel each other out, and one on clipping.

    Returns:
        (S,) float32 samples, and the time of the first one in seconds after the film's first picture
        (0 for a file without a picture).

    Raises:
        MediaError: unreadable, no sound, or samples that are no numbers.
    """
    with source.opened(path) as container:
        film = next(iter(source.pictures(container)), None)
        zero = Fraction(0)
        if film is not None and film.start_time is not None and film.time_base is not None:
            zero = film.start_time * film.time_base
        track = track_of(container, path, stream)
        pauses: tuple[mov_read.Pause, ...] = ()  # in which FFmpeg plays the sound's beginning
        if "mov" in container.format.name:
            with opened(path) as file:
                edits = mov_read.edited(file).get(track.id)
            pauses = edits.pauses if edits else ()
        sound = _Sound(container, track, rate)
        wave = _concatenate(sound.mono())
    alone = sound.alone
    if True in alone:
        warn(
            f"the two channels of {path.name} cancel each other out, as where one is inverted: in mono "
            "nothing is heard; it is delivered so, and mouths are held to the first channel; export it anew"
        )
    if sound.clipping.places >= _CLIPPED_PLACES:
        warn(
            f"{path.name} is clipped: {sound.clipping.places} times its samples stay at full scale, first "
            f"{sound.clipping.first:.2f} s after its beginning; it is delivered so; export it with headroom"
        )
    if _BEYOND < sound.clipping.peak < math.inf:
        warn(
            f"{path.name} goes beyond full scale, by {20 * math.log10(sound.clipping.peak):.1f} dB: MOV and "
            "Matroska keep that, but what plays it cuts it off, and so does AAC; export it with headroom"
        )
    if alone:
        del wave  # a long film's two waves would not fit in memory
        with source.opened(path) as container:
            wave = _concatenate(_Sound(container, track_of(container, path, stream), rate).mono(alone))
    if not len(wave):
        raise MediaError(f"{path} has no sound that can be decoded; name a file with sound")
    for start, stop in pauses:
        begin, end = (max(0, round((time - float(sound.begin)) * rate)) for time in (start, stop))
        wave[begin:end] = 0
    for at in range(0, len(wave), _BLOCK):
        odd = ~np.isfinite(wave[at : at + _BLOCK])
        if odd.any():
            raise MediaError(
                f"{path}: its sound holds samples that are no numbers, from about "
                f"{(at + int(odd.argmax())) / rate:.2f} s on; export it again, or as 24 bits"
            )
    _without_direct_current(wave)
    return wave, float(sound.begin - zero) if film is not None else 0.0


def beginning(path: Path, seconds: float, rate: int, stream: int) -> NDArray[np.float32]:
    """(S,) samples of the first seconds of a sound track, as one channel.

    Raises:
        MediaError: unreadable.
    """
    with source.opened(path) as container:
        pieces, count = [np.zeros(0, np.float32)], 0
        for piece in _Sound(container, track_of(container, path, stream), rate).mono():
            pieces.append(piece)
            count += len(piece)
            if count >= seconds * rate:
                break
    return np.concatenate(pieces)[: round(seconds * rate)]


def coded(path: Path, track: AudioStream) -> bursts.Coded | None:
    """What coded sound stands in a track of PCM, as Dolby E, which would be heard as noise; None for none.

    Raises:
        MediaError: unreadable.
    """
    if not is_lossless(track.codec) or track.channels < 2:
        return None
    count, pieces = 0, [np.zeros((0, track.channels), np.int32)]
    with source.opened(path) as container:
        for frame in decoded(container, track_of(container, path, track.index)):
            high = _HIGH.get(frame.format.name)
            if high is None or len(frame.layout.channels) != track.channels:
                return None
            # Planes of more than seven channels crash PyAV; PCM has none.
            pieces.append(frame.to_ndarray().reshape(-1, track.channels).astype(np.int32) << high)
            count += frame.samples
            if count >= bursts.SEARCHED_SECONDS * track.rate:
                break
    return bursts.find(np.concatenate(pieces))


def _without_direct_current(wave: NDArray[np.float32]) -> None:
    """Take out a direct current, as of a faulty interface: it would be taken for how loud speech is."""
    pieces = [wave[at : at + _BLOCK] for at in range(0, len(wave), _BLOCK)]
    mean = sum(float(piece.sum(dtype=np.float64)) for piece in pieces) / len(wave)
    power = sum(float(np.square(piece).sum(dtype=np.float64)) for piece in pieces) / len(wave)
    if mean**2 > _DIRECT * power:
        wave -= np.float32(mean)


def _concatenate(pieces: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Blocks (n,) as one array; needs the array's memory and that of one block."""
    blocks: list[NDArray[np.float32]] = []
    room = 0
    for piece in pieces:
        while len(piece):
            if not room:
                blocks.append(np.empty(_BLOCK, np.float32))
                room = _BLOCK
            count = min(room, len(piece))
            blocks[-1][_BLOCK - room : _BLOCK - room + count] = piece[:count]
            room, piece = room - count, piece[count:]
    out = np.empty(len(blocks) * _BLOCK - room, np.float32)
    for at in range(0, len(out), _BLOCK):
        part = out[at : at + _BLOCK]
        part[:] = blocks[at // _BLOCK][: len(part)]
        blocks[at // _BLOCK] = part[:0]
    return out


def track_of(container: InputContainer, path: Path, index: int | None) -> AvAudioStream:
    tracks = [s for s in container.streams.audio if s.codec_context is not None]
    if index is not None:
        tracks = [s for s in tracks if s.index == index]
    if not tracks:
        raise MediaError(f"{path} has no sound that can be decoded; name a file with sound")
    return max(tracks, key=lambda s: (bool(s.disposition & 1), -s.index))


class _Sound:
    """A sound track as one channel, decoded block by block.

    Attributes:
        begin: time of the first sample.
        clipping: where its samples stay at full scale, of what was read.
        energies: of the mix, and of the channel that may be heard alone: of layouts of two channels (True)
            the first, of others the centre.
    """

    def __init__(self, container: InputContainer, track: AvAudioStream, rate: int) -> None:
        self._container, self._track, self._rate = container, track, rate
        self.begin = Fraction(0)
        self.clipping = _Clipping()
        self.energies = {True: [0.0, 0.0], False: [0.0, 0.0]}

    @property
    def alone(self) -> frozenset[bool]:
        """Of which layouts one channel is to be heard instead of the mix; known once that was read."""
        (pair, first), (mix, centre) = self.energies[True], self.energies[False]
        # Two channels whose mix is silent are opposites; a centre that is silent carries no dialogue.
        found = {True: pair < _SILENT * first, False: centre > _SILENT * mix}
        return frozenset(kind for kind, is_so in found.items() if is_so)

    def mono(self, alone: Collection[bool] = ()) -> Iterator[NDArray[np.float32]]:
        """Samples of the mix of all channels; of some layouts, of the channel that is heard alone."""
        mix: _Channel | None = None
        single: _Channel | None = None
        count, shape, pair = 0, None, False
        for frame, missing in self._blocks():
            if missing:
                yield np.zeros(round(missing * self._rate), np.float32)
                count += round(missing * frame.sample_rate)
            if shape != (form := _shape(frame)):
                shape = form
                names = [channel.name for channel in frame.layout.channels]
                pair = len(names) == 2
                centre = names.index("FC") if "FC" in names and len(names) > 2 else None
                own = 0 if pair else centre
                # Nothing mixes ambisonics, whose first channel (W) is what comes from all sides.
                whole, width = (frame.layout, len(names)) if "AMBI0" in names else ("mono", 1)
                mix = _Channel(whole, self._rate, 0, width)
                single = None if own is None else _Channel(frame.layout, self._rate, own, len(names))
            self.clipping.look(frame, count)
            count += frame.samples
            assert mix is not None
            yield self._resample(frame, mix, single, pair, alone)
        if mix is not None:
            yield self._resample(None, mix, single, pair, alone)

    def _blocks(self) -> Iterator[tuple[AudioFrame, float]]:
        """Frames without times, small ones joined, each with the seconds of sound that are missing before it.

        TrueHD has 1200 frames a second, and every step costs the same whatever a frame's length.
        """
        fifo, gap, count, begin = av.AudioFifo(), 0.0, 0, 0.0
        shape: tuple[str, str, int] | None = None

        def joined() -> list[tuple[AudioFrame, float]]:
            block = fifo.read()
            return [(block, gap)] if block else []

        for frame in decoded(self._container, self._track):
            form, missing = _shape(frame), 0.0
            if frame.time is not None:
                if shape is None and frame.pts is not None and frame.time_base is not None:
                    self.begin = frame.pts * frame.time_base
                    begin = float(self.begin)
                missing = frame.time - begin - count / frame.sample_rate
            missing = missing if missing > GAP_SECONDS else 0.0
            if missing or form != shape:
                yield from joined()
                fifo, shape, gap = av.AudioFifo(), form, missing
            count += round(missing * frame.sample_rate) + frame.samples
            frame.pts = None
            fifo.write(frame)
            if fifo.samples >= _JOINED:
                yield from joined()
                gap = 0.0
        yield from joined()

    def _resample(
        self,
        frame: AudioFrame | None,
        mix: _Channel,
        single: _Channel | None,
        pair: bool,
        alone: Collection[bool],
    ) -> NDArray[np.float32]:
        """The resampled output for a frame, or the rest at the end."""
        if single is None:
            return mix(frame)
        own = single(frame)
        if pair in alone:
            return own
        mixed = mix(frame)
        for place, samples in enumerate((mixed, own)):
            self.energies[pair][place] += float(np.square(samples, dtype=np.float64).sum())
        return mixed


class _Clipping:
    """Where the samples of a sound stay at full scale, as a level that was too high leaves them.

    Only sounds kept sample by sample (PCM, FLAC) are looked at: what others decode to goes beyond it.

    Attributes:
        places: their number.
        first: seconds from the sound's beginning to the first.
        peak: the highest sample, of full scale, where floats go beyond it.
    """

    def __init__(self) -> None:
        self.places, self.first, self.peak = 0, 0.0, 0.0

    def look(self, frame: AudioFrame, before: int) -> None:
        """Look at a frame before which there are so many samples of each channel."""
        full = _FULL.get(frame.format.name)
        if full is None:
            return
        samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))
        if samples.max(initial=0) < full and samples.min(initial=0) > -full:
            return
        level = np.abs(samples.astype(np.float64))
        if frame.format.name in ("flt", "dbl"):
            self.peak = max(self.peak, float(level.max()))  # not where it is no number
        high = (level >= full) & ~((level > _BEYOND) & (full < 1))
        row = np.logical_and.reduce([high[k : len(high) - _CLIPPED + 1 + k] for k in range(_CLIPPED)])
        begun = row & ~np.vstack([np.zeros_like(row[:1]), row[:-1]])
        if begun.any() and not self.places:
            self.first = (before + int(begun.any(1).argmax())) / frame.sample_rate
        self.places += int(begun.any(1).sum())


class _Channel:
    """One channel of a sound, resampled."""

    def __init__(self, layout_: Any, rate: int, number: int, width: int = 1) -> None:
        # Interleaved: PyAV miscounts the planes of more than seven channels.
        self._resampler = av.AudioResampler(format="flt", layout=layout_, rate=rate)
        self._number, self._width = number, width

    def __call__(self, frame: AudioFrame | None) -> NDArray[np.float32]:
        """Samples (n,) that a frame adds, or the end where it is None."""
        found = [_channel(out, self._number, self._width) for out in self._resampler.resample(frame)]
        return np.concatenate([np.zeros(0, np.float32), *found])


def _shape(frame: AudioFrame) -> tuple[str, str, int]:
    """What must be the same in two frames that are one sound."""
    return frame.layout.name, frame.format.name, frame.sample_rate


def _channel(frame: AudioFrame, number: int, count: int) -> NDArray[np.float32]:
    """One channel of interleaved sound."""
    return np.asarray(frame.to_ndarray()[0, number::count], np.float32)


def decoded(container: InputContainer, track: AvAudioStream) -> Iterator[AudioFrame]:
    for packet in source.packets(container, track):
        try:
            yield from packet.decode()
        except source.DAMAGED:
            continue
