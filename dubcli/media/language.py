"""The language of a dub, guessed from its file's name."""

from __future__ import annotations

import re

# ISO 639-1 → ISO 639-2/T, for the languages films are dubbed into.
_CODES = {
    "af": "afr", "am": "amh", "ar": "ara", "az": "aze", "be": "bel", "bg": "bul", "bn": "ben", "bs": "bos",
    "ca": "cat", "cs": "ces", "cy": "cym", "da": "dan", "de": "deu", "el": "ell", "en": "eng", "es": "spa",
    "et": "est", "eu": "eus", "fa": "fas", "fi": "fin", "fr": "fra", "ga": "gle", "gl": "glg", "gu": "guj",
    "he": "heb", "hi": "hin", "hr": "hrv", "hu": "hun", "hy": "hye", "id": "ind", "is": "isl", "it": "ita",
    "ja": "jpn", "ka": "kat", "kk": "kaz", "km": "khm", "kn": "kan", "ko": "kor", "lo": "lao", "lt": "lit",
    "lv": "lav", "mk": "mkd", "ml": "mal", "mn": "mon", "mr": "mar", "ms": "msa", "mt": "mlt", "my": "mya",
    "nb": "nob", "ne": "nep", "nl": "nld", "no": "nor", "pa": "pan", "pl": "pol", "pt": "por", "ro": "ron",
    "ru": "rus", "si": "sin", "sk": "slk", "sl": "slv", "sq": "sqi", "sr": "srp", "sv": "swe", "sw": "swa",
    "ta": "tam", "te": "tel", "th": "tha", "tl": "tgl", "tr": "tur", "uk": "ukr", "ur": "urd", "uz": "uzb",
    "vi": "vie", "zh": "zho", "zu": "zul",
}  # fmt: skip


def guess(name: str) -> str:
    """ISO 639-2 code from the last word of a name that is a code, "" where none is.

    `dub_fr` and `dub-FRA` are French; `fr-CA` is too.
    """
    for word in reversed(re.split(r"[^A-Za-z]+", name)):
        if word.lower() in _CODES:
            return _CODES[word.lower()]
        if word.lower() in _CODES.values():
            return word.lower()
    return ""


def short(code: str) -> str:
    """The ISO 639-1 code of an ISO 639-2 one, "" where there is none."""
    return next((two for two, three in _CODES.items() if three == code), "")
