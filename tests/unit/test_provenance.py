"""Manifests: signed with a certificate of the test's own authority, and read back."""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
import socket
from pathlib import Path
from typing import Any, cast

import av
import pytest
from cryptography.hazmat.primitives import serialization

from dubcli.core import published, verify
from dubcli.core.model import Artifact
from dubcli.core.store import Store
from dubcli.errors import ConfigError, DubError, EngineError
from dubcli.media import marks
from dubcli.provenance import credentials, signing
from dubcli.provenance.claim import Claim, Consent
from dubcli.provenance.credentials import Credentials
from dubcli.provenance.signing import Finding, Signature
from dubcli.settings.config import ProvenanceSettings
from tests import certificates
from tests.certificates import Files
from tests.conftest import Sample

CLAIM = Claim(
    film="f" * 64, dub="d" * 64, language="fr-CA", frames=76, changed=((3, 20), (30, 40)),
    seconds=((0.125, 0.834), (1.251, 1.668)), tools=(),
    consents=(Consent(person="p01", state="given", sha256="c" * 64),),
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return certificates.issue(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, tiny: Sample) -> Path:
    """A folder with the tiny film in every container that dubcli writes."""
    folder = tmp_path_factory.mktemp("films")
    shutil.copy(tiny.film, folder / "film.mp4")
    for suffix in (".mov", ".mkv"):
        with av.open(str(tiny.film)) as source, av.open(str(folder / f"film{suffix}"), "w") as out:
            streams = {s.index: out.add_stream_from_template(s) for s in source.streams.video}
            for packet in source.demux(*source.streams.video):
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's sockets are blocked; those of the C2PA library have nothing to fetch."""

    def refuse(*args: object) -> None:
        raise AssertionError("something wants the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def loaded(files: Files) -> Credentials:
    found = credentials.load(ProvenanceSettings(certificate=str(files.certificate), key=str(files.key)))
    assert found
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("named", [True, False])
def test_a_signed_film_is_the_same_film_and_a_changed_byte_is_found(
    tmp_path: Path, films: Path, files: Files, suffix: str, named: bool
) -> None:
    film, out = films / f"film{suffix}", tmp_path / f"out{suffix}"
    signature = Signature("", lambda: CLAIM, loaded(files) if named else None, films / "film.mp4")
    manifest = signature.sign(film, out, out.name)
    assert (manifest is None) == (named and suffix != ".mkv")
    if manifest is None:
        assert _packets(out) == _packets(film)
        assert _packets(out)
    else:
        assert out.read_bytes() == film.read_bytes()
        signing.sidecar(out).write_bytes(manifest)
    found = signing.read(out, files.authority)
    assert found
    assert (found.problems, found.claim, found.nobody, found.trusted) == ((), CLAIM, not named, named)
    assert found.signer == ("Post of a test" if named else "one film")
    other = certificates.issue(tmp_path / "other").authority
    stranger = signing.read(out, other)
    assert stranger
    assert (stranger.problems, stranger.trusted) == ((), False)

    data = bytearray(out.read_bytes())
    at = data.find(b"mdat") + 5000 if suffix != ".mkv" else len(data) // 2
    data[at] ^= 1
    out.write_bytes(data)
    changed = signing.read(out, files.authority)
    assert changed
    assert changed.problems
    assert not changed.trusted


def test_a_manifest_whose_film_was_deleted_is_in_nobodys_way(tmp_path: Path, films: Path) -> None:
    """As when a script removes a film and its job and runs anew; that of another film is in the way."""
    out, other = tmp_path / "out.mkv", tmp_path / "out.mov"
    manifest = Signature("", lambda: CLAIM, None, films / "film.mp4").sign(films / "film.mkv", out, out.name)
    assert manifest
    signing.sidecar(out).write_bytes(manifest)
    out.unlink()
    assert published.obstacle(tmp_path / "job", out, beside=True) == ""
    assert "is no manifest of out.mov" in published.obstacle(tmp_path / "job", other, beside=True)


def test_a_film_without_a_manifest_and_one_with_nonsense_beside_it(tmp_path: Path, films: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        film = tmp_path / f"plain{suffix}"
        shutil.copy(films / f"film{suffix}", film)
        assert signing.read(film) is None
    (tmp_path / "plain.c2pa").write_bytes(b"nonsense" * 100)
    for suffix in (".mp4", ".mkv"):
        found = signing.read(tmp_path / f"plain{suffix}")
        assert found
        assert "cannot be read" in found.problems[0]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("expired", "expired on"),
        ("not yet", "is valid from"),
        ("no certificate", "provenance.key is set and provenance.certificate is not"),
        ("no key", "provenance.certificate is set and provenance.key is not"),
        ("foreign key", "does not belong to"),
        ("password", "has a password"),
        ("missing", "cannot read"),
        ("a film", "is no certificate in PEM"),
        ("no key in it", "is no private key in PEM"),
        ("for servers", "cannot sign C2PA manifests"),
        ("folder", "cannot read"),
    ],
)
def test_a_certificate_that_cannot_sign_is_refused_with_the_reason(
    tmp_path: Path, films: Path, files: Files, case: str, message: str
) -> None:
    certificate, key = files.certificate, files.key
    if case in ("expired", "not yet", "for servers"):
        days = {"expired": (-9, -1), "not yet": (2, 9), "for servers": (-1, 9)}[case]
        made = certificates.issue(tmp_path, first=days[0], last=days[1], signs=case != "for servers")
        certificate, key = made.certificate, made.key
    elif case == "foreign key":
        key = certificates.issue(tmp_path).key
    elif case == "password":
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        lock = serialization.BestAvailableEncryption(b"secret")
        key = tmp_path / "locked.pem"
        form = serialization.PrivateFormat.PKCS8
        key.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, lock))
    elif case == "missing":
        certificate = tmp_path / "none.pem"
    elif case == "a film":
        certificate = films / "film.mp4"
    elif case == "no key in it":
        key = certificate
    elif case == "folder":
        certificate = tmp_path
    names = {"certificate": str(certificate), "key": str(key)}
    names |= {"certificate": ""} if case == "no certificate" else {}
    names |= {"key": ""} if case == "no key" else {}
    with pytest.raises(ConfigError, match=message) as error:
        signing.check(credentials.load(ProvenanceSettings(**names)) or credentials.for_one_film())
    assert "\n" not in str(error.value)


