"""The operations of the node controller, as its cluster controller calls them.

As in Eucalyptus 2.0 a refusal is not a fault but a reply with `return` false, which says no more:
the reason is in the log. Such a reply carries nothing else, except what its type demands. A fault
means that the message was no good, that the operation is not available, or that the node is not
ready.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.hypervisor.interfaces import HypervisorError
from euca.model.errors import (
    CloudError,
    InstanceNotRunning,
    NoCapacity,
    NotPermitted,
    Unavailable,
    UnknownInstance,
)
from euca.nc.capacity import available, lacking
from euca.nc.files import thd_tail
from euca.nc.host import Host
from euca.nc.instance import ADMINISTRATOR, Instance, Running, Staging, reported
from euca.nc.ledger import InstanceExists, Ledger
from euca.nc.node import Node
from euca.nc.preparation import CONSOLE
from euca.nc.wire import described, network_of, wish_of
from euca.wire.service import Call, operation

CONSOLE_BYTES = 64 * 1024
_FAILED = {"return": False}


@frozen
class NodeApi:
    """The node's side of the contract `eucalyptus_nc`."""

    log = Logger()

    unbuilt = (
        "ncAttachVolume",
        "ncDetachVolume",
        "ncBundleInstance",
        "ncCancelBundleTask",
        "ncDescribeBundleTasks",
        "ncPowerDown",
    )

    node: Node
    host: Host
    clock: IReactorTime
    new_uuid: Callable[[], str]
    wake: Callable[[], None]

    @operation("ncRunInstance")
    async def run_instance(self, call: Call) -> Mapping[str, Any]:
        """Take an instance and answer at once; the loop prepares and starts it."""
        ledger = self._ledger()
        try:
            instance = self._wanted(call.body)
            ledger.directory(instance)
            self._check_room(instance)
            await ledger.accept(instance)
        except Unavailable:
            raise
        except (CloudError, InstanceExists) as error:
            return self._refused(call, error)
        self.wake()
        return {**_base(call), "instance": described(instance)}

    def _wanted(self, body: Mapping[str, Any]) -> Instance:
        now = self.clock.seconds()
        return Instance(wish_of(body, now), self.new_uuid(), network_of(body), Staging())

    def _check_room(self, instance: Instance) -> None:
        burdens = [other.wish.vm for other in self._ledger().burdens()]
        lack = lacking(self.host.capacity.actual, burdens, instance.wish.vm)
        if lack:
            raise NoCapacity(f"{instance.identifier} does not fit: {lack}")

    @operation("ncDescribeInstances")
    async def describe_instances(self, call: Call) -> Mapping[str, Any]:
        """List those of the given instances, by default all, that the caller may see."""
        wanted, user = set(call.body["instanceIds"]), call.body["userId"]
        found = [
            described(instance)
            for instance in self._ledger().instances()
            if (not wanted or instance.identifier in wanted) and _visible(instance, user)
        ]
        return {**_base(call), "instances": found}

    @operation("ncTerminateInstance")
    async def terminate_instance(self, call: Call) -> Mapping[str, Any]:
        """Record that an instance shall end; the loop ends it."""
        name = call.body["instanceId"]
        instance = await self._ledger().terminate(name, "it was told to end")
        if instance is None:
            refusal = self._refused(call, UnknownInstance(f"{name} is not on this node"))
            return {**refusal, "instanceId": name}
        self.wake()
        code = str(reported(instance.phase)[1])
        # 2.0 gives the new state as both of them.
        return {**_base(call), "instanceId": name, "shutdownState": code, "previousState": code}

    @operation("ncRebootInstance")
    async def reboot_instance(self, call: Call) -> Mapping[str, Any]:
        """Reset a guest. `status` is false for success, which is how peers of 2.0 read it."""
        try:
            instance = self._found(call.body["instanceId"])
            if not isinstance(instance.phase, Running):
                raise InstanceNotRunning(f"{instance.identifier} is not running")
            await self.node.hypervisor.reset(instance.uuid)
        except (UnknownInstance, InstanceNotRunning, HypervisorError) as error:
            return {**self._refused(call, error), "status": True}
        return {**_base(call), "status": False}

    @operation("ncGetConsoleOutput")
    async def get_console_output(self, call: Call) -> Mapping[str, Any]:
        """Return the end of what the caller's guest wrote to its console, in base64."""
        try:
            instance = self._found(call.body["instanceId"])
            if not _visible(instance, call.body["userId"]):
                raise NotPermitted(f"{instance.identifier} is not of {call.body['userId']!r}")
        except (UnknownInstance, NotPermitted) as error:
            return {**self._refused(call, error), "consoleOutput": ""}
        text = base64.b64encode(await self._console(instance)).decode("ascii")
        return {**_base(call), "consoleOutput": text}

    async def _console(self, instance: Instance) -> bytes:
        if not self.node.settings.dialect.serial_file:
            return b"NOT SUPPORTED"
        path = self._ledger().directory(instance) / CONSOLE
        return await self.node.threads.run(thd_tail, path, CONSOLE_BYTES)

    @operation("ncDescribeResource")
    async def describe_resource(self, call: Call) -> Mapping[str, Any]:
        """Say what the node has, and what is left of it."""
        most = self.host.capacity.reported
        left = available(most, [other.wish.vm for other in self._ledger().burdens()])
        return {
            **_base(call),
            "nodeStatus": "OK",
            "memorySizeMax": most.memory,
            "memorySizeAvailable": left.memory,
            "diskSizeMax": most.disk,
            "diskSizeAvailable": left.disk,
            "numberOfCoresMax": most.cores,
            "numberOfCoresAvailable": left.cores,
            "publicSubnets": "none",
        }

    @operation("ncStartNetwork")
    async def start_network(self, call: Call) -> Mapping[str, Any]:
        """Answer that the network is there: in SYSTEM and STATIC mode it always is."""
        return {**_base(call), "statusMessage": 0, "networkStatus": "SUCCESS"}

    def _ledger(self) -> Ledger:
        ledger = self.node.ledger
        if not ledger.loaded:
            raise Unavailable("the node is still starting")
        return ledger

    def _found(self, identifier: str) -> Instance:
        instance = self._ledger().find(identifier)
        if instance is None:
            raise UnknownInstance(f"{identifier} is not on this node")
        return instance

    def _refused(self, call: Call, error: Exception) -> Mapping[str, Any]:
        self.log.warn("{operation} refused: {error}", operation=call.operation, error=error)
        return _FAILED


def _base(call: Call) -> dict[str, Any]:
    return {
        "correlationId": call.body["correlationId"],
        "userId": call.body["userId"],
        "return": True,
    }


def _visible(instance: Instance, user: str | None) -> bool:
    return user in (ADMINISTRATOR, instance.wish.owner)
