"""An api object, contracts and security for the tests of the wire."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from euca.auth.wsse import CLUSTER, Pinned, Policy, Security
from euca.model.errors import UnknownInstance
from euca.wire.contract import Contract
from euca.wire.service import Call, operation
from tests.auth.wsse.messages import ALICE, MALLORY, NOW

NC = Contract.load("eucalyptus_nc")
BUILT = {
    "ncDescribeResource",
    "ncDescribeInstances",
    "ncTerminateInstance",
    "ncPowerDown",
    "ncGetConsoleOutput",
}
LAUNCHED = datetime(2026, 11, 21, 11, 0, 0, 5000, tzinfo=UTC)


def resource_reply(**more: Any) -> dict[str, Any]:
    """Return the values of a reply to ncDescribeResource."""
    return {
        "return": True,
        "nodeStatus": "ok",
        "memorySizeMax": 4096,
        "memorySizeAvailable": 2048,
        "diskSizeMax": 100,
        "diskSizeAvailable": 50,
        "numberOfCoresMax": 4,
        "numberOfCoresAvailable": 2,
        "publicSubnets": "none",
        **more,
    }


def instance(number: int) -> dict[str, Any]:
    """Return the values of one instance in a reply."""
    return {
        "reservationId": f"r-{number:08X}",
        "instanceId": f"i-{number:08X}",
        "imageId": "emi-12345678",
        "kernelId": "eki-12345678",
        "ramdiskId": "eri-12345678",
        "userId": "admin",
        "keyName": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQ== admin@eucalyptus",
        "instanceType": {"name": "m1.small", "memory": 128, "cores": 1, "disk": 2},
        "netParams": {
            "privateMacAddress": "d0:0d:00:00:00:01",
            "privateIp": "10.0.0.2",
            "publicIp": "0.0.0.0",
            "vlan": 10,
            "networkIndex": number,
        },
        "stateName": "Extant",
        "bundleTaskStateName": "none",
        "launchTime": LAUNCHED,
        "userData": "",
        "launchIndex": "0",
        "platform": "linux",
        "groupNames": ["default"],
        "volumes": [],
    }


class NodeApi:
    """A node of few words that remembers the calls it got."""

    unbuilt = tuple(sorted(NC.operations.keys() - BUILT))

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.waiting: Deferred[None] | None = None

    @operation("ncDescribeResource")
    async def describe_resource(self, call: Call) -> Mapping[str, Any]:
        """Answer, after `waiting` has fired where there is one."""
        self.calls.append(call)
        if self.waiting is not None:
            await self.waiting
        return resource_reply(userId=call.body["userId"], correlationId=call.body["correlationId"])

    @operation("ncDescribeInstances")
    async def describe_instances(self, call: Call) -> Mapping[str, Any]:
        """Answer with an instance for each that was asked for."""
        self.calls.append(call)
        wanted = range(len(call.body["instanceIds"]))
        return {"return": True, "instances": [instance(number) for number in wanted]}

    @operation("ncTerminateInstance")
    async def terminate(self, call: Call) -> Mapping[str, Any]:
        """Know no instance."""
        self.calls.append(call)
        raise UnknownInstance(f"there is no instance {call.body['instanceId']}")

    @operation("ncPowerDown")
    async def power_down(self, call: Call) -> Mapping[str, Any]:
        """Break."""
        raise ZeroDivisionError("a secret thing")

    @operation("ncGetConsoleOutput")
    async def console(self, call: Call) -> Mapping[str, Any]:
        """Answer what the contract does not allow."""
        return {"return": True, "consoleOutput": 5}


def clock_at(now: float = NOW) -> Clock:
    """Return a clock that shows a time."""
    clock = Clock()
    clock.advance(now)
    return clock


def pair(policy: Policy = CLUSTER, *, strict: bool = True) -> tuple[Security, Security]:
    """Return the security of a client, Alice, and of a service, Mallory for once well-behaved."""
    client = Security(policy, Pinned({"mallory": MALLORY.certificate}), ALICE, strict=strict)
    service = Security(policy, Pinned({"alice": ALICE.certificate}), MALLORY, strict=strict)
    return client, service
