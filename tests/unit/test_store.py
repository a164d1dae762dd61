"""The store: whole or absent, read-only, and never believed blindly."""

from __future__ import annotations

import multiprocessing
import os
import random
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from dubcli.core import keys
from dubcli.core import store as store_module
from dubcli.core.store import MANIFEST, Store
from dubcli.errors import StoreError
from dubcli.files import write_atomically


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


RACERS, KEYS = 4, 2000


def race(root: Path, number: int, found: Any) -> None:
    """Two commit all artifacts, one of them removing some again; two wait for each to appear."""
    store, chance = Store(root), random.Random(number)
    try:
        for n in range(KEYS):
            key = keys.digest(image(n))
            if number >= 2:
                end = time.monotonic() + 0.02
                while store.get(key) is None and time.monotonic() < end:
                    pass
            elif store.get(key) is None:
                made = store.workspace()
                (made / "tracks").write_text(f"mesh {n}")
                assert store.put(image(n), made, {}).key == key
            store.get(keys.digest(image(chance.randrange(n + 1))))
            if number == 1 and n % 10 == 0:
                store.remove(key)
                store.sweep(private=False)
    except Exception as error:
        found.put(f"{type(error).__name__}: {error}")
    else:
        found.put("")


def test_processes_that_race_over_one_store_find_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # more races, and less wear
    context = multiprocessing.get_context("fork")
    found: Any = context.Queue()
    racers = [context.Process(target=race, args=(tmp_path, seed, found)) for seed in range(RACERS)]
    for racer in racers:
        racer.start()
    assert [found.get(timeout=120) for _ in racers] == [""] * RACERS
    for racer in racers:
        racer.join()
    store = Store(tmp_path)
    held = list(store.keys())
    assert len(held) > KEYS * 0.85
    for key in held:
        store.verify(key)
    assert not list(store.temporary.iterdir())


def test_a_commit_between_two_looks_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader looks for the manifest just before another process's rename, and for the folder after it."""
    store = Store(tmp_path)
    key = keys.digest(image())
    store.path(key).mkdir(parents=True)  # what was there at the first look
    real = store_module._read_manifest

    def late(path: str | Path) -> dict[str, Any]:
        monkeypatch.setattr(store_module, "_read_manifest", real)
        try:
            return real(path)
        finally:
            Path(path).rename(tmp_path / "other")
            commit(store)

    monkeypatch.setattr(store_module, "_read_manifest", late)
    assert store.get(key)


def test_another_user_can_read_an_artifact_from_the_moment_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real = os.rename

    def look(source: Any, target: Any) -> None:
        modes.append(stat.S_IMODE(os.stat(source).st_mode))
        real(source, target)

    monkeypatch.setattr(os, "rename", look)
    commit(Store(tmp_path))
    assert modes == [0o755]


def test_sweep_goes_on_where_a_workspace_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    gone, left = store.workspace(), store.workspace()
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([gone, left]))
    gone.rmdir()
    store.sweep(private=False)
    assert left.exists()


def test_a_folder_that_others_use_too_loses_nothing_of_theirs(tmp_path: Path) -> None:
    """Whoever names their home for a store has a `tmp` there, and a repository of git has `objects`."""
    own, blob = tmp_path / "tmp" / "thesis", tmp_path / "objects" / "ab" / f"{0:038x}"
    for path in (own, blob):
        path.mkdir(parents=True)
        (path / "text").write_text("years of work")
    os.utime(own / "text", (0, 0))
    os.utime(own, (0, 0))
    store = Store(tmp_path)
    key = commit(store)
    for private in (False, True):
        store.sweep(private=private)
    assert store.collect(()) == [key]
    assert (own / "text").exists()
    assert (blob / "text").exists()


def test_sweep_spares_a_workspace_that_is_written_to(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.workspace()
    (made / "film.mp4").write_text("still growing")
    os.utime(made, (0, 0))
    store.sweep(private=False)
    assert made.exists()
    os.utime(made / "film.mp4", (0, 0))
    os.utime(made, (0, 0))
    store.sweep(private=False)
    assert not made.exists()


def test_what_was_made_from_an_artifact_is_known(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one = commit(store, 1)
    for n, read in ((2, one), (3, keys.digest(image(2))), (4, "0" * 64)):
        made = store.workspace()
        (made / "x").write_text(str(n))
        store.put(image(n), made, {"read": [read]})
    assert store.descendants({one}) == {keys.digest(image(2)), keys.digest(image(3))}


def test_what_a_worker_has_sealed_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All workers wait for the process that commits: it neither hashes nor syncs what they have made."""
    store = Store(tmp_path)
    made = store.workspace()
    (made / "film.mp4").write_text("large")
    files = store_module.seal(made)
    synced: list[str] = []
    monkeypatch.setattr(store_module, "sha256", lambda path: pytest.fail("it is read"))
    monkeypatch.setattr(store_module, "sync", lambda path: synced.append(path.name))
    key = store.put(image(), made, {}, files).key
    assert "film.mp4" not in synced
    monkeypatch.undo()
    store.verify(key)


def test_a_store_that_was_deleted_is_told_as_that(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = store.workspace()
    (made / "tracks").write_text("mesh")
    made.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="was deleted or emptied meanwhile"):
        store.put(image(), made, {}, {})


def test_a_file_that_cannot_be_written_is_named_as_the_user_knows_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as told:
        write_atomically(tmp_path / "gone" / "decisions.yaml", b"")
    assert told.value.filename == str(tmp_path / "gone" / "decisions.yaml")
