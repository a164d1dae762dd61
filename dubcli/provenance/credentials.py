"""Certificates and keys: read and checked before the work begins, not when the film is finished."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dubcli.errors import ConfigError, DependencyError
from dubcli.settings.config import ProvenanceSettings
from dubcli.settings.document import LARGEST_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate, Name

EXTRA = "pip install 'dubcli[provenance]'"
NOBODY = "dubcli, no identity"
"""The organisation of certificates that dubcli makes for one film where the user has none."""


@dataclass(frozen=True)
class Credentials:
    """What signs a manifest.

    Attributes:
        chain: certificates in PEM, the signer's own first.
        key: the private key in PEM.
        algorithm: C2PA's name of the signature algorithm.
        fingerprint: sha256 of the signer's certificate in hex, "" for one that is made for a single film.
    """

    chain: bytes
    key: bytes
    algorithm: str
    fingerprint: str = ""


def available() -> bool:
    """Whether the packages of the extra are installed."""
    return bool(find_spec("c2pa") and find_spec("cryptography"))


def load(settings: ProvenanceSettings, now: datetime.datetime | None = None) -> Credentials | None:
    """The user's certificate and key; None where the settings name none.

    Raises:
        ConfigError: one of the two is missing, unreadable, out of date, or does not belong to the other.
        DependencyError: the extra is not installed.
    """
    if not settings.certificate and not settings.key:
        return None
    if not settings.certificate or not settings.key:
        there, other = ("key", "certificate") if settings.key else ("certificate", "key")
        raise ConfigError(
            f"provenance.{there} is set and provenance.{other} is not; set both, or neither to sign nothing"
        )
    if not available():
        raise DependencyError(f"signing needs c2pa-python; type: {EXTRA}")
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    chain, key = _read("certificate", settings.certificate), _read("key", settings.key)
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise ConfigError(
            f"provenance.certificate: {settings.certificate} is no certificate in PEM; name the signer's "
            "own, followed by those of its issuers"
        ) from None
    try:
        private = serialization.load_pem_private_key(key, None)
    except TypeError:
        raise ConfigError(f"provenance.key: {settings.key} has a password; name one without") from None
    except ValueError:
        raise ConfigError(f"provenance.key: {settings.key} is no private key in PEM; name one") from None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = private.public_key().public_bytes(*form)
    own = next((one for one in certificates if one.public_key().public_bytes(*form) == public), None)
    if own is None:
        raise ConfigError(
            f"provenance.key: {settings.key} does not belong to {settings.certificate}; name the key it was "
            "issued for"
        )
    ordered = _chain(own, certificates, settings.certificate)
    for certificate in ordered:
        _check_time(certificate, settings.certificate, now or datetime.datetime.now(datetime.timezone.utc))
    # C2PA's library takes the signer's own first, and keys in PKCS #8 only.
    chain = b"".join(one.public_bytes(serialization.Encoding.PEM) for one in ordered)
    return Credentials(chain, _pkcs8(private), _algorithm(private), own.fingerprint(_sha256()).hex())


def for_one_film() -> Credentials:
    """A certificate of nobody, and its key, which is kept nowhere: it proves that a film did not change."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def named(what: str) -> Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, NOBODY),
                x509.NameAttribute(NameOID.COMMON_NAME, what),
            ]
        )

    issuer, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    chain = []
    for key, name, authority in ((own, "one film", False), (issuer, "issuer of one film", True)):
        usage = dict.fromkeys(
            (
                "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                "encipher_only", "decipher_only",
            ),
            False,
        )  # fmt: skip
        made = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("issuer of one film"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=not authority, key_cert_sign=authority, crl_sign=False, **usage
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False
            )
        )
        if not authority:
            usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            made = made.add_extension(usages, critical=False)
        chain.append(made.sign(issuer, _sha256()).public_bytes(serialization.Encoding.PEM))
    return Credentials(b"".join(chain), _pkcs8(own), "es256")


def _read(what: str, name: str) -> bytes:
    path = Path(name).expanduser()
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"provenance.{what}: {path} is too large; name a PEM file")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"provenance.{what}: cannot read {path} ({error.strerror}); check name and permissions"
        ) from None


def _chain(own: Certificate, others: list[Certificate], name: str) -> list[Certificate]:
    """The signer's certificate, its issuer's, and so on, of those that a file holds in any order.

    Raises:
        ConfigError: it signs itself, or the file holds others and none of them issued it.
    """
    if own.issuer == own.subject:
        raise ConfigError(
            f"provenance.certificate: {name} signs itself, and C2PA refuses that; name one that an authority "
            "issued"
        )
    chain = [own]
    while issuer := next((one for one in others if one not in chain and _issued(one, chain[-1])), None):
        chain.append(issuer)
    if len(chain) == 1 and any(one != own for one in others):
        raise ConfigError(
            f"provenance.certificate: {name} holds several certificates, and none of the others in it issued "
            "the signer's; add its issuer's"
        )
    return chain


def _issued(issuer: Certificate, certificate: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _pkcs8(key: PrivateKeyTypes) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _check_time(certificate: Certificate, name: str, now: datetime.datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise ConfigError(f"provenance.certificate: {name} expired on {end:%Y-%m-%d}; name one that is valid")
    if now < begin:
        raise ConfigError(f"provenance.certificate: {name} is valid from {begin:%Y-%m-%d} only; name another")


def _algorithm(key: Any) -> str:
    """C2PA's name of the algorithm for a key (C2PA 2.2, 13.2.1).

    Raises:
        ConfigError: it has none.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    curves = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in curves:
        return curves[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return "ps256"
    raise ConfigError("provenance.key: C2PA has no signature for this kind of key; use P-256, Ed25519 or RSA")


def _sha256() -> Any:
    from cryptography.hazmat.primitives import hashes

    return hashes.SHA256()
