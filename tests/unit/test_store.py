"""The store: whole or absent, read-only, and never believed blindly."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from dubcli.core import keys
from dubcli.core.store import MANIFEST, Store, write_atomically
from dubcli.errors import StoreError


def image(n: int = 1) -> dict[str, Any]:
    return {"schema": 1, "stage": "track", "facts": {"n": n}, "inputs": {}}


def commit(store: Store, n: int = 1, **files: str) -> str:
    made = store.workspace()
    for name, text in (files or {"tracks": "mesh"}).items():
        (made / name).write_text(text)
    return store.put(image(n), made, {"warnings": []}).key


def test_an_artifact_is_found_under_the_digest_of_its_preimage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store)
    artifact = store.get(key)
    assert key == keys.digest(image())
    assert artifact
    assert (artifact.path / "tracks").read_text() == "mesh"
    assert store.preimage(key) == image()
    assert store.get("0" * 64) is None


def test_content_depends_on_files_not_on_the_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one, two, three = (store.get(commit(store, n, a=text)) for n, text in ((1, "x"), (2, "x"), (3, "y")))
    assert one
    assert two
    assert three
    assert one.content == two.content != three.content


def test_artifacts_are_read_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.path(commit(store))
    for item in (path, path / "tracks", path / MANIFEST):
        assert not stat.S_IMODE(item.stat().st_mode) & 0o222


def test_the_loser_of_a_race_keeps_the_winners_artifact(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store, a="winner")
    assert commit(store, a="loser") == key
    assert (store.path(key) / "a").read_text() == "winner"
    assert not list(store.temporary.iterdir())


@pytest.mark.parametrize("harm", ["shorter", "gone", "no manifest", "torn manifest"])
def test_visible_damage_is_told_at_once(tmp_path: Path, harm: str) -> None:
    store = Store(tmp_path)
    key = commit(store)
    path = store.path(key)
    os.chmod(path, 0o755)
    match harm:
        case "shorter":
            os.chmod(path / "tracks", 0o644)
            (path / "tracks").write_text("me")
        case "gone":
            (path / "tracks").unlink()
        case "no manifest":
            (path / MANIFEST).unlink()
        case "torn manifest":
            os.chmod(path / MANIFEST, 0o644)
            (path / MANIFEST).write_text('{"schema": 1, "fil')
    with pytest.raises(StoreError, match="cache verify --repair"):
        store.get(key)


def test_verify_reads_the_bytes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store)
    store.verify(key)
    file = store.path(key) / "tracks"
    os.chmod(file, 0o644)
    file.write_text("mush")
    assert store.get(key)
    with pytest.raises(StoreError, match="tracks has changed"):
        store.verify(key)


def test_a_manifest_cannot_name_files_outside(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = commit(store)
    file = store.path(key) / MANIFEST
    os.chmod(file, 0o644)
    file.write_text(file.read_text().replace('"tracks"', '"../../../etc/passwd"'))
    with pytest.raises(StoreError):
        store.get(key)


def test_links_are_not_committed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.workspace()
    (made / "link").symlink_to("/etc/passwd")
    with pytest.raises(StoreError):
        store.put(image(), made, {})


def test_collect_keeps_what_is_named_and_drops_the_rest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one, two = commit(store, 1), commit(store, 2)
    assert store.collect({one}) == [two]
    assert list(store.keys()) == [one]
    assert store.size() == len("mesh")


def test_sweep_drops_what_killed_runs_left_in_a_private_store_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left = store.workspace()
    store.sweep(private=False)
    assert left.exists()
    store.sweep(private=True)
    assert not left.exists()


def test_write_atomically_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "job.json"
    write_atomically(path, b"old")

    def broken(*_: object) -> None:
        raise OSError("power cut")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="power cut"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
