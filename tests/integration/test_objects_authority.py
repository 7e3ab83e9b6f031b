"""An object store whose certificate a county's own authority signed: believed when the file says so, else not."""

import os
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.fixtures.certificates import Certificates

PUT = """
import asyncio, os
from alprcore.errors import Transient
from alprcore.objects import ImageStore
try:
    asyncio.run(ImageStore("s3://plateline/images").put("closeup/one", b"sealed"))
except Transient:
    os._exit(69)
os._exit(0)  # a thread of the store that is still at work when an interpreter ends aborts it
"""


class Shelf(BaseHTTPRequestHandler):
    """As much of S3 as one put needs."""

    kept: dict[str, bytes]

    def do_PUT(self):
        self.kept[self.path.partition("?")[0]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def store(tmp_path):
    authority = Certificates(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Kept", (Shelf,), {"kept": {}}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.server_cert, authority.server_key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, authority
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.parametrize("believed", [True, False])
def test_the_named_authority_is_believed_and_no_other(store, believed):
    server, authority = store
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {
        "AWS_ENDPOINT_URL": f"https://localhost:{server.server_port}", "AWS_REGION": "us-west-1",
        "AWS_ACCESS_KEY_ID": "synthetic", "AWS_SECRET_ACCESS_KEY": "synthetic",
    }  # fmt: skip
    environment.pop("SSL_CERT_FILE", None)
    if believed:
        environment["SSL_CERT_FILE"] = str(authority.ca)
    done = subprocess.run([sys.executable, "-c", PUT], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == (0 if believed else 69), done.stderr
    assert server.RequestHandlerClass.kept == ({"/plateline/images/closeup/one": b"sealed"} if believed else {})
