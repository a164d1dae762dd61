"""Names of phones and viseme classes in artifacts."""

from __future__ import annotations

SILENCE = "SIL"  # PocketSphinx's name of the silence phone
CLASSES = (
    "sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou",
)  # fmt: skip
"""The fifteen mouth classes of MPEG-4 facial animation; `speech.visemes` has their mouth shapes."""
INDEX = {name: k for k, name in enumerate(CLASSES)}
"""Class → its column in viseme rows."""

PHONES: dict[str, tuple[str, ...]] = {
    SILENCE: ("sil",),
    "AA": ("aa",), "AE": ("E",), "AH": ("aa",), "AO": ("oh",), "AW": ("aa", "ou"), "AY": ("aa", "ih"),
    "B": ("PP",), "CH": ("DD", "CH"), "D": ("DD",), "DH": ("TH",), "EH": ("E",), "ER": ("RR",),
    "EY": ("E", "ih"), "F": ("FF",), "G": ("kk",), "HH": ("kk",), "IH": ("ih",), "IY": ("ih",),
    "JH": ("DD", "CH"), "K": ("kk",), "L": ("nn",), "M": ("PP",), "N": ("nn",), "NG": ("kk",),
    "OW": ("oh", "ou"), "OY": ("oh", "ih"), "P": ("PP",), "R": ("RR",), "S": ("SS",), "SH": ("CH",),
    "T": ("DD",), "TH": ("TH",), "UH": ("ou",), "UW": ("ou",), "V": ("FF",), "W": ("ou",), "Y": ("ih",),
    "Z": ("SS",), "ZH": ("CH",),
}  # fmt: skip
"""ARPABET phone without stress → its classes in order: one, or two for diphthongs and affricates."""
