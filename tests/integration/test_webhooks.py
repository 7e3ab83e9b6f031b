"""One message to one endpoint over TLS: whose certificate counts, and that exactly the address that was judged is called."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alpr_console.webhooks import Webhooks
from alprcore.errors import Misconfigured


def certificate(folder, name):
    """A certificate for one name that nobody but its own file vouches for; answers the file of key and certificate."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def cad(tmp_path):
    """A receiver with a certificate for cad.test, on this machine: its port, what it got, its authority's file."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # it keeps connections, as a proxy does

        def do_POST(self):
            got.append((self.headers["host"], self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    file = certificate(tmp_path, "cad.test")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, got, file
    server.shutdown()
    server.server_close()


def post(url, authorities, answers, opens=lambda _: True, **how):
    """Post once, with names that mean what `answers` says, one answer for each time somebody asks."""

    async def run():
        asked = iter(answers)

        async def lookup(_host, port, **_):
            address = next(asked)
            if address is None:
                raise socket.gaierror
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in address.split(" ")]

        asyncio.get_running_loop().getaddrinfo = lookup
        sender = Webhooks(opens, authorities, **how)
        try:
            return await sender.post(url, {"webhook-id": "m-1"}, b"{}")
        finally:
            await sender.close()

    return asyncio.run(run())


def test_a_named_receiver_is_called_at_the_judged_address_by_its_own_name(cad):
    port, got, file = cad
    judged = []

    def opens(address):
        judged.append(str(address))
        return True

    answered = post(f"https://cad.test:{port}/hits?x=1", file, ["127.0.0.1"], opens)
    assert answered.taken, answered
    assert judged == ["127.0.0.1"]
    assert got == [(f"cad.test:{port}", b"{}")]


@pytest.mark.parametrize("url", ["https://other.test:{port}/", "https://cad.test:{port}/"])
def test_a_certificate_for_another_name_or_of_nobody_known_is_refused(cad, url):
    port, got, file = cad
    answered = post(url.format(port=port), file if "other" in url else None, ["127.0.0.1"])
    assert (answered.taken, got) == (False, [])
    assert answered.reason.startswith("no answer")


def test_no_message_travels_over_the_connection_of_another_name(cad):
    """Two names at one address, as behind a shared proxy: the second one's certificate is looked at, too."""
    port, got, file = cad

    async def run():
        async def lookup(_host, port, **_):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        asyncio.get_running_loop().getaddrinfo = lookup
        sender = Webhooks(lambda _: True, file)
        try:
            return [await sender.post(f"https://{name}.test:{port}/", {}, b"{}") for name in ("cad", "other", "cad")]
        finally:
            await sender.close()

    assert [one.taken for one in asyncio.run(run())] == [True, False, True]
    assert [host for host, _ in got] == [f"cad.test:{port}"] * 2


def test_a_name_that_means_another_address_a_moment_later_leads_nowhere_else(cad):
    port, got, file = cad
    inside = ipaddress.ip_network("127.0.0.0/8")
    answered = post(f"https://cad.test:{port}/", file, ["127.0.0.1", "169.254.169.254"], lambda one: one in inside)
    assert answered.taken
    assert len(got) == 1


@pytest.mark.parametrize("answer", ["169.254.169.254", "127.0.0.1 169.254.169.254"])
def test_one_forbidden_address_is_enough(cad, answer):
    port, got, file = cad
    inside = ipaddress.ip_network("127.0.0.0/8")
    answered = post(f"https://cad.test:{port}/", file, [answer], lambda one: one in inside)
    assert (answered.taken, answered.reason, got) == (False, "address not allowed", [])


def test_a_name_that_nobody_knows(cad):
    port, _, file = cad
    assert post(f"https://cad.test:{port}/", file, [None]).reason == "the name is not known"


def test_a_receiver_that_never_answers_is_left():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://cad.test:{silent.getsockname()[1]}/"
        answered = post(url, None, ["127.0.0.1"], patience_s=0.3)
    assert answered.reason == "no answer within 0.3 s"


def test_a_file_without_certificates_is_a_wrong_setting(tmp_path):
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(Misconfigured):
        Webhooks(lambda _: True, tmp_path / "none.pem")
