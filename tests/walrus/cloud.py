"""A Walrus in memory for tests: real database and files, an HTTP connection without a port."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen
from lxml import etree
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.server import Site

from euca.auth.keyring import Identity, new_identity
from euca.auth.rest import sign_euca, sign_hmac
from euca.store import accounts
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.threads import Immediate, Offload
from euca.walrus.api import Walrus
from euca.walrus.callers import Callers
from euca.walrus.files import Files
from euca.walrus.images import Images
from euca.walrus.resource import WalrusResource
from euca.walrus.service import SCHEMAS, Store, mounted
from euca.wire.mount import Tree
from euca.wire.streaming import StreamingRequest

NOW = 1_290_000_000
WHEN = datetime.fromtimestamp(NOW, UTC)
CLOUD = new_identity("eucalyptus", WHEN)
NODE = new_identity("node", WHEN)
USER = new_identity("ada", WHEN)
PREFIX = "/services/Walrus"


@frozen
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def xml(self) -> etree._Element:
        """The body as XML."""
        return etree.fromstring(self.body)

    def texts(self, path: str) -> list[str]:
        """Return the texts of the elements at a path of local names."""
        found = self.xml.findall("/".join("{*}" + name for name in path.split("/")))
        return [element.text or "" for element in found]

    @property
    def code(self) -> str | None:
        """The code of an S3 error."""
        return self.xml.findtext("Code")


class Cloud:
    """One Walrus with the users ada, bob and admin, and a node."""

    def __init__(self, folder: Path, threads: Offload | None = None, limit: int = 1 << 30) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        if not self.keys.exists():
            (self.keys / "cluster1").mkdir(parents=True)
            CLOUD.save(self.keys / "cloud-cert.pem", self.keys / "cloud-pk.pem")
            cluster = self.keys / "cluster1"
            NODE.save(cluster / "node-cert.pem", cluster / "node-pk.pem")
        threads = threads or Immediate()
        self.database = Database(f"sqlite:///{folder}/euca.db", SCHEMAS, Immediate())
        names = itertools.count()
        self.files = Files(folder / "bukkits", lambda: f"file-{id(self)}-{next(names)}")
        self.store = Store(self.database, self.files)
        self.images = Images(
            database=self.database,
            files=self.files,
            threads=threads,
            identity=CLOUD,
            limit=limit,
            now=lambda: NOW,
        )
        self.walrus = Walrus(
            database=self.database,
            files=self.files,
            images=self.images,
            threads=threads,
            now=lambda: NOW,
        )
        callers = Callers(self.database, self.keys, Immediate(), lambda: NOW)
        resource = WalrusResource(self.walrus, callers, threads)
        self.site = Site(
            Tree([mounted(resource, self.store)]), requestFactory=StreamingRequest, reactor=Clock()
        )

    def start(self) -> None:
        """Start, and add the users where there are none yet."""
        self.store.startService()
        self.images.startService()
        self.database.thd_transact(thd_add_users)

    def connection(self) -> Wire:
        """Return a new connection."""
        return Wire(self.site)

    def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        user: str | None = "ada",
        **headers: str,
    ) -> Reply:
        """Return the answer to a request; `_` in a header's name stands for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if user is not None:
            key = f"AKI{user.upper()}"
            sent = sign_hmac(key, f"{user}-secret", method, PREFIX + target, headers=sent, now=NOW)
        return self.send(method, PREFIX + target, sent, body)

    def ask_as_component(
        self, target: str, operation: str | None = None, identity: Identity = NODE
    ) -> Reply:
        """Return the answer to a request signed with EucaRSA."""
        sent = sign_euca(identity, "GET", PREFIX + target, NOW, operation)
        return self.send("GET", PREFIX + target, sent)

    def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Return the answer to a request with exactly these headers."""
        connection = self.connection()
        connection.send(head(method, target, {**headers, "Content-Length": str(len(body))}) + body)
        return connection.reply()

    def paths(self) -> list[str]:
        """Return the files that lie there."""
        root = self.folder / "bukkits"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


class Wire:
    """An HTTP connection to a site."""

    def __init__(self, site: Site) -> None:
        self.transport = StringTransport()
        self.protocol = site.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        """Send bytes, in pieces as a network would."""
        for start in range(0, len(data), 1 << 16):
            self.protocol.dataReceived(data[start : start + (1 << 16)])

    def reply(self) -> Reply:
        """Return the answer that has arrived."""
        return parsed(self.transport.value())


def head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: walrus"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def parsed(data: bytes) -> Reply:
    """Return the answer in the bytes of a connection."""
    top, _, body = data.partition(b"\r\n\r\n")
    status, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return Reply(int(status.split()[1]), headers, body)


def unchunked(data: bytes) -> bytes:
    """Return the content of a chunked body."""
    content = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        content, data = content + data[:length], data[length + 2 :]
        if length == 0:
            break
    return content


def thd_add_users(tx: Connection) -> None:
    """Add ada, bob and admin; ada has a certificate."""
    if accounts.thd_account(tx, "ada") is not None:
        return
    for number, name in enumerate(("ada", "bob", "admin")):
        account = accounts.Account(name, f"{number:012}", administrator=name == "admin")
        accounts.thd_add_account(tx, account)
        key = accounts.AccessKey(f"AKI{name.upper()}", f"{name}-secret", name)
        accounts.thd_add_access_key(tx, key)
    accounts.thd_add_certificate(tx, "ada", USER.certificate.der)
