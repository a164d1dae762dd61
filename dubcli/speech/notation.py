"""Phonetic alphabets of scripts: ARPABET, IPA, or SAMPA (as MAUS writes it), recognised by a tier's labels.

Source of the X-SAMPA symbols: J. C. Wells, Computer-coding the IPA: a proposed extension of SAMPA (1995).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection

from dubcli.artifacts.phones import PHONES, SILENCE
from dubcli.speech import pronunciation

Reading = Callable[[str], "tuple[str, ...] | None"]

# Labels of silence and noise in TIMIT, HTK, Kaldi and MFA, among others.
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
_DIACRITICS = re.compile(r"_[A-Za-z0-9^~\"=?\\/<>}{+-]|[:\"%'~=|.-]|<[FR]>")


def pause(label: str) -> bool:
    """Whether a label means silence or noise: `sil`, `spn`, MAUS's `<p:>` and the like."""
    return label.lower() in _PAUSES or bool(re.fullmatch(r"<.*>|\(.*\)|\[.*\]|\{.{2,}\}", label))


def reading(labels: Collection[str], *, sampa: bool = False) -> Reading:
    """The function that reads the labels of a tier, by the alphabet that reads most of them.

    Args:
        labels: all labels of the tier.
        sampa: whether the tier is known to be in SAMPA.

    Returns:
        Label → phones without stress: () where no lips move, None where no alphabet has the label.
    """
    alphabets = [arpabet, ipa, xsampa]
    if sampa:
        alphabets = [xsampa, ipa, arpabet]
    else:
        known = {read: sum(read(label) is not None for label in labels) for read in alphabets}
        alphabets.sort(key=lambda read: -known[read])  # stable: the first one of equals
    return lambda label: next((found for read in alphabets if (found := read(label)) is not None), None)


def arpabet(label: str) -> tuple[str, ...] | None:
    """The phone of a label in ARPABET, in either case, without stress and Kaldi's word-position suffix."""
    plain = re.sub(r"[012]?(?:_[BIES])?$", "", label.upper())
    if plain not in PHONES:
        return None
    return () if plain == SILENCE else (plain,)


def ipa(label: str) -> tuple[str, ...] | None:
    """The phones of a label in IPA; None where a letter is not IPA."""
    letters = [c for c in unicodedata.normalize("NFD", label) if unicodedata.category(c)[0] not in "MS"]
    letters = [c for c in letters if unicodedata.category(c) != "Lm" and c not in "ː.‿-"]
    if not letters or not all(pronunciation.is_ipa(c) for c in letters):
        return None
    return pronunciation.from_ipa([label])


def xsampa(label: str) -> tuple[str, ...] | None:
    """The phones of a label in SAMPA or X-SAMPA; None where a symbol is neither."""
    plain = _DIACRITICS.sub("", label)
    found, at = "", 0
    while at < len(plain):
        size = next((n for n in (3, 2, 1) if plain[at : at + n] in _SAMPA), 0)
        if not size and not ("a" <= plain[at] <= "z"):
            return None
        found += _SAMPA[plain[at : at + size]] if size else plain[at]
        at += size or 1
    return ipa(found) if found else None
