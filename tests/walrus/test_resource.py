"""Tests for the REST interface of Walrus, from bytes on a connection to bytes on a connection."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

from twisted.internet.error import ConnectionLost
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from euca.auth.keyring import new_identity
from euca.auth.rest import sign_hmac
from euca.walrus.callers import Callers
from tests.walrus.cloud import CLOUD, NOW, PREFIX, WHEN, Cloud, head


class Case(SynchronousTestCase):
    """A Walrus with ada's bucket."""

    def setUp(self) -> None:
        """Start a Walrus."""
        folder = Path(self.mktemp())
        folder.mkdir(parents=True)
        self.cloud = Cloud(folder)
        self.cloud.start()
        self.ask = self.cloud.ask
        self.assertEqual(self.ask("PUT", "/bucket").status, 200)


class BucketTests(Case):
    """Behaviour of buckets."""

    def test_list_buckets(self) -> None:
        """A user sees their own buckets, by name, and their access key as their ID."""
        self.ask("PUT", "/another")
        self.ask("PUT", "/bobs", user="bob")
        reply = self.ask("GET", "/")
        self.assertEqual(reply.texts("Buckets/Bucket/Name"), ["another", "bucket"])
        self.assertEqual(reply.texts("Owner/ID"), ["AKIADA"])
        self.assertEqual(reply.headers["content-type"], "application/xml")

    def test_prefix_without_case(self) -> None:
        """The prefix of the service is matched without case."""
        target = "/services/walrus/bucket"
        headers = sign_hmac("AKIADA", "ada-secret", "GET", target, headers={}, now=NOW)
        self.assertEqual(self.cloud.send("GET", target, headers).status, 200)

    def test_names(self) -> None:
        """Names that could be a path or an address are refused."""
        for name in ("..", "a", ".incoming", "%2e%2e", "a%2Fb", "10.0.0.1", "b" * 256):
            self.assertEqual(self.ask("PUT", f"/{name}").code, "InvalidBucketName", name)

    def test_taken(self) -> None:
        """A name that is taken tells by whom."""
        self.assertEqual(self.ask("PUT", "/bucket").code, "BucketAlreadyOwnedByYou")
        reply = self.ask("PUT", "/bucket", user="bob")
        self.assertEqual((reply.status, reply.code), (409, "BucketAlreadyExists"))

    def test_delete(self) -> None:
        """A bucket is deleted by its owner when it is empty."""
        self.ask("PUT", "/bucket/key", b"x")
        self.assertEqual(self.ask("DELETE", "/bucket").code, "BucketNotEmpty")
        self.ask("DELETE", "/bucket/key")
        self.assertEqual(self.ask("DELETE", "/bucket", user="bob").code, "AccessDenied")
        self.assertEqual(self.ask("DELETE", "/bucket").status, 204)
        self.assertEqual(self.ask("DELETE", "/bucket").code, "NoSuchBucket")

    def test_head(self) -> None:
        """HEAD tells whether a bucket is there and may be read, without a body."""
        statuses = [
            self.ask("HEAD", "/bucket").status,
            self.ask("HEAD", "/bucket", user="bob").status,
            self.ask("HEAD", "/none").status,
        ]
        self.assertEqual(statuses, [200, 403, 404])
        self.assertEqual(self.ask("HEAD", "/none").body, b"")

    def test_location(self) -> None:
        """The location is kept."""
        body = b"<CreateBucketConfiguration><LocationConstraint>EU</LocationConstraint>"
        self.ask("PUT", "/eu-bucket", body + b"</CreateBucketConfiguration>")
        self.assertEqual(self.ask("GET", "/eu-bucket?location").xml.text, "EU")
        self.assertEqual(self.ask("GET", "/bucket?location").xml.text, "US")

    def test_malformed_location(self) -> None:
        """XML that is none, or another document, makes no bucket."""
        for body in (b"<", b"<Other/>", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"):
            self.assertEqual(self.ask("PUT", "/other", body).code, "MalformedXML")
        self.assertEqual(self.ask("HEAD", "/other").status, 404)

    def test_acl(self) -> None:
        """The owner sees the owner and the grants of a canned list; another does not."""
        self.ask("PUT", "/open", x_amz_acl="public-read")
        reply = self.ask("GET", "/open?acl")
        self.assertEqual(reply.texts("Owner/DisplayName"), ["ada"])
        permissions = reply.texts("AccessControlList/Grant/Permission")
        self.assertEqual(permissions, ["FULL_CONTROL", "READ"])
        self.assertEqual(self.ask("GET", "/open?acl", user="bob").code, "AccessDenied")

    def test_unknown_acl(self) -> None:
        """An unknown canned list is refused."""
        self.assertEqual(self.ask("PUT", "/open", x_amz_acl="all").code, "InvalidArgument")

    def test_listing(self) -> None:
        """A listing has keys, sizes and quoted ETags, and its page tells that more follows."""
        for key in ("b", "a", "c"):
            self.ask("PUT", f"/bucket/{key}", key.encode())
        reply = self.ask("GET", "/bucket?max-keys=2")
        self.assertEqual(reply.texts("Contents/Key"), ["a", "b"])
        self.assertEqual(reply.texts("IsTruncated"), ["true"])
        etag = hashlib.md5(b"a").hexdigest()
        self.assertEqual(reply.texts("Contents/ETag")[0], f'"{etag}"')
        self.assertEqual(self.ask("GET", "/bucket?marker=b").texts("Contents/Key"), ["c"])

    def test_listing_of_strange_keys(self) -> None:
        """A key that XML cannot hold is listed percent-encoded to who asks for that."""
        self.ask("PUT", "/bucket/a%01b", b"")
        reply = self.ask("GET", "/bucket?encoding-type=url")
        self.assertEqual(reply.texts("Contents/Key"), ["a%01b"])

    def test_max_keys(self) -> None:
        """What is no number of keys is refused; none gives none."""
        for text in ("-1", "x", ""):
            self.assertEqual(self.ask("GET", f"/bucket?max-keys={text}").code, "InvalidArgument")
        self.assertEqual(self.ask("GET", "/bucket?max-keys=0").texts("IsTruncated"), ["false"])

    def test_not_built(self) -> None:
        """What is not built says so with 501."""
        for method, target in (
            ("GET", "/bucket?versioning"),
            ("PUT", "/bucket?acl"),
            ("POST", "/bucket"),
            ("GET", "/bucket?list-type=2"),
            ("POST", "/bucket/key?uploads"),
            ("GET", "/bucket/key?torrent"),
        ):
            reply = self.ask(method, target)
            self.assertEqual((reply.status, reply.code), (501, "NotImplemented"), target)


class ObjectTests(Case):
    """Behaviour of objects."""

    def test_put_and_get(self) -> None:
        """An object comes back as it was put, with its type and its metadata."""
        put = self.ask("PUT", "/bucket/k", b"hello", Content_Type="text/x", x_amz_meta_A="1")
        reply = self.ask("GET", "/bucket/k")
        self.assertEqual(reply.body, b"hello")
        self.assertEqual(reply.headers["content-type"], "text/x")
        self.assertEqual(reply.headers["x-amz-meta-a"], "1")
        self.assertEqual(reply.headers["etag"], put.headers["etag"])
        self.assertEqual(reply.headers["etag"], f'"{hashlib.md5(b"hello").hexdigest()}"')
        self.assertEqual(reply.headers["last-modified"], "Wed, 17 Nov 2010 13:20:00 GMT")

    def test_exact_keys(self) -> None:
        """Keys are kept exactly: slashes, dots, spaces, plus signs and other alphabets."""
        for number, key in enumerate(("a//b", "dir/", "../../x", "a%20b", "a+b", "%C3%BC~", "/")):
            self.ask("PUT", f"/bucket/{key}", str(number).encode())
            self.assertEqual(self.ask("GET", f"/bucket/{key}").body, str(number).encode())
        self.assertEqual(len(self.ask("GET", "/bucket").texts("Contents/Key")), 7)

    def test_bad_keys(self) -> None:
        """Keys that are not UTF-8, have a NUL or are too long are refused."""
        self.assertEqual(self.ask("PUT", "/bucket/%ff", b"").code, "InvalidURI")
        self.assertEqual(self.ask("PUT", "/bucket/a%00", b"").code, "InvalidURI")
        self.assertEqual(self.ask("PUT", f"/bucket/{'k' * 1025}", b"").code, "KeyTooLongError")

    def test_head(self) -> None:
        """HEAD has the size and no body."""
        self.ask("PUT", "/bucket/k", b"hello")
        reply = self.ask("HEAD", "/bucket/k")
        self.assertEqual((reply.headers["content-length"], reply.body), ("5", b""))

    def test_empty(self) -> None:
        """An empty object is one."""
        self.ask("PUT", "/bucket/k")
        reply = self.ask("GET", "/bucket/k")
        self.assertEqual((reply.status, reply.headers["content-length"]), (200, "0"))

    def test_overwrite(self) -> None:
        """A later object takes the place of the earlier, of which no file stays."""
        self.ask("PUT", "/bucket/k", b"old")
        self.ask("PUT", "/bucket/k", b"new")
        self.assertEqual(self.ask("GET", "/bucket/k").body, b"new")
        self.assertEqual(len(self.cloud.paths()), 1)

    def test_delete(self) -> None:
        """A deleted object is gone with its file; deleting what is not there succeeds."""
        self.ask("PUT", "/bucket/k", b"x")
        self.assertEqual(self.ask("DELETE", "/bucket/k").status, 204)
        self.assertEqual(self.ask("GET", "/bucket/k").code, "NoSuchKey")
        self.assertEqual(self.ask("DELETE", "/bucket/k").status, 204)
        self.assertEqual(self.cloud.paths(), [])

    def test_content_md5(self) -> None:
        """A body that does not have the Content-MD5 sent changes nothing."""
        self.ask("PUT", "/bucket/k", b"old")
        wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        reply = self.ask("PUT", "/bucket/k", b"new", Content_MD5=wrong)
        self.assertEqual((reply.status, reply.code), (400, "BadDigest"))
        self.assertEqual(self.ask("GET", "/bucket/k").body, b"old")
        self.assertEqual(len(self.cloud.paths()), 1)
        right = base64.b64encode(hashlib.md5(b"new").digest()).decode()
        self.assertEqual(self.ask("PUT", "/bucket/k", b"new", Content_MD5=right).status, 200)

    def test_malformed_content_md5(self) -> None:
        """A Content-MD5 that is no digest is refused before anything is written."""
        for text in ("x", "!", "AAAA"):
            reply = self.ask("PUT", "/bucket/k", b"new", Content_MD5=text)
            self.assertEqual(reply.code, "InvalidDigest")

    def test_crc32(self) -> None:
        """A checksum as today's clients send is checked."""
        reply = self.ask("PUT", "/bucket/k", b"123456789", x_amz_checksum_crc32="y/Q5Jg==")
        self.assertEqual(reply.status, 200)
        reply = self.ask("PUT", "/bucket/k", b"123456780", x_amz_checksum_crc32="y/Q5Jg==")
        self.assertEqual(reply.code, "BadDigest")

    def test_acl(self) -> None:
        """What a canned list allows decides for strangers and for users."""
        self.ask("PUT", "/bucket/mine", b"x")
        self.ask("PUT", "/bucket/image", b"x", x_amz_acl="aws-exec-read")
        self.ask("PUT", "/bucket/users", b"x", x_amz_acl="authenticated-read")
        self.ask("PUT", "/bucket/all", b"x", x_amz_acl="public-read")
        seen = {
            user: [
                self.ask("GET", f"/bucket/{key}", user=user).status
                for key in ("mine", "image", "users", "all")
            ]
            for user in ("ada", "bob", "admin", None)
        }
        self.assertEqual(
            seen,
            {
                "ada": [200, 200, 200, 200],
                "bob": [403, 403, 200, 200],
                "admin": [200, 200, 200, 200],
                None: [403, 403, 403, 200],
            },
        )

    def test_writing_needs_the_bucket(self) -> None:
        """Who may not write to a bucket neither puts nor deletes."""
        self.ask("PUT", "/bucket/k", b"x", x_amz_acl="public-read-write")
        self.assertEqual(self.ask("PUT", "/bucket/k", b"y", user="bob").code, "AccessDenied")
        self.assertEqual(self.ask("DELETE", "/bucket/k", user="bob").code, "AccessDenied")
        self.assertEqual(self.ask("GET", "/bucket/k").body, b"x")

    def test_object_acl(self) -> None:
        """An object's ACL names its owner."""
        self.ask("PUT", "/bucket/k", b"x")
        reply = self.ask("GET", "/bucket/k?acl")
        self.assertEqual(reply.texts("Owner/DisplayName"), ["ada"])

    def test_no_length(self) -> None:
        """A body of unknown end is not taken for an empty one."""
        target = f"{PREFIX}/bucket/k"
        signed = sign_hmac("AKIADA", "ada-secret", "PUT", target, headers={}, now=NOW)
        wire = self.cloud.connection()
        wire.send(head("PUT", target, signed))
        self.assertEqual((wire.reply().status, wire.reply().code), (411, "MissingContentLength"))

    def test_bucket_gone_meanwhile(self) -> None:
        """An upload into a bucket that was deleted meanwhile leaves nothing."""
        target = f"{PREFIX}/bucket/k"
        sent = {"Content-Length": "2"}
        signed = sign_hmac("AKIADA", "ada-secret", "PUT", target, headers=sent, now=NOW)
        wire = self.cloud.connection()
        wire.send(head("PUT", target, signed) + b"a")
        self.ask("DELETE", "/bucket")
        wire.send(b"b")
        self.assertEqual(wire.reply().code, "NoSuchBucket")
        self.assertEqual(self.cloud.paths(), [])

    def test_unknown_wishes(self) -> None:
        """A header that asks for what is not built is refused, not ignored."""
        for name in ("x_amz_grant_read", "x_amz_checksum_sha256", "x_amz_tagging"):
            self.assertEqual(self.ask("PUT", "/bucket/k", b"x", **{name: "x"}).status, 501)

    def test_not_built(self) -> None:
        """Copies, ranges and conditions are refused rather than ignored."""
        self.ask("PUT", "/bucket/k", b"x")
        copy = self.ask("PUT", "/bucket/c", x_amz_copy_source="/bucket/k")
        part = self.ask("GET", "/bucket/k", Range="bytes=0-0")
        condition = self.ask("GET", "/bucket/k", If_None_Match="*")
        self.assertEqual([copy.status, part.status, condition.status], [501, 501, 501])


class UploadTests(Case):
    """Behaviour of uploads that arrive slowly, break off, or are refused."""

    def signed(self, secret: str = "ada-secret", **headers: str) -> bytes:
        """Return the head of a signed PUT."""
        target = f"{PREFIX}/bucket/k"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        signed = sign_hmac("AKIADA", secret, "PUT", target, headers=sent, now=NOW)
        return head("PUT", target, signed)

    def test_written_as_it_arrives(self) -> None:
        """What has arrived of a body is in a file while the rest is on its way."""
        wire = self.cloud.connection()
        wire.send(self.signed(Content_Length="10") + b"hello")
        (path,) = self.cloud.paths()
        self.assertTrue(path.startswith(".incoming/"))
        wire.send(b"world")
        self.assertEqual(wire.reply().status, 200)
        self.assertEqual(self.ask("GET", "/bucket/k").body, b"helloworld")

    def test_broken_off(self) -> None:
        """An upload that breaks off leaves nothing and changes nothing."""
        self.ask("PUT", "/bucket/k", b"old")
        wire = self.cloud.connection()
        wire.send(self.signed(Content_Length="10") + b"hello")
        wire.protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(len(self.cloud.paths()), 1)
        self.assertEqual(self.ask("GET", "/bucket/k").body, b"old")

    def test_chunked(self) -> None:
        """A chunked body is taken."""
        wire = self.cloud.connection()
        wire.send(self.signed(Transfer_Encoding="chunked") + b"5\r\nhello\r\n0\r\n\r\n")
        self.assertEqual(wire.reply().status, 200)
        self.assertEqual(self.ask("GET", "/bucket/k").body, b"hello")

    def test_expectation(self) -> None:
        """A client that waits is told to go on once its headers are accepted."""
        wire = self.cloud.connection()
        wire.send(self.signed(Expect="100-continue", Content_Length="5"))
        self.assertEqual(wire.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.transport.clear()
        wire.send(b"hello")
        self.assertEqual(wire.reply().status, 200)

    def test_refused_expectation(self) -> None:
        """A client that waits and is refused is never told to send its body."""
        wire = self.cloud.connection()
        wire.send(self.signed("wrong", Expect="100-continue", Content_Length="5"))
        self.assertEqual(wire.reply().code, "SignatureDoesNotMatch")
        self.assertTrue(wire.transport.disconnecting)
        self.assertEqual(self.cloud.paths(), [])

    def test_refused_body(self) -> None:
        """The body of a refused upload is dropped, and the connection serves on."""
        wire = self.cloud.connection()
        wire.send(self.signed("wrong", Content_Length="5") + b"hel")
        self.assertEqual(self.cloud.paths(), [])
        wire.send(b"lo")
        self.assertEqual(wire.reply().status, 403)
        wire.transport.clear()
        wire.send(self.signed(Content_Length="5") + b"hello")
        self.assertEqual(wire.reply().status, 200)

    def test_two_uploads_on_one_connection(self) -> None:
        """A second request may follow at once on the same connection."""
        wire = self.cloud.connection()
        upload = self.signed(Content_Length="5") + b"hello"
        wire.send(upload + upload)
        self.assertEqual(wire.transport.value().count(b"HTTP/1.1 200"), 2)


class CallerTests(Case):
    """Behaviour towards signatures."""

    def test_wrong_secret(self) -> None:
        """A wrong signature says why, and the log has the canonical string but no secret."""
        target = f"{PREFIX}/bucket"
        headers = sign_hmac("AKIADA", "wrong", "GET", target, headers={}, now=NOW)
        reply = self.cloud.send("GET", target, headers)
        self.assertEqual((reply.status, reply.code), (403, "SignatureDoesNotMatch"))
        self.assertEqual(reply.texts("Resource"), [target])

    def test_unknown_key(self) -> None:
        """An unknown access key is named."""
        headers = {"Authorization": "AWS AKINONE:x"}
        reply = self.cloud.send("GET", f"{PREFIX}/", headers)
        self.assertEqual(reply.code, "InvalidAccessKeyId")

    def test_signature_version_4(self) -> None:
        """A signature of another version is told to be another version."""
        headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}
        self.assertEqual(self.cloud.send("GET", f"{PREFIX}/", headers).status, 501)

    def test_query_form(self) -> None:
        """A signature in the URL opens what it was made for, until it expires."""
        self.ask("PUT", "/bucket/k", b"x")

        for expires, status in ((NOW + 10, 200), (NOW - 10, 403)):
            string = f"GET\n\n\n{expires}\n{PREFIX}/bucket/k".encode()
            digest = hmac.new(b"ada-secret", string, hashlib.sha1).digest()
            signature = base64.b64encode(digest).decode().replace("+", "%2B").replace("=", "%3D")
            query = f"AWSAccessKeyId=AKIADA&Expires={expires}&Signature={signature}"
            reply = self.cloud.send("GET", f"{PREFIX}/bucket/k?{query}", {})
            self.assertEqual(reply.status, status)

    def test_anonymous(self) -> None:
        """A stranger is refused as S3 refuses, and has no buckets."""
        for target in ("/", "/bucket", "/bucket/k"):
            reply = self.ask("GET", target, user=None)
            self.assertEqual(reply.code, "AccessDenied")

    def test_cloud_controller(self) -> None:
        """The cloud's own certificate reads as an administrator."""
        self.ask("PUT", "/bucket/k", b"x")
        reply = self.cloud.ask_as_component("/bucket/k", identity=CLOUD)
        self.assertEqual(reply.body, b"x")
        reply = self.cloud.ask_as_component("/bucket?acl", identity=CLOUD)
        self.assertEqual(reply.texts("Owner/DisplayName"), ["ada"])

    def test_stranger_with_certificate(self) -> None:
        """A certificate that does not lie among the keys opens nothing."""
        self.ask("PUT", "/bucket/k", b"x")
        stranger = new_identity("node", WHEN)
        reply = self.cloud.ask_as_component("/bucket/k", identity=stranger)
        self.assertEqual((reply.status, reply.code), (403, "AccessDenied"))

    def test_operation_of_a_user(self) -> None:
        """Only a component may name a component's operation."""
        reply = self.ask("GET", "/bucket/k", EucaOperation="GetDecryptedImage")
        self.assertEqual(reply.code, "AccessDenied")

    def test_unknown_operation(self) -> None:
        """A component's operation that is not built says so."""
        reply = self.cloud.ask_as_component("/bucket/k", "StoreSnapshot")
        self.assertEqual(reply.status, 501)

    def test_new_cluster(self) -> None:
        """The nodes of a cluster registered while Walrus runs are known at once."""
        self.ask("PUT", "/bucket/k", b"x")
        node = new_identity("node", WHEN)
        cluster = self.cloud.keys / "cluster2"
        cluster.mkdir()
        node.save(cluster / "node-cert.pem", cluster / "node-pk.pem")
        self.assertEqual(self.cloud.ask_as_component("/bucket/k", identity=node).status, 200)

    def test_logged(self) -> None:
        """The log of a refusal has the canonical string and not the secret."""
        with capturedLogs() as events:
            self.test_wrong_secret()
        (event,) = [
            event for event in events if event.get("log_namespace") == Callers.log.namespace
        ]
        self.assertIn(f"{PREFIX}/bucket", event["canonical"])
        self.assertNotIn("ada-secret", repr(event))
