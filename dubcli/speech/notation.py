"""Phones as scripts write them: ARPABET, IPA, or SAMPA (as MAUS does), told apart by what a tier holds.

Source of the X-SAMPA symbols: J. C. Wells, Computer-coding the IPA: a proposed extension of SAMPA (1995).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection

from dubcli.artifacts.phones import PHONES, SILENCE
from dubcli.speech import pronunciation

Reading = Callable[[str], "tuple[str, ...] | None"]

_PAUSES = {
    "", "sil", "sp", "spn", "nsn", "pau", "epi", "#", "h#", "ns", "br", "brth", "lg", "cg", "ls", "noise",
}  # fmt: skip
_SAMPA = {
    "E": "ɛ", "I": "ɪ", "O": "ɔ", "U": "ʊ", "Y": "ʏ", "A": "ɑ", "Q": "ɒ", "V": "ʌ", "@": "ə", "{": "æ",
    "&": "œ", "2": "ø", "3": "ɜ", "6": "ɐ", "7": "ɤ", "8": "ɵ", "9": "œ", "1": "ɨ", "}": "ʉ", "M": "ɯ",
    "@`": "ɚ", "3`": "ɝ", "@\\": "ɘ", "3\\": "ɜ",
    "S": "ʃ", "Z": "ʒ", "T": "θ", "D": "ð", "N": "ŋ", "C": "ç", "J": "ɲ", "H": "ɥ", "R": "ʁ", "L": "ʎ",
    "G": "ɣ", "B": "β", "X": "χ", "P": "ʋ", "K": "ɬ", "F": "ɱ", "W": "ʍ", "4": "ɾ", "5": "ɫ", "?": "ʔ",
    "r\\": "ɹ", "R\\": "ʀ", "h\\": "ɦ", "s\\": "ɕ", "z\\": "ʑ", "j\\": "ʝ", "p\\": "ɸ", "v\\": "ʋ",
    "J\\": "ɟ", "G\\": "ɡ", "X\\": "ħ", "?\\": "ʕ", "N\\": "ɴ", "l\\": "ɾ", "x\\": "ʃ", "B\\": "b",
    "t`": "ʈ", "d`": "ɖ", "s`": "ʂ", "z`": "ʐ", "n`": "ɳ", "l`": "ɭ", "r`": "ɽ", "r\\`": "ɻ",
}  # fmt: skip
_SAMPA_MARKS = re.compile(r"_[A-Za-z0-9^~\"=?\\/<>}{+-]|[:\"%'~=|.-]|<[FR]>")


def pause(label: str) -> bool:
    """Whether a label stands for silence or noise: `sil`, `spn`, MAUS's `<p:>` and the like."""
    return label.lower() in _PAUSES or bool(re.fullmatch(r"<.*>|\(.*\)|\[.*\]|\{.{2,}\}", label))


def reading(labels: Collection[str], *, sampa: bool = False) -> Reading:
    """How the labels of a tier are read.

    Args:
        labels: all of them.
        sampa: the tier is known to be in SAMPA.

    Returns:
        Label to phones without stress: () where it moves no lips, None where it is in none of the alphabets.
    """
    ways = [arpabet, ipa, xsampa]
    if sampa:
        ways = [xsampa, ipa, arpabet]
    else:
        known = {way: sum(way(label) is not None for label in labels) for way in ways}
        ways.sort(key=lambda way: -known[way])  # stable: the first of the equal
    return lambda label: next((said for way in ways if (said := way(label)) is not None), None)


def arpabet(label: str) -> tuple[str, ...] | None:
    """The phone of a label in ARPABET, in either case, without its stress and Kaldi's place in the word."""
    plain = re.sub(r"[012]?(?:_[BIES])?$", "", label.upper())
    if plain not in PHONES:
        return None
    return () if plain == SILENCE else (plain,)


def ipa(label: str) -> tuple[str, ...] | None:
    """The phones of a label in IPA; None where a letter is none of it."""
    letters = [c for c in unicodedata.normalize("NFD", label) if unicodedata.category(c)[0] not in "MS"]
    letters = [c for c in letters if unicodedata.category(c) != "Lm" and c not in "ː.‿-"]
    if not letters or not all(pronunciation.is_ipa(c) for c in letters):
        return None
    return pronunciation.from_ipa([label])


def xsampa(label: str) -> tuple[str, ...] | None:
    """The phones of a label in SAMPA or X-SAMPA; None where a symbol is none of it."""
    plain = _SAMPA_MARKS.sub("", label)
    found, at = "", 0
    while at < len(plain):
        size = next((n for n in (3, 2, 1) if plain[at : at + n] in _SAMPA), 0)
        if not size and not ("a" <= plain[at] <= "z"):
            return None
        found += _SAMPA[plain[at : at + size]] if size else plain[at]
        at += size or 1
    return ipa(found) if found else None
