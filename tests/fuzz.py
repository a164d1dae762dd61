"""Hostile files: mutates every kind of file that a user can hand over, and lets the command line read it.

`python -m tests.fuzz FOLDER CASES [FIRST]` (`make fuzz`) prints counts as JSON. A case fails, with its number, on
a traceback, an exit code that is a bug's, a hang, a file written outside the job, or an attempt to reach the
network.
Media are read by `tests.media.fuzz`, which this calls for a share of the cases.
"""

# ruff: noqa: E501 (lines of the files that are mutated)
from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dubcli.cli import main as command
from dubcli.errors import ExitCode
from tests import certificates
from tests.media import fuzz as media
from tests.media.fuzz import mutated

SECONDS = 60  # that a case may take at most
ALLOWED = {
    ExitCode.OK, ExitCode.USAGE, ExitCode.MEDIA, ExitCode.CONFIG, ExitCode.DEPENDENCY, ExitCode.ENGINE,
    ExitCode.CHECK, ExitCode.STORE,
}  # fmt: skip
MEDIA_SHARE = 4  # of so many cases one is a film or a sound
_WORDS = (
    "0",
    "-1",
    "1e999",
    "NaN",
    "null",
    "[]",
    "{}",
    "''",
    "!!python/object:os.system",
    "&a [*a]",
    "../../x",
)

TEXTS: dict[str, str] = {
    "preset.yaml": "summary: x\ntrack:\n  views: 2\nquality:\n  seam: [0.4, 1.2]\n",
    "dubcli.toml": 'preset = "draft"\n[track]\nviews = 2\n[quality]\nseam = [0.4, 1.2]\n',
    "script.srt": "1\n00:00:00,100 --> 00:00:01,500\nANNA: Bonjour tout le monde.\n\n"
    "2\n00:00:01,600 --> 00:00:02,900\nÇa va bien ?\n",
    "script.vtt": "WEBVTT\n\n00:00.100 --> 00:01.500\n<v Anna>Bonjour tout le monde.\n",
    "script.ass": "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:00.10,0:00:01.50,Default,Anna,0,0,0,,Bonjour\n",
    "script.ctm": "dub 1 0.10 0.30 bonjour 0.9\ndub 1 0.50 0.20 tout 0.8\n",
    "script.txt": "ANNA: Bonjour tout le monde.\nBEN: Ça va bien ?\n",
    "script.json": '{"segments":[{"start":0.1,"end":1.5,"text":"bonjour","words":[{"word":"bonjour","start":0.1,'
    '"end":0.6,"score":0.9}]}],"language":"fr"}',
    "script.TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2\ntiers? <exists>\n'
    'size = 1\nitem []:\n    item [1]:\n        class = "IntervalTier"\n        name = "words"\n        xmin = 0\n'
    "        xmax = 2\n        intervals: size = 1\n        intervals [1]:\n            xmin = 0\n            xmax = 2\n"
    '            text = "bonjour"\n',
    "script.ttml": '<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="00:00:00.100" end="00:00:01.500">'
    "<span>Bonjour</span> tout le monde.</p></div></body></tt>",
    "script.sbv": "0:00:00.100,0:00:01.500\nBonjour tout le monde.\n",
    "script.lrc": "[00:00.10]Bonjour tout le monde.\n[00:01.60]Ça va bien ?\n",
    "script.fountain": "INT. BUREAU - JOUR\n\nANNA\nBonjour tout le monde.\n",
    "series.yaml": "store: series.store\npresets: [film]\nfilms:\n  - film: film.mp4\n    dubs:\n"
    "      - {audio: dub_fr.wav, out: series.mp4, stems: {ANNA: dub_fr.wav}}\n",
    "cast.yaml": "persons:\n  p01:\n    name: Anna\n    amplitude: 1.2\nmerge: []\nsplit: []\n",
    "decisions.yaml": 'shots:\n  "00000000": {state: rejected, take: 0, note: "too wide", settings: {motion.amplitude: 0.8}}\n',
    "shots.yaml": 'start: "01:00:00:00"\ncuts: [0, 12]\nmerge: []\nskip: ["01:00:00:12"]\n',
    "cues.json": '{"shots": ["00000000"], "cues": []}\n',
    "takes.tsv": f"00000000\tmotion/00000000.0={64 * 'a'}\tlips/00000000.0={64 * 'b'}\n",
    "curves/00000000.0.csv": "frame,seconds,aperture,width,weight\n3,0.125,0.1,0.6,1\n4,0.167,0.2,0.6,1\n",
    "styles/calm.json": '{"aperture":{"middle":0.1,"reach":0.05},"width":{"middle":0.6,"reach":0.03},'
    '"protrusion":{"middle":0.1,"reach":0.02},"seconds":4.0}',
}
"""Files that a person writes; those of the job are read by `plan`."""
_LISTS = (".edl", ".otio", ".xml", ".aaf", ".csv")  # of shots, as editing programs give them


