"""A finished film in the hands of delivery and lawyers: signed, verified, purged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av

from dubcli.media import marks
from tests import certificates
from tests.e2e.conftest import FAST, Dubcli, listed


def store_bytes(job: Path) -> dict[str, bytes]:
    """Every artifact's files; manifests of artifacts too."""
    return {str(path): path.read_bytes() for path in (job / "store").rglob("*") if path.is_file()}


def kinds(dubcli: Dubcli, *words: object) -> tuple[int, set[str]]:
    """What `verify` ends with, and the kinds of its statements."""
    answer = dubcli("verify", *words, "--json")
    return answer.code, {row["kind"] for row in json.loads(answer.out)["statements"]}


def test_a_film_is_signed_when_it_is_published_and_a_change_is_found(
    dubcli: Dubcli, job: Path, tmp_path: Path
) -> None:
    film = job.parent / "film.dub_fr.mp4"
    assert marks.read(film) == marks.COMPOSITE
    assert marks.read(job.parent / "film.mp4") == ""
    assert film.with_suffix(".c2pa").is_file()
    assert kinds(dubcli, film, "--job", job) == (0, {"proven", "not proven", "claimed"})
    store, unsigned = store_bytes(job), film.read_bytes()

    files = certificates.issue(tmp_path / "authority")
    assert dubcli("run", job, "-q", *files.settings).code == 0
    assert store_bytes(job) == store
    assert not film.with_suffix(".c2pa").exists()
    signed = film.read_bytes()
    assert signed != unsigned
    told = dubcli("verify", film, "--job", job, "--trust", files.authority).out
    assert "Post of a test (Test Ltd) signed it" in told
    assert "the frames that the manifest names are those that the job changed" in told
    assert dubcli("run", job, "-q", *files.settings).code == 0
    assert film.read_bytes() == signed  # nothing is signed twice
    answer = dubcli("run", job, "-q")  # a shell without the certificate
    assert (answer.code, "stays as it was signed" in answer.err) == (0, True), answer.err
    assert film.read_bytes() == signed
    assert kinds(dubcli, film, "--job", job)[0] == 0
    assert str(files.key) not in (job / "job.json").read_text("utf-8")

    report = json.loads((job / "report.json").read_text("utf-8"))
    claim = json.loads(dubcli("verify", film, "--json").out)["manifest"]["claim"]
    assert claim["changed"] == report["changed"] != []

    data = bytearray(signed)
    data[data.find(b"mdat") + 9000] ^= 1
    film.write_bytes(data)
    assert kinds(dubcli, film, "--job", job) == (8, {"wrong", "claimed"})
    film.write_bytes(job.parent.joinpath("film.mp4").read_bytes())
    assert kinds(dubcli, film) == (8, {"not proven"})
    assert dubcli("verify", job / "job.json").code == 3


def test_a_manifest_beside_a_film_is_held_to_the_job_and_missed_where_the_film_was_renamed(
    dubcli: Dubcli, job: Path
) -> None:
    film, beside = job.parent / "film.dub_fr.mp4", job.parent / "film.dub_fr.c2pa"
    manifest = beside.read_bytes()
    told = dubcli("verify", film).out
    assert "whoever changes the film could make another" in told
    pad = manifest.rindex(b"\0" * 64)  # padding, which no signature covers
    beside.write_bytes(manifest[:pad] + b"\1" + manifest[pad + 1 :])
    assert dubcli("verify", film).code == 0
    answer = dubcli("verify", film, "--job", job)
    assert (answer.code, "film.dub_fr.c2pa is not the manifest that" in answer.out) == (8, True)
    beside.write_bytes(manifest)
    assert dubcli("verify", film, "--job", job).code == 0
    assert "lies there" not in dubcli("verify", job.parent / "film.mp4").out  # that manifest has its film
    renamed = film.rename(job.parent / "for delivery.mp4")
    answer = dubcli("verify", renamed)
    assert (answer.code, "for delivery.c2pa" in answer.out) == (8, True)
    assert "film.dub_fr.c2pa lies there: was the film renamed?" in " ".join(answer.out.split())


