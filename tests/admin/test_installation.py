"""Tests of `euca.admin.installation`: what is made before anything runs."""

from __future__ import annotations

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.admin import installation
from euca.admin.__main__ import main, parser
from euca.auth.keyring import Certificate, Identity
from euca.clc import registry
from euca.config import Configuration
from euca.store import accounts


class InitTests(SynchronousTestCase):
    """The command `init` makes an installation, and nothing twice."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp()).resolve()
        self.node = self.root / "nodes/n1"
        self.root.mkdir()
        self.configuration = Configuration(
            self.root / "eucalyptus.conf", self.root, {"LISTEN": "127.0.0.9", "CC_PORT": "9774"}
        )

    def init(self) -> None:
        """Run the command, whose progress nobody wants to see."""
        options = parser().parse_args(["init", "--node-root", str(self.node)])
        with redirect_stdout(StringIO()):
            options.run(self.configuration, options)

    def files(self) -> dict[Path, bytes]:
        """Return everything that was made, but for the database."""
        paths = (path for path in self.root.rglob("*.pem") if path.is_file())
        return {path: path.read_bytes() for path in paths}

    def credentials(self) -> installation.Credentials | None:
        database = installation.open_database(self.configuration)
        try:
            return installation.find_account(self.configuration, database, "admin")
        finally:
            database.stopService()

    def test_keys(self) -> None:
        """Each host has the keys that it needs, and no private key of another."""
        self.init()
        keys = {path.name for path in (self.root / "var/lib/eucalyptus/keys").iterdir()}
        node = {path.name for path in (self.node / "var/lib/eucalyptus/keys").iterdir()}
        cluster = {f"{who}-{what}.pem" for who in ("cluster", "node") for what in ("cert", "pk")}
        self.assertEqual(keys, {"cloud-cert.pem", "cloud-pk.pem", "cluster1"} | cluster)
        self.assertEqual(node, {"cloud-cert.pem"} | cluster - {"cluster-pk.pem"})

    def test_private(self) -> None:
        """Nobody else can read a private key."""
        self.init()
        modes = {path.stat().st_mode & 0o077 for path in self.root.rglob("*-pk.pem")}
        self.assertEqual(modes, {0})

    def test_repeated(self) -> None:
        """A second time changes no key and makes no second account."""
        self.init()
        before = (self.files(), self.credentials())
        self.init()
        self.assertEqual((self.files(), self.credentials()), before)

    def test_interrupted(self) -> None:
        """What an interruption left out is made the next time."""
        self.init()
        (self.node / "var/lib/eucalyptus/keys/node-pk.pem").unlink()
        self.init()
        keys = self.node / "var/lib/eucalyptus/keys"
        Identity.load(keys / "node-cert.pem", keys / "node-pk.pem")

    def test_account(self) -> None:
        """The administrator has an access key, and a certificate that the cloud knows."""
        self.init()
        found = self.credentials()
        assert found is not None
        database = installation.open_database(self.configuration)
        self.addCleanup(database.stopService)
        der = Certificate.load(found.certificate).der
        account = database.thd_transact(lambda tx: accounts.thd_account_by_certificate(tx, der))
        self.assertEqual((account, found.account.administrator), (found.account, True))

    def test_secrets(self) -> None:
        """The secret shows in no representation."""
        self.init()
        found = self.credentials()
        assert found is not None
        self.assertNotIn(found.access_key.secret, repr(found))

    def test_registered(self) -> None:
        """The cluster is registered where it will listen."""
        self.init()
        database = installation.open_database(self.configuration)
        self.addCleanup(database.stopService)
        found = database.thd_transact(registry.thd_clusters)
        self.assertEqual(
            [(one.name, one.host, one.port) for one in found], [("cluster1", "127.0.0.9", 9774)]
        )

    def test_no_configuration(self) -> None:
        """Without a configuration the exit status says that nothing could be done."""
        with redirect_stderr(StringIO()) as said:
            status = main(["--conf", str(self.root / "none.conf"), "init"])
        self.assertEqual((status, "none.conf" in said.getvalue()), (1, True))
