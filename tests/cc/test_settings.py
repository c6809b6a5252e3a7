"""What the configuration says, and what it must not say."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.cc.node_list import NodeList
from euca.cc.plan import Limits
from euca.cc.schedule import Policy
from euca.cc.settings import Settings, service_tags
from euca.config import Configuration, ConfigurationError


class SettingsTests(SynchronousTestCase):
    """Settings."""

    def configured(self, *lines: str) -> Configuration:
        """Return a configuration of those lines."""
        self.path = Path(self.mktemp())
        self.path.write_text("\n".join(lines), encoding="utf-8")
        return Configuration.read(self.path)

    def test_defaults(self) -> None:
        """Nothing need be said."""
        settings = Settings.of(self.configured())
        self.assertEqual((settings.port, settings.policy), (8774, Policy.GREEDY))
        self.assertEqual((settings.poll_period, settings.limits), (6, Limits(300, 300)))
        self.assertEqual(settings.network.name, "SYSTEM")
        self.assertTrue(settings.database_url.endswith("/CC/cc.db"))

    def test_lower_limits(self) -> None:
        """Periods have lower limits, which garbage falls back to."""
        settings = Settings.of(
            self.configured("NC_POLLING_FREQUENCY=1", "INSTANCE_TIMEOUT=x", 'POWER_WAKETHRESH="20"')
        )
        self.assertEqual((settings.poll_period, settings.limits), (6, Limits(30, 300)))

    def test_policies(self) -> None:
        """A policy that is none is GREEDY."""
        for name, policy in (("ROUNDROBIN", Policy.ROUNDROBIN), ("dice", Policy.GREEDY)):
            found = Settings.of(self.configured(f"SCHEDPOLICY={name}")).policy
            self.assertEqual(found, policy)

    def test_other_network_modes(self) -> None:
        """A mode that is not available is refused by the name of its key."""
        for mode in ("STATIC", "MANAGED", "MANAGED-NOVLAN", "WILD"):
            with self.assertRaisesRegex(ConfigurationError, "VNET_MODE"):
                Settings.of(self.configured(f"VNET_MODE={mode}"))

    def test_unsigned_calls(self) -> None:
        """Calls to nodes cannot be switched to unsigned."""
        with self.assertRaisesRegex(ConfigurationError, "ENABLE_WS_SECURITY"):
            Settings.of(self.configured("ENABLE_WS_SECURITY=N"))

    def test_service_tags(self) -> None:
        """Nodes are URLs, each once, in the order of the list."""
        tags = service_tags(self.configured('NODES="a 10.0.0.1  a"', "NC_PORT=9"))
        service = "axis2/services/EucalyptusNC"
        self.assertEqual(tags, (f"http://a:9/{service}", f"http://10.0.0.1:9/{service}"))
        self.assertEqual(service_tags(self.configured()), ())

    def test_no_host(self) -> None:
        """What is no host in NODES is refused."""
        with self.assertRaisesRegex(ConfigurationError, "NODES"):
            service_tags(self.configured('NODES="a/b?c@d"'))

    def test_many_nodes(self) -> None:
        """A cluster has at most 1024 nodes."""
        nodes = " ".join(f"n{number}" for number in range(1030))
        self.assertEqual(len(service_tags(self.configured(f'NODES="{nodes}"'))), 1024)

    def test_list_is_read_anew(self) -> None:
        """The list is read anew when a file changes; one that cannot be used changes nothing."""
        self.configured("NODES=a")
        nodes = NodeList(self.path)
        self.assertEqual(len(nodes.thd_current()), 1)
        for content, expected in (('NODES="a b"', 2), ('NODES="a/b"', 2), ("NODES=", 0)):
            self.path.write_text(content, encoding="utf-8")
            before = self.path.stat().st_mtime_ns
            os.utime(self.path, ns=(before, before + 10**9 * (1 + len(content))))
            self.assertEqual(len(nodes.thd_current()), expected, content)
        local = self.path.with_name("eucalyptus.local.conf")
        self.addCleanup(local.unlink)
        local.write_text('NODES="x y z"', encoding="utf-8")
        self.assertEqual(len(nodes.thd_current()), 3)
