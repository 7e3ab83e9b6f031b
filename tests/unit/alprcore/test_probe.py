"""The images' health check asks a door in the clear and in TLS, and takes nothing but 200 for well."""

import contextlib
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from alprcore import probe
from tests.fixtures.certificates import Certificates


class Door(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self):
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Quiet(HTTPServer):
    def handle_error(self, *_):  # a caller that speaks plain words to a TLS door
        pass


@contextlib.contextmanager
def door(status, context=None):
    server = Quiet(("127.0.0.1", 0), type("Some", (Door,), {"status": status}))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False), (404, False)])
def test_a_service_is_well_when_it_says_so(status, well):
    with door(status) as port:
        assert probe.ready(port, 2) is well


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
def test_a_door_that_speaks_tls_is_asked_in_tls(status, well, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = Certificates(tmp_path)
    context.load_cert_chain(made.server_cert, made.server_key)
    with door(status, context) as port:
        assert probe.ready(port, 2) is well


def test_nobody_at_the_door_is_not_well():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert probe.ready(port, 0.5) is False


@pytest.mark.parametrize(("answer", "status"), [(True, 0), (False, 1)])
def test_the_exit_status_tells(answer, status):
    asked = []
    assert probe.main([], lambda port: asked.append(port) or answer) == status
    assert probe.main(["9090"], lambda port: asked.append(port) or answer) == status
    assert asked == [probe.PORT, 9090]
