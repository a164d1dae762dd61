"""A certificate authority for tests, made anew each time: no key is kept anywhere."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """A signer's certificate with its issuer's, the key, and the authority's own certificate."""

    certificate: Path
    key: Path
    authority: Path

    @property
    def settings(self) -> list[str]:
        """Words of the command line that sign with them."""
        return ["--set", f"provenance.certificate={self.certificate}", "--set", f"provenance.key={self.key}"]


def issue(
    folder: Path,
    *,
    first: int = -1,
    last: int = 365,
    signs: bool = True,
    alone: bool = False,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> Files:
    """A new authority and a certificate of it, valid from and until so many days from now.

    Without `signs` the certificate is one for servers, with which nothing may be signed; `alone` it signs
    itself; `key` is its private key, a new one by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority, own = ec.generate_private_key(ec.SECP256R1()), key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.timezone.utc)
    root = (
        _certificate("Authority of a test", authority.public_key(), now - 999 * _DAY, now + 999 * _DAY)
        .issuer_name(_name("Authority of a test"))
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .sign(authority, hashes.SHA256())
    )
    usage = ExtendedKeyUsageOID.EMAIL_PROTECTION if signs else ExtendedKeyUsageOID.SERVER_AUTH
    issued_by = own if alone else authority
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issued_by.public_key())
    leaf = (
        _certificate("Post of a test", own.public_key(), now + first * _DAY, now + last * _DAY)
        .issuer_name(_name("Post of a test" if alone else "Authority of a test"))
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(issued_by, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    made = Files(folder / "certificate.pem", folder / "key.pem", folder / "authority.pem")
    made.authority.write_bytes(root.public_bytes(pem))
    made.certificate.write_bytes(leaf.public_bytes(pem) + (b"" if alone else root.public_bytes(pem)))
    plain = serialization.NoEncryption()
    made.key.write_bytes(own.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return made


def _certificate(
    name: str,
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    first: datetime.datetime,
    last: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(name: str) -> x509.Name:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test Ltd")
    return x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign, key_cert_sign=not sign, crl_sign=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
