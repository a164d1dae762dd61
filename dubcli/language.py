"""Languages as BCP 47 tags: read from settings, scripts and file names, written as each format wants them.

Registry and matching come from langcodes, without its data package, which only adds names and populations.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import langcodes
from langcodes.language_lists import CLDR_LANGUAGES

# What a word of a file name may mean. Nearly every word of two or three letters is some language's code
# (`dub` is Dubli, `mix` Mixtepec), so only those count that CLDR covers well, and two more films speak.
_IN_NAMES = (CLDR_LANGUAGES - {"und"}) | {"mt", "no"}


def standard(text: str) -> str:
    """The BCP 47 tag of what somebody wrote, such as `pt-BR` of `por_br`; "" where it is no language."""
    try:
        tag = langcodes.standardize_tag(text.strip().replace("_", "-"))
    except (ValueError, AttributeError):
        return ""
    return tag if tag != "und" and langcodes.tag_is_valid(tag) else ""


def named(text: str) -> str:
    """The same, for settings.

    Raises:
        ValueError: it is no language.
    """
    tag = standard(text)
    if text and not tag:
        raise ValueError(f"{text!r} is no language; use a BCP 47 tag such as fr, pt-BR or zh-Hant")
    return tag


def guess(name: str) -> str:
    """BCP 47 tag of the last language in a file's name, "" where none is.

    `dub_fr` and `dub-FRA` are French, `fr-CA` and `pt_br` have their regions, `zh-Hant` its script. After a
    language and a hyphen or underscore, a word that can be a script or region is never another language.
    """
    words = [(match[1], match[2]) for match in re.finditer(r"([^A-Za-z0-9]*)([A-Za-z0-9]+)", name)]
    found, at = "", 0
    while at < len(words):
        tag, size = _tag(words[at:])
        found, at = tag or found, at + size
    return found


def _tag(words: list[tuple[str, str]]) -> tuple[str, int]:
    """The tag that words begin with and how many it takes; "" and 1 where the first one is no language."""
    first = words[0][1]
    if not re.fullmatch("[A-Za-z]{2,3}", first) or _broad(standard(first)) not in _IN_NAMES:
        return "", 1
    tag, size = standard(first), 1
    for shape in ("[A-Za-z]{4}", "[A-Za-z]{2}|[0-9]{3}"):
        between, word = words[size] if size < len(words) else ("", "")
        # Three digits after an underscore are a shot or take, unless they are Latin America.
        digits = between == "_" and word.isdecimal() and word != "419"
        if between in ("-", "_") and re.fullmatch(shape, word) and not digits:
            longer = standard(f"{tag}-{word}")
            tag, size = (longer, size + 1) if longer else (tag, size)
    return tag, size


def spoken(tag: str) -> str:
    """The language of a tag alone, as recognisers of speech name it: `fr` of `fr-CA`, `no` of `nb`."""
    macro = {"nb": "no", "fil": "tl"}  # Whisper's names
    short = _broad(tag)
    return macro.get(short, short)


def iso639_2(tag: str, *, bibliographic: bool = False) -> str:
    """ISO 639-2 code of a tag's language, `fra` or, bibliographic, `fre`; "" where there is none."""
    try:
        return langcodes.get(tag).to_alpha3("B" if bibliographic else "T") if tag else ""
    except (LookupError, ValueError):
        return ""


def nearest(tag: str, known: Iterable[str]) -> str:
    """Whichever known tag speakers of a language understand best, "" where they understand none.

    Mexican Spanish is nearer to `es-419` than to `es`.
    """
    alone = tag.partition("-")[0]

    def key(one: str) -> tuple[int, bool, int]:
        """Distance, however it is written; of equal ones the same tag, then the language's main region."""
        apart = langcodes.tag_distance(tag, one, ignore_script=True)
        return apart, one.lower() != tag.lower(), langcodes.tag_distance(alone, one, ignore_script=True)

    found = min(known, key=key, default="")
    return found if found and key(found)[0] <= _SAME_LANGUAGE else ""


_SAME_LANGUAGE = 9  # CLDR's distance up to which two tags are one language in other regions (langcodes)


def _broad(tag: str) -> str:
    return langcodes.get(tag).prefer_macrolanguage().language or "" if tag else ""
