"""Languages as BCP 47 tags: parsed from settings, scripts and file names, and converted to other codes.

The registry and the matching come from langcodes, without its data package, which adds only names and
populations.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any


def standard(text: str) -> str:
    """The BCP 47 tag of a text, such as `pt-BR` of `por_br`; "" where it is not a language."""
    try:
        tag: str = _codes().standardize_tag(text.strip().replace("_", "-"))
    except (ValueError, AttributeError):
        return ""
    return tag if tag != "und" and _codes().tag_is_valid(tag) else ""


def named(text: str) -> str:
    """The BCP 47 tag of a setting, "" where it is empty.

    Raises:
        ValueError: it is not a language.
    """
    tag = standard(text)
    if text and not tag:
        raise ValueError(f"{text!r} is not a language; use a BCP 47 tag such as fr, pt-BR or zh-Hant")
    return tag


def _plain(text: str) -> str:
    """A text without accents and other marks on its letters, however they are coded."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))


def guess(name: str) -> str:
    """BCP 47 tag of the last language in a file's name, "" where it has none.

    `dub_fr`, `dub-FRA` and `French dub` are French, `fr-CA` and `pt_br` have their regions, `zh-Hant` its
    script. After a language and a hyphen or underscore, a word that can be a script or region is never
    another language; one that is also an English word, as in `fr_v3_no_fx`, is one where there is no other.
    """
    words = [(match[1], match[2]) for match in re.finditer(r"([\W_]*)([^\W_]+)", _plain(name))]
    found, unsure, at = "", "", 0
    while at < len(words):
        tag, size = _tag(words[at:])
        if words[at][1].lower() in _ENGLISH:
            unsure = tag or unsure
        elif tag and not found.startswith(f"{tag}-"):
            found = tag
        at += size
    found = found or unsure
    for _, word in words:
        found = _VARIANTS.get((found, word.casefold()), found)
    return found


def _tag(words: list[tuple[str, str]]) -> tuple[str, int]:
    """The tag at the head of words and its number of words; "" and 1 where the first is not a language."""
    first = words[0][1]
    tag, size = _NAMES.get(first.casefold(), ""), 1
    named = bool(tag)
    if not named and re.fullmatch("[A-Za-z]{2,3}", first) and _broad(standard(first)) in _in_names():
        tag = standard(first)
    if not tag:
        return "", 1
    for shape in ("[A-Za-z]{4}", "[A-Za-z]{2}|[0-9]{3}"):
        between, word = words[size] if size < len(words) else ("", "")
        word = _REGION_CODES.get(word.upper(), word)
        # Three digits after an underscore number a shot or take, except 419, the code of Latin America.
        digits = between == "_" and word.isdecimal() and word != "419"
        known = not named or len(word) == 4 or word.upper() in _REGIONS  # `French TV` is not that of Tuvalu
        if between in ("-", "_") and re.fullmatch(shape, word) and known and not digits:
            region = "419" if (tag, word.upper()) == ("es", "LA") else word  # not Laos
            longer = standard(f"{tag}-{region}")
            tag, size = (longer, size + 1) if longer else (tag, size)
    return tag, size


def spoken(tag: str) -> str:
    """The language code of a tag for speech recognisers: `fr` of `fr-CA`, `no` of `nb`."""
    macro = {"nb": "no", "fil": "tl"}  # codes in Whisper's tokenizer
    short = _broad(tag)
    return macro.get(short, short)


def iso639_2(tag: str, *, bibliographic: bool = False) -> str:
    """ISO 639-2 code of a tag's language, `fra` or, bibliographic, `fre`; "" where it has none."""
    try:
        return str(_codes().get(tag).to_alpha3("B" if bibliographic else "T")) if tag else ""
    except (LookupError, ValueError):
        return ""


def says_more(tag: str) -> bool:
    """Whether a language is a BCP 47 tag that says more than an ISO 639-2 code can."""
    return ("-" in tag or not iso639_2(tag)) and bool(standard(tag))


def nearest(tag: str, known: Iterable[str]) -> str:
    """The known tag nearest to a tag by CLDR's distance, "" where none is in the same language.

    Mexican Spanish is nearer to `es-419` than to `es`.
    """
    alone = tag.partition("-")[0]

    def key(one: str) -> tuple[int, bool, int]:
        """Distance in any script; equal ones are ordered by the same tag, then by the main region."""
        distance = _codes().tag_distance
        apart = distance(tag, one, ignore_script=True)
        return apart, one.lower() != tag.lower(), distance(alone, one, ignore_script=True)

    found = min(known, key=key, default="")
    return found if found and key(found)[0] <= _SAME_LANGUAGE else ""


