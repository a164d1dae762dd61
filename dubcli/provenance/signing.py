"""Signs a film with a C2PA manifest, in the file or beside it, and reads one back.

Nothing here touches the network: no time stamp is asked for, no revocation list, no remote manifest.
"""

from __future__ import annotations

import datetime
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.errors import ConfigError, DependencyError, DubError, EngineError, MediaError
from dubcli.media.marks import COMPOSITE
from dubcli.provenance import claim as claims
from dubcli.provenance import credentials as keys
from dubcli.provenance.claim import Claim
from dubcli.provenance.credentials import Credentials
from dubcli.settings.config import ProvenanceSettings

if TYPE_CHECKING:
    import c2pa

TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
"""Suffix → media type of the containers that can hold a manifest."""
_OTHER = "application/octet-stream"  # a file whose bytes are digested as they are
_LARGEST = 64_000_000  # bytes of a sidecar, far above any; set by hand
_UNTRUSTED, _EXPIRED = "signingCredential.untrusted", "signingCredential.expired"
_OTHER_FILM = "the film is not as it was signed: it was changed since, or is another"
_OTHER_MANIFEST = "the manifest is not as it was signed: it was changed since"
_PLAIN = {
    "assertion.bmffHash.mismatch": _OTHER_FILM,
    "assertion.boxesHash.mismatch": _OTHER_FILM,
    "assertion.dataHash.mismatch": _OTHER_FILM,
    "assertion.hashedURI.mismatch": _OTHER_MANIFEST,
    "claimSignature.mismatch": _OTHER_MANIFEST,
}
"""What codes of C2PA mean, for people."""


@dataclass(frozen=True)
class Finding:
    """What a film's manifest shows.

    Attributes:
        place: where it was found: the film or its sidecar.
        problems: why it does not hold, in words; empty where it does.
        signer: name and organisation in the signer's certificate.
        issuer: who issued it.
        nobody: whether it was signed with a key that dubcli made for this film alone.
        trusted: whether the certificate leads to an authority the user named; None where none was.
        expired: whether the certificate is not valid today, which makes the film no other.
        claim: what it says of the dub; None where it says nothing of one.
    """

    place: Path
    problems: tuple[str, ...]
    signer: str
    issuer: str
    nobody: bool
    trusted: bool | None
    claim: Claim | None
    expired: bool = False


@dataclass(frozen=True)
class Signature:
    """How one film is to be signed.

    Attributes:
        basis: digest of all that the claim is gathered from, found without reading it.
        claim: gathers what its manifest says, when it is needed.
        credentials: the user's; None for a key made for this film alone.
        source: the film that was dubbed.
        problem: why it cannot be signed after all; it is raised when it should be.
    """

    basis: str
    claim: Callable[[], Claim]
    credentials: Credentials | None
    source: Path
    problem: DubError | None = None

    @property
    def digest(self) -> str:
        """What tells one signature from another: what the claim is gathered from, and who signs."""
        return f"{self.basis}/{self.credentials.fingerprint if self.credentials else ''}"

    @property
    def is_somebodys(self) -> bool:
        """Whether it is with a user's certificate, and not a key made for this film alone."""
        return self.credentials is not None

    def embeds(self, film: Path) -> bool:
        """Whether the manifest goes into the film."""
        return embedded(film, signed=self.is_somebodys)

    def sign(self, film: Path, target: Path, title: str) -> bytes | None:
        """Write a film with its manifest.

        Args:
            film: the finished film; its suffix is that of the container.
            target: the file to write: with the manifest where it goes into the film, else a plain copy.
            title: the name under which the film is published.

        Returns:
            The manifest for a sidecar; None where it is in the film.

        Raises:
            ConfigError, DependencyError: the certificate cannot sign.
            EngineError: no manifest can be made of this film.
        """
        if self.problem:
            raise self.problem
        return _sign(film, target, self, title)


def sidecar(film: Path) -> Path:
    """Where the manifest of a film lies that cannot hold it."""
    return film.with_suffix(".c2pa")


def left_behind(film: Path) -> bool:
    """Whether beside a film that is gone a manifest is left that dubcli wrote for a film of this name.

    It is not checked: it only tells what nobody would miss from what somebody else put there.
    """
    if film.exists():
        return False
    try:
        manifest = sidecar(film).read_bytes()
    except OSError:
        return False
    title = rb"dc:title.{1,3}" + re.escape(os.fsencode(film.name))  # CBOR has the length between
    return claims.LABEL.encode() in manifest and bool(re.search(title, manifest, re.DOTALL))


def puts_beside(film: Path, settings: ProvenanceSettings) -> bool:
    """Whether a film's manifest will lie beside it: nobody signs, or the container cannot hold it."""
    return keys.available() and not embedded(film, signed=bool(settings.certificate))


def embedded(film: Path, *, signed: bool) -> bool:
    """Whether a manifest goes into a film: where the container can hold it, and somebody signs."""
    return signed and film.suffix.lower() in TYPES