def job(folder: Path, film: Path, dub: Path) -> Path:
    """A finished job of a film, as passthrough engines make it."""
    root = folder / "film.dub_fr.dub"
    quick = [
        "--engine",
        "tracker=passthrough",
        "--engine",
        "aligner=passthrough",
        "--engine",
        "lips=passthrough",
    ]
    code, text = run(["run", str(film), "--audio", str(dub), "--workers", "1", "-q", *quick])
    if code:
        raise RuntimeError(f"the job that is mutated could not be made: {text}")
    return root


def run(words: list[str]) -> tuple[int, str]:
    """Exit code of a command in this process, and what it wrote to stderr."""
    said, kept = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(kept):
        code = command._run(words)
    return int(code), said.getvalue()


def cases(root: Path, film: Path, dub: Path) -> list[tuple[str, Path, list[str]]]:
    """Kind, file to mutate and the command that reads it, for every kind of file."""
    plan, found = ["plan", str(root)], []
    for name, text in TEXTS.items():
        beside = name.startswith(("script", "preset", "dubcli", "series"))
        path = (root.parent if beside else root) / name
        path.parent.mkdir(exist_ok=True)
        words = plan
        if name == "takes.tsv":
            words = ["review", str(root), "list"]
        elif name.startswith("script"):
            words = ["plan", str(film), "--audio", str(dub), "--script", str(path)]
        elif name.startswith("preset"):
            words = ["plan", str(film), "--audio", str(dub), "--preset", str(path)]
        elif name.startswith("dubcli"):
            words = ["plan", str(film), "--audio", str(dub)]
        elif name.startswith("series"):
            words = ["batch", str(path), "-n"]
        path.write_text(text, "utf-8")
        found.append((name, path, words))
    for name in ("job.json", "refs.tsv", "sources.json", "published.json", "events.jsonl"):
        found.append((name, root / name, ["status", str(root)]))
    found.append(("report.json", root / "report.json", ["report", str(root), "--format", "csv"]))
    found += _lists(root)
    found += _signing(root.parent / "signed", film, dub)
    artifacts = [
        path for path in sorted((root / "store").rglob("*")) if path.is_file() and path.suffix != ".mp4"
    ]
    found += [
        ("artifact", path, words) for path in artifacts for words in (plan, ["cache", "verify", str(root)])
    ]
    return found


