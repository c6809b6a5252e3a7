"""Messages judged in real threads of their own, while the reactor judges others."""

from itertools import cycle, islice

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from euca.auth.wsse import CLUSTER, INTERNAL, USER, SecurityRefused, verify_request
from euca.threads import Immediate, Offloads, ShortLived
from euca.wire.envelope import parse
from tests.auth.wsse.messages import NOW, security, signed
from tests.wire.apis import NC

_IDENTIFIERS = "".join(f"<n:instanceIds>i-{number:08X}</n:instanceIds>" for number in range(500))
_LIST = (
    '<n:ncDescribeInstances xmlns:n="http://eucalyptus.ucsb.edu/">'
    f"{_IDENTIFIERS}</n:ncDescribeInstances>"
)
_FORGED = signed().replace(b"i-11111111", b"i-22222222")
_MESSAGES = (
    (CLUSTER, signed(), 1),
    (INTERNAL, signed(INTERNAL), 1),
    (USER, signed(USER), 1),
    (CLUSTER, signed(payload=_LIST), 500),
    (CLUSTER, _FORGED, None),
)


class ApartTests(TestCase):
    """Every message is judged as it would be alone, wherever that is done."""

    async def judge(self, places: Offloads, count: int) -> None:
        """Judge so many messages, one after the other."""
        for policy, raw, members in islice(cycle(_MESSAGES), count):
            async with places.one() as place:
                envelope = await place.run(parse, raw)
                judging = verify_request(envelope.root, security(policy), NOW, place)
                if members is None:
                    with self.assertRaisesRegex(SecurityRefused, "does not hold"):
                        await judging
                    continue
                payload = (await judging).body
                name = str(payload.tag).rpartition("}")[2]
                values = await place.run(NC.read, NC.operations[name].request, payload)
            told = values["instanceIds"] if "instanceIds" in values else [values["instanceId"]]
            self.assertEqual(len(told), members)
            await deferLater(reactor, 0)  # type: ignore[arg-type]

    async def test_side_by_side(self) -> None:
        """Threads and the reactor judge at the same time."""
        apart, here = ShortLived(reactor, size=4), Immediate()
        running = [self.judge(places, 50) for places in (apart, apart, apart, here)]
        await gatherResults([Deferred.fromCoroutine(each) for each in running])
