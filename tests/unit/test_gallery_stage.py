"""Whose footage is cut out, and when it is cut out anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dubcli.artifacts.base import Document
from dubcli.artifacts.cast import Cast, Face, Person
from dubcli.artifacts.cues import Cue, Cues
from dubcli.artifacts.shots import Shot, Shots
from dubcli.core import keys
from dubcli.core.model import Artifact, JobView, Source
from dubcli.settings.config import Settings
from dubcli.stages import gallery
from tests.unit.test_golden_keys import MEDIA

SHOTS = Shots(
    shots=tuple(Shot(name=f"{k:08d}", start=k, stop=k + 10, picture=f"picture-{k}") for k in (0, 10, 20, 30))
)
CAST: dict[str, tuple[Face, ...]] = {
    "p01": (("00000000", 0), ("00000010", 0)),
    "p02": (("00000020", 0),),
    "p03": (("00000030", 0),),
}


def found(
    folder: Path,
    cast: dict[str, tuple[Face, ...]],
    cued: set[str],
    shots: Shots = SHOTS,
    pins: dict[str, dict[str, str]] | None = None,
    **settings: Any,
) -> dict[str, str]:
    """Unit → key."""
    people = tuple(Person(id=name, name=name.upper(), faces=faces) for name, faces in cast.items())
    cues = tuple(
        Cue(shot=cast[name][0][0], track=0, person=name, start=k, stop=9, kind="speak", confidence=1.0)
        for k, name in enumerate(sorted(cued))
    )
    documents: dict[str, tuple[Document, ...]] = {
        "probe": (MEDIA,),
        "split": (shots,),
        "cast": (Cast(persons=people),),
        "cue": (Cues(cues=cues),),
    }
    view = JobView(
        {"film": Source(folder / "film.mp4", "film")}, Settings.model_validate(settings), pins=pins or {}
    )
    for stage, contents in documents.items():
        path = folder / stage
        path.mkdir(parents=True, exist_ok=True)
        for document in contents:
            document.save(path)
        view.artifacts[stage] = {"film": Artifact("", path, "".join(d.text() for d in contents))}
    view.artifacts["track"] = {
        shot.name: Artifact("", folder, f"tracks-{shot.picture}") for shot in shots.shots
    }  # fmt: skip
    return {unit.name: keys.digest(keys.preimage(unit)) for unit in gallery.units(view)}


def test_only_who_has_a_cue_has_a_gallery(tmp_path: Path) -> None:
    assert set(found(tmp_path, CAST, {"p01", "p03"})) == {"p01", "p03"}


def test_another_dub_of_the_film_shares_its_galleries(tmp_path: Path) -> None:
    one, other = found(tmp_path / "fr", CAST, {"p01", "p02"}), found(tmp_path / "de", CAST, {"p01", "p03"})
    assert one["p01"] == other["p01"]


def test_a_merge_cuts_out_only_whom_it_touches(tmp_path: Path) -> None:
    everybody = set(CAST)
    before = found(tmp_path, CAST, everybody)
    merged = {"p01": CAST["p01"] + CAST["p03"], "p02": CAST["p02"]}
    after = found(tmp_path, merged, set(merged))
    assert after["p02"] == before["p02"]
    assert after["p01"] != before["p01"]


@pytest.mark.parametrize("settings", [{"learn": {"source": "prior"}}, {"lips": {"engine": "passthrough"}}])
def test_settings_of_others_cut_out_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    assert found(tmp_path, CAST, set(CAST)) == found(tmp_path, CAST, set(CAST), **settings)
    larger = found(tmp_path, CAST, set(CAST), gallery={"budget_mb": 800})
    assert not set(larger.values()) & set(found(tmp_path, CAST, set(CAST)).values())


def recut(*pictures: int) -> Shots:
    """Shots with the pictures of those of `SHOTS`, one after the other from frame 5 on, after a new one."""
    starts = [0, *range(5, 5 + 10 * len(pictures), 10)]
    names = ["picture-new", *(f"picture-{10 * k}" for k in pictures)]
    return Shots(
        shots=tuple(
            Shot(name=f"{start:08d}", start=start, stop=start + (10 if k else 5), picture=name)
            for k, (start, name) in enumerate(zip(starts, names, strict=True))
        )
    )


def test_a_recut_cuts_out_only_who_is_in_a_new_shot_or_lost_one(tmp_path: Path) -> None:
    """A shot goes in at the front, all others change places and one is shown twice; p03's goes out."""
    before = found(tmp_path, CAST, set(CAST))
    moved: dict[str, tuple[Face, ...]] = {  # by their new names, and with the new one of p02
        "p01": (("00000015", 0), ("00000025", 0), ("00000035", 0)),
        "p02": (("00000000", 0), ("00000005", 0)),
    }
    after = found(tmp_path, moved, set(moved), recut(2, 1, 0, 1))
    assert after["p01"] == before["p01"]
    assert after["p02"] != before["p02"]
    renamed = {"p07": moved["p01"]}
    assert found(tmp_path, renamed, set(renamed), recut(2, 1, 0, 1)) == {"p07": before["p01"]}


def test_who_is_seen_in_an_approved_shot_has_a_gallery_without_a_cue(tmp_path: Path) -> None:
    """Their picture is measured against it."""
    pins = {"00000020": {"motion/00000020.0": "key", "lips/00000020.0": "key"}}
    assert set(found(tmp_path, CAST, {"p01"}, pins=pins)) == {"p01", "p02"}
