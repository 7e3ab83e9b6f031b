"""The key that signs packages: made once, kept private, and judged by openssl as by us."""

import stat
import subprocess

import pytest

from alprcore.errors import Misconfigured
from alprcore.seal import PackageSigner, SigningKey, key_fingerprint, verify_package


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    path = tmp_path / "keys" / "evidence.pem"
    first = PackageSigner.at(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PackageSigner.at(path).public == first.public
    assert list(path.parent.iterdir()) == [path]


def test_what_was_signed_verifies_and_nothing_else(tmp_path):
    signer, other = PackageSigner.at(tmp_path / "a.pem"), PackageSigner.at(tmp_path / "b.pem")
    signature = signer.sign(b"sums")
    assert verify_package(signer.public, signature, b"sums")
    assert not verify_package(signer.public, signature, b"sumz")
    assert not verify_package(other.public, signature, b"sums")
    assert not verify_package(signer.public, signature[:-1], b"sums")
    assert not verify_package(b"no key", signature, b"sums")


def test_openssl_judges_as_we_do_and_names_the_key_alike(tmp_path):
    signer = PackageSigner.at(tmp_path / "key.pem")
    for name, content in (("sums", b"sums"), ("sig", signer.sign(b"sums")), ("public.pem", signer.public)):
        (tmp_path / name).write_bytes(content)
    verify = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "sig", "sums"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=True).stdout == b"Verified OK\n"
    (tmp_path / "sums").write_bytes(b"sumz")
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode != 0
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", "public.pem", "-outform", "DER"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    hashed = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der.stdout, capture_output=True, check=True)
    assert hashed.stdout.split()[0].decode() == key_fingerprint(signer.public)


def test_another_file_is_no_signing_key(tmp_path):
    SigningKey.generate(tmp_path / "other")
    (tmp_path / "text").write_text("no key")
    for name in ("other", "text"):
        with pytest.raises(Misconfigured):
            PackageSigner.at(tmp_path / name)
