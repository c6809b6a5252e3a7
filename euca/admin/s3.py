"""A small S3 client for the administrator's commands: buckets and uploads, HMAC signatures."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from pathlib import Path

from attrs import frozen

from euca.admin.ec2 import LIMIT, Refused
from euca.auth.rest import sign_hmac
from euca.store.accounts import AccessKey

OK = (200, 204)
CONFLICT = 409


@frozen
class S3:
    """The S3 endpoint of a cloud, used with one access key."""

    url: str
    key: AccessKey

    def make_bucket(self, bucket: str) -> None:
        """Make a bucket, unless the caller has it already; raises Refused."""
        status, body = self._send("PUT", bucket, None)
        mine = status == CONFLICT and b"BucketAlreadyOwnedByYou" in body
        if status not in OK and not mine:
            raise Refused(f"bucket {bucket}: HTTP {status} {body[:300].decode(errors='replace')}")

    def upload(self, bucket: str, path: Path) -> None:
        """Store a file under its name, readable by nodes that start instances; raises Refused."""
        status, body = self._send("PUT", f"{bucket}/{path.name}", path)
        if status not in OK:
            raise Refused(f"{path.name}: HTTP {status} {body[:300].decode(errors='replace')}")

    def _send(self, method: str, what: str, path: Path | None) -> tuple[int, bytes]:
        parts = urllib.parse.urlsplit(self.url)
        target = f"{parts.path}/{urllib.parse.quote(what)}"
        headers = {"x-amz-acl": "aws-exec-read"} if path else {}
        headers["Content-Length"] = str(path.stat().st_size if path else 0)
        signed = sign_hmac(
            self.key.identifier,
            self.key.secret,
            method,
            target,
            headers=headers,
            now=time.time(),
        )
        connection = http.client.HTTPConnection(parts.netloc, timeout=LIMIT)
        try:
            body = path.open("rb") if path else None
            connection.request(method, target, body=body, headers=signed)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(f"{self.url} does not answer: {error}") from error
        finally:
            connection.close()
            if path and body:
                body.close()
