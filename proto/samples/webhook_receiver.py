"""A CAD system's webhook: takes signed messages (Standard Webhooks 1.0) and nothing else.

    WEBHOOK_SECRET=whsec_... python webhook_receiver.py PORT

Only the standard library. Put it behind a server that speaks TLS; keep the ids that were seen in a database.
"""

import base64
import hmac
import json
import os
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

TOLERANCE_S = 300
LARGEST = 1_000_000
SEEN = set()


def genuine(secret, headers, body, now):
    """Whether a message was signed with the secret, within five minutes of now."""
    name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not sent.isdigit() or abs(now - int(sent)) > TOLERANCE_S:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.digest(key, f"{name}.{sent}.".encode() + body, "sha256")
    for part in headers.get("webhook-signature", "").split(" "):  # two while a secret is being replaced
        version, _, signature = part.partition(",")
        if version == "v1" and hmac.compare_digest(base64.b64encode(expected), signature.encode()):
            return True
    return False


def image(secret, url):
    """Fetch an image of a message by its link, within its 15 minutes: the request is signed as the messages are."""
    target = urlsplit(url)._replace(scheme="", netloc="").geturl()
    name, sent = secrets.token_hex(16), str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"{name}.{sent}.{target}".encode(), "sha256")
    headers = {
        "webhook-id": name,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
    with urlopen(Request(url, headers=headers), timeout=10) as answer:
        return answer.read()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(min(length, LARGEST))
        if length > LARGEST or not genuine(os.environ["WEBHOOK_SECRET"], self.headers, body, time.time()):
            self.answer(401)
            return
        event = json.loads(body)
        if event["id"] not in SEEN:  # delivery is at least once
            SEEN.add(event["id"])
            data = event["data"]
            print(data["cap"]["msgType"], data["incident_id"], data["revision"], data["update_no"], flush=True)
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
