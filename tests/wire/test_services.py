"""Tests of the page that lists a host's services."""

from typing import cast

from treq.client import HTTPClient
from treq.testing import StubTreq
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from euca.wire.services import ServicesPage


class ServicesPageTests(SynchronousTestCase):
    """The page that administration tools look at."""

    def test_words(self) -> None:
        """The service's name and the word Deployed stand on one line."""
        http = cast(HTTPClient, StubTreq(ServicesPage(["EucalyptusNC", "EucalyptusGL"])))
        got: list[str] = []

        async def ask() -> None:
            got.append(await (await http.get("http://n/axis2/services/")).text())

        Deferred.fromCoroutine(ask())
        self.assertRegex(got[0], "EucalyptusNC Deployed")
        self.assertRegex(got[0], "EucalyptusGL Deployed")
