"""Make the speech of the sample film: `dubcli/demo/speech_<language>.flac` and `.json`.

Needs the eSpeak NG library (`apt-get install espeak-ng`), for this tool only; its output is free to use. Run
from the root of the repository: `.venv/bin/python tools/make_speech.py`. Every line is synthesised separately
and starts at a fixed time, so that the lines of both languages lie in the same shots. The JSON has the lines
and the phones (in eSpeak's IPA) with their times in seconds.
"""

from __future__ import annotations

import argparse
import ctypes
import json
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SECONDS = 14.4  # length of the film, long enough for four short lines in each language
FOLDER = Path(__file__).resolve().parent.parent / "dubcli" / "demo"
# Language -> voice, and lines as (start in s, words a minute, text).
LINES: dict[str, tuple[str, list[tuple[float, int, str]]]] = {
    "en": (
        "en-us+f3",
        [
            (0.50, 150, "Hello. This is a sample film."),
            (3.10, 170, "A photograph moves its lips, a computer lends it a voice."),
            (7.00, 165, "Now you see a rocket and hear me."),
            (9.65, 155, "Back again, my lips go on: mama and papa bought a big apple pie."),
        ],
    ),
    "fr": (
        "fr+f4",
        [
            (0.40, 165, "Bonjour. Voici un petit film d'essai."),
            (3.10, 175, "Une photographie bouge ses lèvres, et un ordinateur lui prête sa voix."),
            (7.00, 175, "Voici une fusée. On n'entend que ma voix."),
            (9.55, 160, "Me revoilà, ma bouche bouge : maman et papa ont mangé beaucoup de pommes."),
        ],
    ),
}

# From eSpeak NG's speak_lib.h.
_SYNCHRONOUS, _PHONEME_EVENTS_IN_IPA, _UTF8, _RATE, _PHONEME = 2, 3, 1, 1, 7
_GLIDE_SECONDS = (
    0.06  # nameless events shorter than this are glides of the previous phone, not pauses; set by hand
)


class _Value(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("id", _Value),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Speaker:
    """eSpeak NG through its C interface, the only one that reports the start of each phone."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate: int = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS_IN_IPA)
        self._sound: list[NDArray[np.int16]] = []
        self._phones: list[tuple[float, str]] = []
        self._callback = _Callback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(
        self, sound: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        if sound and count > 0:
            self._sound.append(np.ctypeslib.as_array(sound, (count,)).copy())
        index = 0
        while events[index].type:
            event = events[index]
            if event.type == _PHONEME:
                self._phones.append((event.sample / self.rate, event.id.string.decode("utf-8")))
            index += 1
        return 0

    def say(self, voice: str, speed: int, text: str) -> tuple[NDArray[np.int16], list[tuple[float, str]]]:
        """Samples (n,) and phones as (start in seconds, IPA); "" is a pause."""
        self._sound, self._phones = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise SystemExit(f"espeak-ng has no voice {voice}")
        self._library.espeak_SetParameter(_RATE, speed, 0)
        said = text.encode()
        self._library.espeak_Synth(said, len(said) + 1, 0, 1, 0, _UTF8, None, None)
        return np.concatenate(self._sound), self._phones


def make(speaker: Speaker, language: str) -> None:
    """Write the sound and the timings of one language."""
    voice, lines = LINES[language]
    track = np.zeros(round(SECONDS * speaker.rate), np.int16)
    said: list[dict[str, str | float]] = []
    phones: list[list[str | float]] = []
    for number, (start, speed, text) in enumerate(lines):
        sound, starts = speaker.say(voice, speed, text)
        first = round(start * speaker.rate)
        loud = np.flatnonzero(np.abs(sound) > 60)
        sound = sound[: loud[-1] + 1]
        end = start + len(sound) / speaker.rate
        room = lines[number + 1][0] if number + 1 < len(lines) else SECONDS
        if end > room:
            raise SystemExit(f"{language}: line {number} ends at {end:.2f} s, but must by {room:.2f} s")
        track[first : first + len(sound)] = sound
        said.append({"start": start, "end": round(end, 3), "text": text})
        bounds = np.array([at for at, _ in starts] + [len(sound) / speaker.rate])
        for here in np.flatnonzero(
            np.diff(bounds) <= 0
        ):  # phones with one start, such as /ɪl/, share its time
            bounds[here] = (bounds[here - 1] + bounds[here]) / 2
        for (_, name), at, stop in zip(starts, bounds, bounds[1:], strict=False):
            if not name and stop - at < _GLIDE_SECONDS and phones:
                phones[-1][2] = round(start + stop, 3)
            elif name:
                phones.append([name, round(start + at, 3), round(min(start + stop, end), 3)])
    with av.open(str(FOLDER / f"speech_{language}.flac"), "w", options={"fflags": "+bitexact"}) as box:
        stream = box.add_stream("flac", rate=speaker.rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.options = {"compression_level": "12"}
        frame = av.AudioFrame.from_ndarray(track[None], format="s16", layout="mono")
        frame.sample_rate = speaker.rate
        box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    rows = {"language": language, "seconds": SECONDS, "lines": said, "phones": phones}
    text = ",\n ".join(f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in rows.items())
    (FOLDER / f"speech_{language}.json").write_text("{" + text + "}\n", encoding="utf-8")


def main() -> None:
    """Write the sound and the timings of all languages."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    speaker = Speaker()
    for language in LINES:
        make(speaker, language)


if __name__ == "__main__":
    main()
