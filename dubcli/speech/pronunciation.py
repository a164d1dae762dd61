"""Pronunciation of written words, in the phones of the aligner's acoustic model.

English comes from the dictionary that ships with PocketSphinx (CMUdict); other languages, and English words
that are not in the dictionary, come from eSpeak NG, whose IPA phones are mapped to the phones of the model
that are nearest in sound and mouth shape.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from dubcli.speech import espeak

# IPA → ARPABET. Where no English phone sounds alike, the one with the same mouth shape.
_IPA: dict[str, str] = {
    "tʃ": "CH", "dʒ": "JH", "tɕ": "CH", "dʑ": "JH", "tʂ": "CH", "dʐ": "JH", "ts.": "CH", "ts": "T S",
    "dz": "D Z", "pf": "P F", "s.": "SH",
    "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "ɔø": "OY", "ɔʏ": "OY", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW",
    "p": "P", "b": "B", "m": "M", "ɱ": "M", "β": "B", "ɸ": "F", "f": "F", "v": "V", "ʋ": "V",
    "w": "W", "ʍ": "W", "ɥ": "W", "t": "T", "ʈ": "T", "d": "D", "ɖ": "D", "ɗ": "D", "θ": "TH", "ð": "DH",
    "s": "S", "z": "Z", "ɬ": "S", "ʃ": "SH", "ʒ": "ZH", "ɕ": "SH", "ʑ": "ZH", "ʂ": "SH", "ʐ": "ZH",
    "ç": "HH", "ʝ": "Y", "j": "Y", "k": "K", "c": "K", "q": "K", "g": "G", "ɡ": "G", "ɟ": "G", "x": "HH",
    "χ": "HH", "h": "HH", "ɦ": "HH", "ħ": "HH", "ɣ": "G", "ʁ": "R", "ʀ": "R", "ʕ": "AA", "n": "N", "ɳ": "N",
    "ɲ": "N Y", "ŋ": "NG", "ɴ": "NG", "l": "L", "ɫ": "L", "ɭ": "L", "ʎ": "L Y", "r": "R", "ɹ": "R",
    "ɻ": "R", "ɽ": "D", "ɾ": "D",
    "i": "IY", "y": "UW", "ɪ": "IH", "ʏ": "UH", "ɨ": "IH", "ᵻ": "IH", "ʉ": "UW", "ɯ": "UH", "u": "UW",
    "ʊ": "UH", "e": "EY", "ø": "UH", "ɘ": "AH", "ə": "AH", "ɵ": "UH", "ɤ": "AH", "o": "OW", "ɛ": "EH",
    "œ": "ER", "ɜ": "ER", "ɝ": "ER", "ɚ": "ER", "ʌ": "AH", "ɔ": "AO", "æ": "AE", "ɐ": "AH", "a": "AA",
    "ɑ": "AA", "ɒ": "AA",
}  # fmt: skip
_SINGLES = {letter for symbol in _IPA for letter in symbol if letter.isalpha()}
_LOOKS_ENGLISH = 0.8  # share of words in the English dictionary above which a text is English; set by hand
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# The most frequent sound of each letter, for English words in no dictionary where eSpeak NG is missing.
_LETTERS = {
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH", "j": "JH",
    "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T",
    "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "IY", "z": "Z",
}  # fmt: skip


class Pronunciation:
    """The map from words of one language, a BCP 47 tag, to phones."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, word: str) -> tuple[str, ...]:
        """Phones of a word, () where it has no pronunciation."""
        plain = re.sub(r"^\W+|\W+$", "", unicodedata.normalize("NFC", word)).lower().replace("’", "'")
        if not plain:
            return ()
        if not is_english(self.language):
            return from_ipa(espeak.ipa(plain, self.language))
        known = english().get(plain)
        if known:
            return known
        if espeak.available():
            return from_ipa(espeak.ipa(plain, self.language))
        return tuple(phone for part in re.split(r"(\d)|\W+", plain) if part for phone in _spelt(part))


def is_english(language: str) -> bool:
    """Whether a BCP 47 tag is of English, of any region; the dictionary is American."""
    return language.partition("-")[0] == "en"


def looks_english(words: list[str]) -> bool:
    """Whether more than `_LOOKS_ENGLISH` of the words are in the English dictionary."""
    plain = [re.sub(r"^\W+|\W+$", "", word).lower().replace("’", "'") for word in words]
    plain = [word for word in plain if word]
    return bool(plain) and sum(word in english() for word in plain) > _LOOKS_ENGLISH * len(plain)


def is_ipa(letter: str) -> bool:
    """Whether a single letter is IPA with a known phone, or ʔ, for which no lips move."""
    return letter == "ʔ" or letter in _IPA or letter in _SINGLES


def from_ipa(symbols: list[str]) -> tuple[str, ...]:
    """Phones of IPA symbols; length, stress, tone and diacritics are ignored."""
    found: list[str] = []
    for symbol in symbols:
        text = "".join(c for c in unicodedata.normalize("NFD", symbol) if not unicodedata.combining(c))
        # The cedilla of ç is a combining mark in Unicode, but ç is a letter of its own in IPA.
        text = text if "ç" not in unicodedata.normalize("NFC", symbol) else "ç"
        at = 0
        while at < len(text):
            size = next((n for n in (3, 2, 1) if text[at : at + n] in _IPA), 0)
            if size:
                found += _IPA[text[at : at + size]].split()
            at += size or 1
    return tuple(found)


@lru_cache
def english() -> dict[str, tuple[str, ...]]:
    """PocketSphinx's English dictionary: word → phones of its first pronunciation."""
    from dubcli.models.packaged import packaged

    out: dict[str, tuple[str, ...]] = {}
    with open(packaged("pocketsphinx", "model/en-us/cmudict-en-us.dict"), encoding="utf-8") as lines:
        for line in lines:
            word, *phones = line.split()
            out[word] = tuple(phones)
    return out


def _spelt(text: str) -> tuple[str, ...]:
    if text in english():
        return english()[text]
    if text.isdecimal():
        return english()[_DIGITS[int(text)]]
    return tuple(phone for letter in text for phone in _LETTERS.get(letter, "").split())