def test_take_0_is_the_films_own_picture_and_an_older_manifest_names_other_frames(
    dubcli: Dubcli, job: Path
) -> None:
    film = job.parent / "film.dub_fr.mp4"
    assert dubcli("review", job, "approve", "0", "--take", "0").code == 0  # and not run: other frames now
    answer = dubcli("verify", film, "--job", job)
    assert answer.code == 0
    assert "it is not finished, or was purged" in answer.out
    copy = job.parent / "copy.mp4"
    shutil.copy(film, copy)
    shutil.copy(film.with_suffix(".c2pa"), copy.with_suffix(".c2pa"))
    assert dubcli("run", job, "-q").code == 0
    assert json.loads((job / "report.json").read_text("utf-8"))["changed"] == []
    assert marks.read(film) == ""
    assert (listed(dubcli, job)["take"], listed(dubcli, job)["state"]) == (0, "approved")
    answer = dubcli("verify", copy, "--job", job)
    assert answer.code == 8
    assert "not those that the job changed" in answer.out


def test_what_cannot_sign_ends_a_run_before_it_begins(dubcli: Dubcli, job: Path, tmp_path: Path) -> None:
    film, before = job.parent / "film.dub_fr.mp4", (job.parent / "film.dub_fr.mp4").read_bytes()
    old = certificates.issue(tmp_path / "old", first=-9, last=-1)
    for words, message in (
        (old.settings, "expired on"),
        (old.settings[2:], "provenance.key is set and provenance.certificate is not"),
        ([*old.settings[:2], "--set", f"provenance.key={tmp_path}/none"], "cannot read"),
    ):
        answer = dubcli("run", job, "-q", *words)
        assert (answer.code, message in answer.err) == (4, True), answer.err
    (job.parent / "dubcli.toml").write_text(f'[provenance]\nkey = "{old.key}"\n', "utf-8")
    answer = dubcli("run", job.parent / "film.mp4", "--audio", job.parent / "dub_fr.wav", "-q")
    assert (answer.code, "not allowed here" in answer.err) == (4, True)  # a folder of films signs nothing
    assert film.read_bytes() == before


def test_matroska_is_marked_by_a_tag_and_has_a_sidecar(dubcli: Dubcli, job: Path, tmp_path: Path) -> None:
    folder, files = job.parent, certificates.issue(tmp_path / "authority")
    sources = [folder / "film.mp4", "--audio", folder / "dub_fr.wav", "-o", folder / "other.mkv"]
    assert dubcli("run", *sources, "--store", job / "store", "-q", *FAST, *files.settings).code == 0
    with av.open(str(folder / "other.mkv")) as container:
        assert container.metadata["DIGITAL_SOURCE_TYPE"] == marks.COMPOSITE
    assert (folder / "other.c2pa").is_file()
    answer = dubcli("verify", folder / "other.mkv", "--job", folder / "other.dub", "--trust", files.authority)
    assert (answer.code, "signed it, by an authority that you trust" in answer.out) == (0, True)


def test_a_purged_job_holds_nothing_of_people_and_still_verifies_its_film(dubcli: Dubcli, job: Path) -> None:
    answer = dubcli("purge", job, "--json")
    left = json.loads(answer.out)["left"]
    stages = {row["place"].rpartition(": ")[2] for row in left if ": " in row["place"]}
    assert (answer.code, stages) == (0, {"probe", "scan", "split"})
    names = {path.name for path in job.rglob("*") if path.is_file()}
    assert not [name for name in names if name.endswith((".html", ".png", ".nut", ".safetensors"))]
    answer = dubcli("verify", job.parent / "film.dub_fr.mp4", "--job", job)
    assert answer.code == 0
    assert "byte for byte, a film that" in answer.out
    assert "was purged" in answer.out
