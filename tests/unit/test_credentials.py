"""Certificates and keys as other programs write them: forms of keys, orders of chains."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from dubcli.errors import ConfigError
from dubcli.provenance import credentials, signing
from dubcli.provenance.claim import Claim
from dubcli.provenance.credentials import Credentials
from dubcli.settings.config import ProvenanceSettings
from tests import certificates
from tests.certificates import Files

PEM = serialization.Encoding.PEM
CLAIM = Claim(
    film="f" * 64, dub="d" * 64, language="", frames=9, changed=(), seconds=(), tools=(), consents=()
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return certificates.issue(tmp_path_factory.mktemp("authority"))


def loaded(certificate: Path, key: Path) -> Credentials:
    found = credentials.load(ProvenanceSettings(certificate=str(certificate), key=str(key)))
    assert found
    signing.check(found)
    return found


def _old_form(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


@pytest.mark.parametrize("form", ["sec1", "pkcs1", "with its certificates", "CRLF", "with remarks"])
def test_a_key_signs_in_every_form_in_which_programs_write_it(
    tmp_path: Path, files: Files, form: str
) -> None:
    """`openssl ecparam -genkey` and `openssl genrsa -traditional` write other forms than PKCS#8."""
    certificate, text = files.certificate, files.key.read_bytes()
    if form == "sec1":
        text = _old_form(serialization.load_pem_private_key(text, None))
        assert b"BEGIN EC PRIVATE KEY" in text
    elif form == "pkcs1":
        own = rsa.generate_private_key(65537, 2048)
        certificate, text = certificates.issue(tmp_path, key=own).certificate, _old_form(own)
        assert b"BEGIN RSA PRIVATE KEY" in text
    elif form == "with its certificates":
        text += certificate.read_bytes()
        certificate = tmp_path / "both.pem"
        certificate.write_bytes(text)
    elif form == "CRLF":
        text = text.replace(b"\n", b"\r\n")
    else:
        text = b"Bag Attributes\n    friendlyName: post\n" + text
    key = tmp_path / "other.key"
    key.write_bytes(text)
    loaded(certificate, key)


def test_a_chain_is_put_in_order_and_strangers_in_it_are_left_out(tmp_path: Path, files: Files) -> None:
    """C2PA asks for the signer's own first, then each one's issuer; in another order nobody is trusted."""
    own, authority = _certificates(files.certificate)
    stranger = _certificates(certificates.issue(tmp_path / "stranger").certificate)[1]
    mixed, film = tmp_path / "mixed.pem", tmp_path / "film.mkv"
    mixed.write_bytes(authority + stranger + own)
    film.write_bytes(b"some bytes")
    made = loaded(mixed, files.key)
    assert _certificates(made.chain) == [own, authority]
    manifest = signing.Signature("", lambda: CLAIM, made, film).sign(film, tmp_path / "out.mkv", "out.mkv")
    assert manifest
    signing.sidecar(tmp_path / "out.mkv").write_bytes(manifest)
    found = signing.read(tmp_path / "out.mkv", files.authority)
    assert found
    assert (found.problems, found.trusted, found.signer) == ((), True, "Post of a test")


def test_a_certificate_that_nobody_else_issued_is_refused(tmp_path: Path, files: Files) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    own = certificates.issue(tmp_path / "self", key=key, alone=True)
    with pytest.raises(ConfigError, match="signs itself"):
        loaded(own.certificate, own.key)
    stranger = _certificates(certificates.issue(tmp_path / "stranger").certificate)[1]
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(_certificates(files.certificate)[0] + stranger)
    with pytest.raises(ConfigError, match="none of the others in it issued the signer's"):
        loaded(wrong, files.key)


def _certificates(source: Path | bytes) -> list[bytes]:
    from cryptography import x509

    data = source if isinstance(source, bytes) else source.read_bytes()
    return [one.public_bytes(PEM) for one in x509.load_pem_x509_certificates(data)]
