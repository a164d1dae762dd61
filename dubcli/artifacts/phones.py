"""Phones and viseme classes, as artifacts name them."""

from __future__ import annotations

SILENCE = "SIL"
CLASSES = (
    "sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou",
)  # fmt: skip
"""The fifteen mouth classes of MPEG-4 facial animation; `speech.visemes` has their targets."""
INDEX = {name: k for k, name in enumerate(CLASSES)}

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
"""Phones in ARPABET without stress; each passes through one class or, for diphthongs and affricates, two."""