def test_a_certificate_that_expires_overnight_is_refused_when_it_signs(files: Files) -> None:
    settings = ProvenanceSettings(certificate=str(files.certificate), key=str(files.key))
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=400)
    assert credentials.load(settings)
    with pytest.raises(ConfigError, match="expired on"):
        credentials.load(settings, later)


@pytest.mark.parametrize("problem", [ConfigError("it expired on 2026-01-01"), EngineError("no manifest")])
def test_a_film_that_cannot_be_signed_is_published_unsigned_and_said_so(
    tmp_path: Path, films: Path, files: Files, problem: DubError
) -> None:
    store, out = Store(tmp_path / "store"), tmp_path / "out.mp4"
    made = store.workspace()
    shutil.copy(films / "film.mp4", made / "film.mp4")
    film = store.put({"stage": "remux"}, made, {})
    digest = hashlib.sha256((films / "film.mp4").read_bytes()).hexdigest()
    failing = Signature("", lambda: CLAIM, None, films / "film.mp4", problem)
    with pytest.raises(type(problem), match="is written, but not signed: "):
        published.put(store, film, tmp_path, out, failing)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == digest
    assert signing.read(out) is None
    assert not list(tmp_path.glob(".dubcli-*"))

    good = Signature("", lambda: CLAIM, loaded(files), films / "film.mp4")
    assert published.put(store, film, tmp_path, out, good)  # now it can be signed, so it is
    assert not published.put(store, film, tmp_path, out, good)
    signed = out.read_bytes()
    with pytest.raises(type(problem)):
        published.put(store, film, tmp_path, out, failing)
    assert out.read_bytes() == signed  # never unsigned by a later failure
    store.verify(film.key)

    left = out.with_name(published.unfinished(out) + "abc.mp4")
    left.write_bytes(b"half a film")  # by a run that was killed while it published
    nobody = Signature("", lambda: CLAIM, None, films / "film.mp4")
    out.unlink()
    assert published.put(store, film, tmp_path, out, nobody)
    assert out.read_bytes() != signed
    assert signing.sidecar(out).is_file()
    signing.sidecar(out).unlink()
    assert published.put(store, film, tmp_path, out, nobody)  # a lost sidecar is made again
    assert signing.sidecar(out).is_file()
    assert published.put(store, film, tmp_path, out, good)
    assert not signing.sidecar(out).exists()  # it would speak of another file
    assert not left.exists()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_signed_film_stays_signed_where_a_run_has_no_certificate(
    tmp_path: Path, films: Path, files: Files, suffix: str
) -> None:
    store, out, told = Store(tmp_path / "store"), tmp_path / f"out{suffix}", list[str]()

    def film(number: int) -> Artifact:
        made = store.workspace()
        shutil.copy(films / f"film{suffix}", made / f"film{suffix}")
        (made / "number").write_text(str(number))
        return store.put({"stage": "remux", "number": number}, made, {})

    def put(number: int, signature: Signature | None) -> bool:
        told.clear()
        return published.put(store, film(number), tmp_path, out, signature, told.append)

    good = Signature("cast", lambda: CLAIM, loaded(files), films / "film.mp4")
    assert put(1, good)
    signed = out.read_bytes()
    # Another cast would be signed anew, were there a certificate; None: the packages for it are gone.
    for without in (Signature("other cast", lambda: CLAIM, None, films / "film.mp4"), None):
        assert not put(1, without)
        assert out.read_bytes() == signed
        assert "stays as it was signed" in told[0]
        found = signing.read(out, files.authority)
        assert (found and found.signer, found and found.nobody) == ("Post of a test", False)
    assert not put(1, good)
    assert told == []
    assert put(2, Signature("cast", lambda: CLAIM, None, films / "film.mp4"))
    assert "is another film now that is not" in told[0]
    assert not put(2, Signature("cast", lambda: CLAIM, None, films / "film.mp4"))
    assert told == []


