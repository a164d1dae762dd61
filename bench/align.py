"""Accuracy and speed of the aligners.

    OPENBLAS_NUM_THREADS=1 python bench/align.py ../shared/footage

Accuracy is on the GRID sentences, whose words are in their file names: the words are aligned to the sound by
force, and what the default aligner recognises without knowing them is compared with that, frame by frame and
lip closure by lip closure; then what the script aligner makes of them. For each dub track of `speech/` it
says how often lips close, and the default aligner's confidence. Speed is over all clips with sound and all
dub tracks, on one core, as a worker runs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dubcli.artifacts.phones import INDEX, SILENCE
from dubcli.artifacts.speech import Phone
from dubcli.engines.aligners import forced, sphinx
from dubcli.engines.aligners.base import AlignmentContext
from dubcli.engines.aligners.phones import PhoneAligner
from dubcli.engines.aligners.script import Scores, follow
from dubcli.errors import MediaError
from dubcli.media import spans
from dubcli.media.sound import audio
from dubcli.speech.features import features, levelled
from dubcli.speech.lines import Line, Script
from dubcli.speech.visemes import from_phones

# Cooke et al. 2006: command, colour, preposition, letter, digit, adverb, by first letter (digits by figure).
WORDS = (
    {"b": "B IH N", "l": "L EY", "p": "P L EY S", "s": "S EH T"},
    {"b": "B L UW", "g": "G R IY N", "r": "R EH D", "w": "W AY T"},
    {"a": "AE T", "b": "B AY", "i": "IH N", "w": "W IH DH"},
    {
        "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH",
        "i": "AY", "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY",
        "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "x": "EH K S",
        "y": "W AY", "z": "Z EH D",
    },
    {
        "z": "Z IH R OW", "1": "W AH N", "2": "T UW", "3": "TH R IY", "4": "F AO R", "5": "F AY V",
        "6": "S IH K S", "7": "S EH V AH N", "8": "EY T", "9": "N AY N",
    },
    {"a": "AH G EH N", "n": "N AW", "p": "P L IY Z", "s": "S UW N"},
)  # fmt: skip
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPOKEN = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in WORDS[3]},
    dict(zip("z123456789", DIGITS, strict=True)),
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)
SLACK = 3  # frames of 10 ms by which a closure may be off


def known(sentence: str, wave: NDArray[np.float32]) -> list[Phone]:
    """Phones of a GRID sentence such as `bbaf2n` with their times."""
    names = sphinx.phones()
    chain, optional = [names.index(SILENCE)], [True]
    for letter, words in zip(sentence, WORDS, strict=True):
        spoken = words[letter].split()
        chain += [names.index(p) for p in spoken] + [names.index(SILENCE)]
        optional += [False] * len(spoken) + [True]
    placed = forced.align(sphinx.scores(wave), chain, optional) or []
    return [
        Phone(phone=names[chain[k]], start=a / 100, end=b / 100)
        for k, a, b in placed
        if names[chain[k]] != SILENCE
    ]


def words(path: Path) -> str:
    """What is said in a GRID sentence, from its file name."""
    return " ".join(SPOKEN[k][c] for k, c in enumerate(path.stem[-6:]))


def matched(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> int:
    """How many of `some` meet one of `others`, with slack."""
    return sum(any(a < d + SLACK and c - SLACK < b for c, d in others) for a, b in some)


def scripted(folder: Path) -> None:
    """Closures of the GRID sentences where the aligner is given the words, and where it is given others'."""
    paths = sorted((folder / "talk").glob("grid_*"))
    texts = [words(path) for path in paths]
    sums, right, wrong = np.zeros(4, int), 0, 0
    for k, path in enumerate(tqdm(paths, desc="scripts", disable=None)):
        wave = levelled(audio(path)[0])
        scores = Scores(len(wave) // 160)
        heard = PhoneAligner().align(wave, keep=scores.keep)
        own, other = (
            follow(Script((Line(text),)), heard, scores, AlignmentContext(language="en"), "script")
            for text in (texts[k], texts[(k + 3) % len(texts)] + " " + texts[(k + 5) % len(texts)])
        )
        right += own is not heard
        wrong += other is not heard
        true = from_phones(known(path.stem[-6:], wave), len(heard.viseme))
        told, said = (spans.runs_of_true(x[:, INDEX["PP"]] > 0.35) for x in (own.viseme, true))
        sums += [matched(said, told), len(said), matched(told, said), len(told)]
    print(f"GRID with its script: PP found {sums[0]} of {sums[1]}; of {sums[3]} heard {sums[2]} are real")
    print(f"GRID: {right} of {len(paths)} right scripts are followed, {wrong} of {len(paths)} wrong ones")


def languages(folder: Path) -> None:
    """How often lips close in the dub tracks, without a script, and the aligner's confidence."""
    print("| speech | seconds of it | p, b, m a second | rows that meet a second | confidence |")
    print("|---|---|---|---|---|")
    for path in tqdm(sorted((folder / "speech").iterdir()), desc="languages", disable=None):
        heard = PhoneAligner().align(levelled(audio(path)[0]))
        spoken = sum(region.end - region.start for region in heard.record.regions)
        lips = sum(phone.phone in ("P", "B", "M") for phone in heard.record.phones)
        rows = len(spans.runs_of_true(heard.viseme[:, INDEX["PP"]] > 0.35))
        sure = np.average(
            [p.score for p in heard.record.phones], weights=[p.end - p.start for p in heard.record.phones]
        )
        with tqdm.external_write_mode():
            print(f"| {path.name} | {spoken:.1f} | {lips / spoken:.2f} | {rows / spoken:.2f} | {sure:.2f} |")


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("footage", type=Path)
    args = parser.parse_args()
    aligner = PhoneAligner()
    right: list[float] = []
    found = {"PP": [0, 0, 0, 0], "FF": [0, 0, 0, 0]}
    for path in tqdm(sorted((args.footage / "talk").glob("grid_*")), desc="GRID", disable=None):
        wave = levelled(audio(path)[0])
        rows = aligner.align(wave).viseme
        true = from_phones(known(path.stem[-6:], wave), len(rows))
        spoken = true.argmax(1) != INDEX["sil"]
        right.append(float((rows.argmax(1) == true.argmax(1))[spoken].mean()))
        for name, sums in found.items():
            heard, said = (spans.runs_of_true(x[:, INDEX[name]] > 0.35) for x in (rows, true))
            sums[0] += matched(said, heard)
            sums[1] += len(said)
            sums[2] += matched(heard, said)
            sums[3] += len(heard)
    print(f"GRID: mouth class right in {np.mean(right):.3f} of spoken frames")
    for name, (hit, said_count, good, heard_count) in found.items():
        print(f"GRID: {name} found {hit} of {said_count}; of {heard_count} heard {good} are real")
    scripted(args.footage)
    languages(args.footage)
    seconds, spent = 0.0, 0.0
    every = sorted(p for folder in ("talk", "scenes", "speech") for p in (args.footage / folder).iterdir())
    for path in tqdm(every, desc="speed", disable=None):
        try:
            wave = audio(path)[0]
        except MediaError:
            continue
        start = time.process_time()
        features(wave, aligner.align(levelled(wave)))
        spent += time.process_time() - start
        seconds += len(wave) / 16000
    print(
        f"speed: {seconds:.0f} s of sound in {spent:.1f} processor seconds, {seconds / spent:.1f} x real time"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