def check(credentials: Credentials) -> None:
    """Sign a few bytes on trial.

    Raises:
        ConfigError: the certificate cannot sign C2PA manifests.
    """
    created = {"action": "c2pa.created", "digitalSourceType": COMPOSITE}
    definition = {
        "claim_generator_info": [{"name": "dubcli"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    with _translated(credentials):
        builder = _builder(definition)
        builder.set_no_embed()
        builder.sign(_signer(credentials), _OTHER, io.BytesIO(b"trial"), io.BytesIO())


def _sign(film: Path, target: Path, signature: Signature, title: str) -> bytes | None:
    import c2pa

    when = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    inside = signature.embeds(film)
    own = signature.credentials or keys.for_one_film()
    kind = TYPES.get(film.suffix.lower(), _OTHER)
    with _translated(own), open(film, "rb") as made, open(target, "w+b") as out:
        builder = _builder(claims.manifest(signature.claim(), title, when))
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        _add_source(builder, signature.source)
        if not inside:
            builder.set_no_embed()
        data = builder.sign(_signer(own), kind, made, out)
    return None if inside else bytes(data)


def _add_source(builder: c2pa.Builder, source: Path) -> None:
    """Name the film as what was edited; a manifest of its own, if any can be read, goes with it."""
    import c2pa

    about = {"title": source.name, "relationship": "parentOf"}
    with open(source, "rb") as file:
        try:
            builder.add_ingredient(about, TYPES.get(source.suffix.lower(), _OTHER), file)
        except c2pa.C2paError:
            file.seek(0)
            builder.add_ingredient(about, _OTHER, file)


def read(film: Path, trust: Path | None = None) -> Finding | None:
    """What the manifest of a film shows, in the film or in its sidecar; None where it has none.

    Args:
        film: the film.
        trust: certificates in PEM of authorities that the user trusts.

    Raises:
        DependencyError: the extra is not installed.
        MediaError: the film, its sidecar or the file of authorities cannot be read.
        ConfigError: the file of authorities is none.
    """
    if not keys.available():
        raise DependencyError(f"reading a manifest needs c2pa-python; type: {keys.EXTRA}")
    import c2pa

    beside = sidecar(film)
    settings: dict[str, Any] = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    if trust:
        settings["trust"] = {"trust_anchors": _anchors(trust)}
    for data in (None, _bytes(beside) if beside.is_file() else None):
        place = film if data is None else beside
        kind = TYPES.get(film.suffix.lower(), _OTHER)
        if data is None and (kind == _OTHER and beside.is_file()):
            continue
        try:
            with open(film, "rb") as file:
                reader = c2pa.Reader.try_create(kind, file, data, context=c2pa.Context.from_dict(settings))
                if reader is not None:
                    return _finding(reader, place, trusted=trust is not None)
        except (c2pa.C2paError, ValueError, RecursionError) as error:
            if data is not None or not _means_none(error):
                return Finding(
                    place,
                    (f"the manifest cannot be read ({' '.join(str(error).split())})",),
                    "",
                    "",
                    False,
                    None,
                    None,
                )
        except OSError as error:
            raise MediaError(f"cannot read {film} ({error.strerror}); check name and permissions") from None
    return None


def _means_none(error: Exception) -> bool:
    return "NotFound" in type(error).__name__ or "NotSupported" in type(error).__name__


def _finding(reader: c2pa.Reader, place: Path, *, trusted: bool) -> Finding:
    document = json.loads(reader.json())
    active = document.get("manifests", {}).get(document.get("active_manifest")) or {}
    results = (reader.get_validation_results() or {}).get("activeManifest") or {}
    codes = {row["code"]: str(row.get("explanation", "")) for row in results.get("failure", [])}
    told = sorted((code, why) for code, why in codes.items() if code not in (_UNTRUSTED, _EXPIRED))
    problems = [f"{_PLAIN[code]} ({code})" if code in _PLAIN else f"{code} ({why})" for code, why in told]
    expired = _EXPIRED in codes
    if not problems and not expired and reader.get_validation_state() not in ("Valid", "Trusted"):
        problems.append("the manifest does not hold")
    signature = active.get("signature_info") or {}
    names = [str(signature[name]) for name in ("common_name", "issuer") if signature.get(name)]
    found = [
        claims.parse(row.get("data")) for row in active.get("assertions", []) if row["label"] == claims.LABEL
    ]
    return Finding(
        place=place,
        problems=tuple(problems),
        signer=names[0] if names else "nobody named",
        issuer=names[-1] if names else "",
        nobody=signature.get("issuer") == keys.NOBODY,
        trusted=(_UNTRUSTED not in codes and not problems and not expired) if trusted else None,
        claim=found[0] if found else None,
        expired=expired,
    )


def _bytes(path: Path) -> bytes:
    """A sidecar or a file of certificates.

    Raises:
        MediaError: it cannot be read, or is far too large to be one.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise MediaError(f"{path} is too large ({path.stat().st_size} bytes); name another, or remove it")
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"cannot read {path} ({error.strerror}); check name and permissions") from None


def _anchors(path: Path) -> str:
    from cryptography import x509

    text = _bytes(path)
    try:
        x509.load_pem_x509_certificates(text)
    except ValueError:
        raise ConfigError(f"--trust: {path} is no certificate in PEM; name an authority's own") from None
    return text.decode("ascii", "replace")


def _builder(definition: dict[str, Any]) -> c2pa.Builder:
    import c2pa

    return c2pa.Builder(json.dumps(definition))


def _signer(credentials: Credentials) -> c2pa.Signer:
    import c2pa

    algorithm = c2pa.C2paSigningAlg[credentials.algorithm.upper()]
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, credentials.chain, credentials.key, None))


@contextmanager
def _translated(credentials: Credentials) -> Iterator[None]:
    """What C2PA's library says of a certificate, as an error for the user."""
    import c2pa

    try:
        yield
    except c2pa.C2paError as error:
        why = " ".join(str(error).split())
        if not credentials.fingerprint:
            raise EngineError(f"no manifest could be made ({why}); type: dubcli run again") from None
        raise ConfigError(
            f"provenance.certificate cannot sign C2PA manifests ({why}); name one that was issued for "
            "digital signatures and e-mail protection or C2PA signing, followed by its issuers"
        ) from None