def test_the_mark_in_the_metadata_is_read_by_others_and_moves_nothing(tmp_path: Path, films: Path) -> None:
    for suffix in (".mp4", ".mov"):
        film = tmp_path / f"film{suffix}"
        shutil.copy(films / film.name, film)
        before = _packets(film)
        assert marks.read(film) == ""
        marks.write(film)
        assert marks.read(film) == marks.COMPOSITE
        assert _packets(film) == before
        with av.open(str(film), options={"export_xmp": "1"}) as container:
            assert "compositeWithTrainedAlgorithmicMedia" in container.metadata["xmp"]


def _packets(path: Path) -> list[tuple[int | None, str]]:
    with av.open(str(path)) as container:
        return [
            (packet.pts, hashlib.sha256(bytes(packet)).hexdigest())
            for packet in container.demux()
            if packet.dts is not None
        ]


class _Reader:
    """What C2PA's reader says of a manifest with these failures."""

    def __init__(self, *codes: str) -> None:
        self.codes = codes

    def json(self) -> str:
        signature = {"common_name": "Post", "issuer": "Test Ltd"}
        manifest = {"signature_info": signature, "assertions": []}
        return json.dumps({"active_manifest": "m", "manifests": {"m": manifest}})

    def get_validation_results(self) -> dict[str, Any]:
        return {"activeManifest": {"failure": [{"code": code} for code in self.codes]}}

    def get_validation_state(self) -> str:
        return "Invalid" if self.codes else "Trusted"


def test_a_certificate_that_has_expired_since_makes_the_film_no_other(tmp_path: Path) -> None:
    """A delivered film would be called wrong a year later, though not a byte of it has changed."""

    def told(*codes: str) -> tuple[Finding, list[tuple[str, str]]]:
        found = signing._finding(cast(Any, _Reader(*codes)), tmp_path / "film.mp4", trusted=True)
        return found, [(row.kind, row.text) for row in verify._of_manifest(tmp_path / "film.mp4", found)]

    found, rows = told("signingCredential.expired")
    assert (found.problems, found.expired, found.trusted) == ((), True, False)
    assert [kind for kind, _ in rows[:2]] == ["proven", "not proven"]
    assert "is not valid today" in rows[1][1]
    for code, words in (
        ("assertion.bmffHash.mismatch", "the film is not as it was signed"),
        ("claimSignature.mismatch", "the manifest is not as it was signed"),
    ):
        found, rows = told("signingCredential.expired", code)
        assert rows == [("wrong", rows[0][1])]
        assert words in rows[0][1]
    assert told()[0].trusted
