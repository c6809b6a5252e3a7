"""Tests of the administrator's EC2 and S3 clients against a server on loopback."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs

from twisted.trial.unittest import SynchronousTestCase

from euca.admin.ec2 import Ec2, Refused
from euca.admin.s3 import S3
from tests.admin.clouds import KEY

ERROR = b"""<Response><Errors><Error><Code>InvalidAMIID.NotFound</Code>
<Message>no image emi-9</Message></Error></Errors></Response>"""


class Server(HTTPServer):
    """Answers one request after the other with what it was given, and remembers them."""

    status = 200
    answer = b"<r xmlns='http://x/'><a>1</a></r>"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Recorder)
        self.seen: list[tuple[str, str, bytes]] = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        """The URL of the endpoint."""
        return f"http://127.0.0.1:{self.server_port}/services/X"

    def stop(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()
        self.thread.join()


class Recorder(BaseHTTPRequestHandler):
    """One request to a server."""

    server: Server

    def answer(self) -> None:
        """Remember the request, and answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    do_POST = do_PUT = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class ClientTests(SynchronousTestCase):
    """Requests are signed, and refusals understood."""

    def setUp(self) -> None:
        self.server = Server()
        self.addCleanup(self.server.stop)
        self.ec2, self.s3 = Ec2(self.server.url, KEY), S3(self.server.url, KEY)

    def refuse(self, status: int, body: bytes) -> None:
        self.server.status, self.server.answer = status, body

    def test_call(self) -> None:
        """A call carries the action, the key's name and a signature, and never the secret."""
        self.assertEqual(self.ec2.call("DescribeImages", Owner="self").text("a"), "1")
        ((method, path, body),) = self.server.seen
        sent = parse_qs(body.decode())
        self.assertEqual(
            (method, path, sent["Action"]), ("POST", "/services/X", ["DescribeImages"])
        )
        self.assertLessEqual({"AWSAccessKeyId", "Signature", "Owner"}, sent.keys())
        self.assertNotIn(KEY.secret.encode(), body)

    def test_refused(self) -> None:
        """A refusal carries the code and the message of the cloud."""
        self.refuse(400, ERROR)
        caught = self.assertRaises(Refused, self.ec2.call, "RunInstances")
        self.assertEqual(caught.code, "InvalidAMIID.NotFound")
        self.assertIn("no image emi-9", str(caught))

    def test_not_xml(self) -> None:
        """An answer that is no XML is shown as it is."""
        self.refuse(502, b"bad gateway")
        caught = self.assertRaises(Refused, self.ec2.call, "RunInstances")
        self.assertIn("HTTP 502: bad gateway", str(caught))

    def test_silence(self) -> None:
        """Where nobody answers, the URL is named."""
        caught = self.assertRaises(Refused, Ec2("http://127.0.0.1:1/x", KEY).call, "A")
        self.assertIn("http://127.0.0.1:1/x does not answer", str(caught))

    def test_upload(self) -> None:
        """A file is stored under its name."""
        path = Path(self.mktemp())
        path.write_bytes(b"content")
        self.s3.upload("bucket", path)
        self.assertEqual(self.server.seen, [("PUT", f"/services/X/bucket/{path.name}", b"content")])

    def test_bucket_is_mine(self) -> None:
        """A bucket that the caller has already is as good as made."""
        self.refuse(409, b"<Error><Code>BucketAlreadyOwnedByYou</Code></Error>")
        self.s3.make_bucket("bucket")
        self.assertEqual(len(self.server.seen), 1)

    def test_bucket_is_not_mine(self) -> None:
        """A bucket of somebody else is refused."""
        self.refuse(409, b"<Error><Code>BucketAlreadyExists</Code></Error>")
        self.assertRaises(Refused, self.s3.make_bucket, "bucket")