def _lists(root: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The job's shots in the formats of editing programs, each to be taken back."""
    for suffix in _LISTS:
        path = root.parent / f"cut{suffix}"
        code, text = run(["shots", "export", str(root), "-o", str(path)])
        if code:
            raise RuntimeError(f"{path.name} could not be written: {text}")
        yield path.name, path, ["shots", "import", str(path), "--job", str(root)]


def _signing(folder: Path, film: Path, dub: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A signed film of a job of its own, without the files that a person writes."""
    folder.mkdir()
    root = job(folder, Path(shutil.copy(film, folder)), Path(shutil.copy(dub, folder)))
    words = ["run", str(root), "-q", *certificates.issue(folder / "signer").settings]
    for name in ("certificate.pem", "key.pem"):
        yield name, folder / "signer" / name, words
    code, text = run(words)
    if code:
        raise RuntimeError(f"the film could not be signed: {text}")
    published = folder / f"{root.stem}.mp4"
    yield "manifest", published, ["verify", str(published), "--job", str(root)]


def bent(data: bytes, rng: np.random.Generator) -> bytes:
    """Mutated as bytes, or with a word of another kind in place of a piece of text."""
    if rng.integers(0, 2):
        return mutated(data, rng)
    at, word = int(rng.integers(0, len(data) + 1)), _WORDS[int(rng.integers(0, len(_WORDS)))].encode()
    return data[:at] + word + data[at + int(rng.integers(0, 8)) :]


@contextlib.contextmanager
def guarded(tried: list[Any]) -> Iterator[None]:
    """No network, and no case without end; what tried to connect is noted."""

    def refused(*where: Any, **_: Any) -> Any:
        tried.append(where)
        raise OSError("the network is blocked")

    def late(*_: Any) -> None:
        raise TimeoutError(f"no end after {SECONDS} s")

    kept = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex", "sendto")}
    lookup, before = socket.getaddrinfo, signal.signal(signal.SIGALRM, late)
    for name in kept:
        setattr(socket.socket, name, refused)
    socket.getaddrinfo = refused
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        for name, own in kept.items():
            setattr(socket.socket, name, own)
        socket.getaddrinfo = lookup


def files(folder: Path, without: Path) -> dict[str, int]:
    """Path and time of every file in a folder, but of jobs and films of one name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        # A certificate that is still one signs the film anew.
        if path.is_file() and without.stem not in {one.stem for one in (path, *path.parents)}:
            found[str(path)] = path.stat().st_mtime_ns
    return found


def main(folder: Path, count: int, first: int = 0) -> dict[str, float]:
    """Run all cases; see the module."""
    made = folder.resolve() / "made"
    made.mkdir(parents=True)
    os.environ |= {"HOME": str(made / "home"), "XDG_STATE_HOME": str(made / "home")}
    film, dub = _sources(made)
    root = job(made, film, dub)
    every = cases(root, film, dub)
    kinds = sorted({kind for kind, _, _ in every})
    for kind in kinds:  # what is mutated is accepted as it is
        words = next(words for other, _, words in every if other == kind)
        code, text = run(words)
        if code:
            raise RuntimeError(f"{kind} is refused before it is mutated: {text}")
    counts: dict[str, float] = {"cases": 0, "accepted": 0, "refused": 0, "slowest": 0.0}
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        kind = kinds[number % len(kinds)]
        choice = [case for case in every if case[0] == kind]
        _, path, words = choice[int(rng.integers(0, len(choice)))]
        began = time.monotonic()
        code = _case(number, kind, path, words, rng, made, root)
        counts["cases"] += 1
        counts["accepted" if code == 0 else "refused"] += 1
        counts["slowest"] = max(counts["slowest"], round(time.monotonic() - began, 2))
    return counts


def _case(
    number: int, kind: str, path: Path, words: list[str], rng: np.random.Generator, made: Path, root: Path
) -> int:
    """Mutate one file, run the command that reads it, and put the file back."""
    whole, mode, tried = path.read_bytes(), path.stat().st_mode, list[Any]()
    folder_mode = path.parent.stat().st_mode
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(bent(whole, rng))
    before = files(made, root)
    try:
        with guarded(tried):
            signal.alarm(SECONDS)
            code, text = run(words)
        lines = text.strip().splitlines()
        problem = (
            "" if code in ALLOWED else f"exit code {code}",
            "a traceback" if "Traceback" in text else "",
            f"no reason: {text!r}" if code and not lines else "",
            f"the network: {tried[:1]}" if tried else "",
            "" if files(made, root) == before else "files outside the job",
        )
        if any(problem):
            raise RuntimeError(
                f"case {number} ({kind}, {path.name}, {words[0]}): {'; '.join(filter(None, problem))}: {text}"
            )
    finally:
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(whole)
        path.chmod(mode)
        path.parent.chmod(folder_mode)
    return code


def _sources(made: Path) -> tuple[Path, Path]:
    from tests.media import films

    film = films.make(made / "film.mp4", *films.x264("-g", "8"), seconds=1, size="64x48")
    dub = films.wav(made / "dub_fr.wav", films.noise(1.0))
    return film, dub


if __name__ == "__main__":
    target, total = Path(sys.argv[1]), int(sys.argv[2])
    start = int((sys.argv[3:] or ["0"])[0])
    told = main(target, total - total // MEDIA_SHARE, start)
    (target / "media").mkdir()
    told = told | {
        f"media_{name}": n for name, n in media.main(target / "media", total // MEDIA_SHARE, start).items()
    }
    print(json.dumps(told))