_ENGLISH = {"he", "is", "it", "no"}  # words that are codes as well
_RATHER_ENGLISH = {"am", "as", "my", "or", "so", "to"}  # likewise, of languages in which few films are dubbed

# Names of languages in which films are dubbed, in English and in themselves, without accents, and codes of
# countries and studios that are of no language; chosen by hand.
_NAMES = {
    name: tag
    for tag, names in {
        "ar": "arabic العربية", "bg": "bulgarian български", "ca": "catalan catala", "cs": "czech cestina cz",
        "da": "danish dansk dk", "de": "german deutsch", "el": "greek ελληνικα gr", "en": "english",
        "es": "spanish espanol castellano castilian", "et": "estonian eesti", "fa": "persian farsi فارسی",
        "fi": "finnish suomi", "fil": "filipino tagalog", "fr": "french francais vf vff vfi truefrench",
        "he": "hebrew עברית",
        "hi": "hindi", "hr": "croatian hrvatski", "hu": "hungarian magyar", "id": "indonesian",
        "it": "italian italiano", "ja": "japanese nihongo 日本語 jp", "ko": "korean 한국어 kr",
        "lt": "lithuanian",
        "lv": "latvian", "ms": "malay melayu", "nl": "dutch nederlands", "no": "norwegian norsk",
        "pl": "polish polski", "pt": "portuguese portugues", "ro": "romanian romana", "ru": "russian русский",
        "sk": "slovak slovencina", "sl": "slovenian slovenscina", "sr": "serbian srpski",
        "sv": "swedish svenska", "ta": "tamil", "te": "telugu", "th": "thai ไทย", "tr": "turkish turkce",
        "uk": "ukrainian українська ua", "vi": "vietnamese", "yue": "cantonese 粵語 粤语",
        "zh": "chinese mandarin 中文 普通话 國語 国语 cn",
        "en-US": "enu", "es-419": "esla latino latam las", "es-ES": "cas",
        "fr-CA": "vfq frc cfr qfr quebecois", "nl-BE": "flemish vlaams fle",
        "pt-BR": "ptbr brasileiro brazilian bra ptb bpo", "zh-Hans": "chs", "zh-Hant": "cht",
    }.items()
    for name in map(_plain, names.split())
}  # fmt: skip

# Regions that follow a language's name in file names: those for which dubs are made; chosen by hand.
_REGIONS = {
    "419", "AR", "AT", "AU", "BE", "BR", "CA", "CH", "CL", "CN", "CO", "DE", "ES", "FR", "GB", "HK", "IE",
    "IN", "LA", "MX", "PT", "TW", "UK", "US", "ZA",
}  # fmt: skip

# ISO 3166's codes of three letters for them, and what studios write for Latin America.
_REGION_CODES = {
    "ARG": "AR", "AUT": "AT", "BEL": "BE", "BRA": "BR", "CAN": "CA", "CHE": "CH", "CHN": "CN", "ESP": "ES",
    "FRA": "FR", "GBR": "GB", "HKG": "HK", "LAS": "419", "LATAM": "419", "MEX": "MX", "PRT": "PT",
    "TWN": "TW", "USA": "US",
}  # fmt: skip

# Words that say which one of a language is meant, wherever they stand in a name.
_VARIANTS = {
    ("es", "latin"): "es-419", ("es", "american"): "es-419", ("es", "castilian"): "es-ES",
    ("es", "european"): "es-ES", ("fr", "canadian"): "fr-CA", ("fr", "parisian"): "fr-FR",
    ("fr", "quebec"): "fr-CA", ("pt", "european"): "pt-PT", ("zh", "simplified"): "zh-Hans",
    ("zh", "traditional"): "zh-Hant",
}  # fmt: skip

_SAME_LANGUAGE = 9  # CLDR's distance up to which two tags are one language in other regions (langcodes)


def _broad(tag: str) -> str:
    return _codes().get(tag).prefer_macrolanguage().language or "" if tag else ""


@lru_cache
def _codes() -> Any:
    """The library: it takes longer to load than a whole command that needs no language."""
    import langcodes

    return langcodes


@lru_cache
def _in_names() -> frozenset[str]:
    """Languages that a word of a file name may mean.

    Nearly every word of two or three letters is the code of a language (`dub` is Dubli, `mix` Mixtepec), so
    only those with good coverage in CLDR count, and two more in which films are dubbed.
    """
    from langcodes.language_lists import CLDR_LANGUAGES

    return frozenset((CLDR_LANGUAGES - {"und"} - _RATHER_ENGLISH) | {"mt", "no"})
