"""Grapheme-to-phoneme conversion by eSpeak NG, for languages other than English.

eSpeak NG is licensed GPL-3.0-or-later and is not part of this package: the library of the optional package
`espeakng-loader` is used where that is installed (`pip install 'dubcli[script]'`), or else the system's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from dubcli.errors import DependencyError
from dubcli.language import nearest, standard

# From eSpeak NG's speak_lib.h: AUDIO_OUTPUT_SYNCHRONOUS, espeakINITIALIZE_DONT_EXIT, espeakCHARS_UTF8.
_NO_SOUND, _NO_EXIT, _UTF8 = 2, 1 << 15, 1
_IPA, _SEPARATOR = 2, "_"  # phoneme mode: IPA, with this character between phones


def available() -> bool:
    """Whether an eSpeak NG library is installed."""
    try:
        _library()
    except DependencyError:
        return False
    return True


def versions(paths: Mapping[str, Path]) -> dict[str, str]:
    """Which eSpeak NG pronounces words, "" for none: an engine's part of keys (`EngineInfo.libraries`)."""
    try:
        library = _opened()[0]
    except DependencyError:
        return {"espeak-ng": ""}
    library.espeak_Info.restype = ctypes.c_char_p
    return {"espeak-ng": (library.espeak_Info(None) or b"?").decode("ascii", "replace").split(" ")[0]}


def speaks(language: str) -> bool:
    """Whether eSpeak NG has a voice for a language, a BCP 47 tag.

    Raises:
        DependencyError: there is no eSpeak NG library.
    """
    return bool(_voice(language))


def ipa(text: str, language: str) -> list[str]:
    """IPA phones of a few words; [] where they are not in that language's writing system.

    Raises:
        DependencyError: there is no eSpeak NG library.
        ValueError: it does not know the language.
    """
    library, voice = _library(), _voice(language)
    if not voice or library.espeak_SetVoiceByName(voice.encode()):
        raise ValueError(f"eSpeak NG does not know the language {language!r}")
    rest = ctypes.c_char_p(text.encode())
    found: list[str] = []
    while rest.value:
        symbols = library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA | ord(_SEPARATOR) << 8)
        found += (symbols or b"").decode("utf-8").replace(" ", _SEPARATOR).split(_SEPARATOR)
    # "(en)" and the like mean that eSpeak NG changed language to spell a letter that it cannot pronounce.
    return [] if any("(" in phone for phone in found) else [phone for phone in found if phone]


@lru_cache
def _voice(language: str) -> str:
    """The voice nearest to a language, such as `es-419` for Argentinian Spanish; "" for none."""
    return voices().get(nearest(language, voices()), "") if language else ""


class _Voice(ctypes.Structure):
    # The first fields of eSpeak NG's `espeak_VOICE` (speak_lib.h); the others are not read.
    _fields_ = (("name", ctypes.c_char_p), ("languages", ctypes.POINTER(ctypes.c_char)))


@lru_cache
def voices() -> dict[str, str]:
    """Language tag → name of the voice, for all voices, in order of the tags.

    Raises:
        DependencyError: there is no eSpeak NG library.
    """
    rows = _library().espeak_ListVoices(None)
    found: dict[str, str] = {}
    at = 0
    while rows[at]:
        # A byte of priority, then the first of the voice's languages.
        row = rows[at].contents
        tag = ctypes.string_at(ctypes.addressof(row.languages.contents) + 1).decode("ascii", "replace")
        if standard(tag):
            found.setdefault(tag, (row.name or b"").decode("utf-8", "replace"))
        at += 1
    return dict(sorted(found.items()))


@lru_cache
def _library() -> Any:
    library, data = _opened()
    if library.espeak_Initialize(_NO_SOUND, 0, data, _NO_EXIT) <= 0:
        raise DependencyError(
            "eSpeak NG finds no voices; type: pip install --force-reinstall espeakng-loader"
        )
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return library


@lru_cache
def _opened() -> tuple[Any, bytes | None]:
    """The library, and the folder of its data; None for its own."""
    try:
        import espeakng_loader

        path, data = str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()).encode()
    except ImportError:
        path, data = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1", None
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise DependencyError("eSpeak NG is not installed; type: pip install 'dubcli[script]'") from error
    return library, data
