"""Phones of written words in other languages, as eSpeak NG's rules pronounce them.

eSpeak NG is licensed GPL-3.0-or-later and is no part of this package: the library of the optional package
`espeakng-loader` is used where that is installed (`pip install 'dubcli[script]'`), or else the system's.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import lru_cache
from typing import Any

from dubcli.errors import DependencyError

_NO_SOUND, _NO_EXIT, _UTF8 = 2, 1 << 15, 1
_IPA, _MARK = 2, "_"  # IPA symbols, with a mark between phones
_VOICES = {"en": "en-us", "zh": "cmn", "no": "nb"}


def available() -> bool:
    """Whether an eSpeak NG library is there."""
    try:
        _library()
    except DependencyError:
        return False
    return True


def speaks(language: str) -> bool:
    """Whether it knows a language, given by its ISO 639-1 code.

    Raises:
        DependencyError: there is no eSpeak NG library.
    """
    return bool(language) and not _library().espeak_SetVoiceByName(_voice(language))


def ipa(text: str, language: str) -> list[str]:
    """IPA phones of a few words; [] where they are not of that language's script.

    Raises:
        DependencyError: there is no eSpeak NG library.
        ValueError: it does not know the language.
    """
    library = _library()
    if library.espeak_SetVoiceByName(_voice(language)):
        raise ValueError(f"eSpeak NG does not know the language {language!r}")
    rest = ctypes.c_char_p(text.encode())
    found: list[str] = []
    while rest.value:
        said = library.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA | ord(_MARK) << 8)
        found += (said or b"").decode("utf-8").replace(" ", _MARK).split(_MARK)
    # "(en)" and the like say that it went over to another language to name a letter it cannot read.
    return [] if any("(" in phone for phone in found) else [phone for phone in found if phone]


def _voice(language: str) -> bytes:
    return _VOICES.get(language, language).encode()


@lru_cache
def _library() -> Any:
    try:
        import espeakng_loader

        path, data = str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()).encode()
    except ImportError:
        path, data = ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1", None
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise DependencyError("eSpeak NG is not installed; type: pip install 'dubcli[script]'") from error
    if library.espeak_Initialize(_NO_SOUND, 0, data, _NO_EXIT) <= 0:
        raise DependencyError(
            "eSpeak NG finds no voices; type: pip install --force-reinstall espeakng-loader"
        )
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    return library
