"""The operations of the cluster controller, as the cloud controller calls them.

As in Eucalyptus 2.0 a refusal is not a fault but a reply with `return` false, which says no more
than ERROR: the reason is in the log. Nodes are called while the cloud waits for what cannot be
answered otherwise alone: the console, and a reboot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from euca.cc.instance import Instance, Placed
from euca.cc.interfaces import Node, NodeFailed, Nodes
from euca.cc.ledger import thd_end, thd_place
from euca.cc.plan import Limits, is_listed
from euca.cc.schedule import Policy, Room, rooms
from euca.cc.tables import thd_instance, thd_instances, thd_nodes
from euca.cc.wire import asked_description, checked_vm_type, described
from euca.model.errors import CloudError, InvalidParameter, MissingParameter, Unavailable
from euca.network.interfaces import NetworkMode
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.wire.service import Call, operation

CONSOLE_SECONDS = 5.0

log = Logger()

Reply = Mapping[str, Any]
T = TypeVar("T")
Method = Callable[["ClusterApi", Call], Awaitable[Reply]]


def _base(call: Call) -> dict[str, Any]:
    return {
        "correlationId": call.body["correlationId"],
        "userId": call.body["userId"],
        "return": True,
    }


def _refusal(call: Call, status: str) -> Reply:
    return {**_base(call), "return": False, "statusMessage": status}


def _answering(method: Method) -> Method:
    """Turn what stops an operation into a reply with `return` false."""

    @wraps(method)
    async def answer(api: ClusterApi, call: Call) -> Reply:
        try:
            return await method(api, call)
        except CloudError as error:
            log.warn("{name} refused: {error}", name=call.operation, error=error)
            return _refusal(call, "ERROR")

    return answer


@frozen
class ClusterApi:
    """The cluster's side of the contract `eucalyptus_cc`."""

    unbuilt = (
        "AssignAddress",
        "AttachVolume",
        "BundleInstance",
        "CancelBundleTask",
        "DescribeBundleTasks",
        "DetachVolume",
        "UnassignAddress",
    )

    database: Database
    nodes: Nodes
    network: NetworkMode
    policy: Policy
    limits: Limits
    clock: IReactorTime
    wake: Callable[[], None]

    # Instances

    @operation("RunInstances")
    @_answering
    async def run_instances(self, call: Call) -> Reply:
        """Place instances and answer at once; the loop has the nodes start them.

        Fewer than asked for may find room; that none does is the failure.
        """
        asked = self._asked(call.body)
        placed = await self.database.transact(lambda tx: thd_place(tx, self.policy, asked))
        log.info("placed: {all}", all=", ".join(f"{i.identifier} on {i.node}" for i in placed))
        self.wake()
        return {**_base(call), "instances": [described(instance) for instance in placed]}

    def _asked(self, body: Mapping[str, Any]) -> list[Instance]:
        """Return the instances asked for, without nodes; raises CloudError."""
        most, identifiers = body["maxCount"], list(dict.fromkeys(body["instanceIds"]))
        if most <= 0 or body["minCount"] <= 0:
            raise InvalidParameter("minCount and maxCount must be more than 0")
        if len(identifiers) < most:
            raise InvalidParameter(f"{most} instances need as many identifiers")
        now = self.clock.seconds()
        what = asked_description(body, now)
        asked = []
        for identifier in identifiers[:most]:
            try:
                network = self.network.interface(identifier, body["vlan"])
            except ValueError as error:
                log.warn("{error}", error=error)
                continue
            correlation = body["correlationId"] or ""
            asked.append(Instance(identifier, "", Placed(), network, what, now, now, correlation))
        if not asked:
            raise InvalidParameter("no instance has an identifier that can be used")
        return asked

    @operation("DescribeInstances")
    async def describe_instances(self, call: Call) -> Reply:
        """Tell of all instances in the records, whichever are asked for, as 2.0 does."""
        now = self.clock.seconds()

        def thd_listed(tx: Connection) -> list[dict[str, Any]]:
            # Made here because making many takes longer than the reactor may wait.
            instances = thd_instances(tx)
            return [described(each) for each in instances if is_listed(each, now, self.limits)]

        listed = await self.database.transact(thd_listed)
        return {**_base(call), "instances": listed}

    @operation("TerminateInstances")
    async def terminate_instances(self, call: Call) -> Reply:
        """Record that instances are to end; the loop tells their nodes until they have.

        Says of each whether it will end, which is whether it is known.
        """
        body, now = call.body, self.clock.seconds()
        identifiers = [each or "" for each in body["instanceIds"]]
        user, correlation = body["userId"] or "", body["correlationId"] or ""

        def thd_end_all(tx: Connection) -> list[bool]:
            return [thd_end(tx, each, user, correlation, now) for each in identifiers]

        known = await self.database.transact(thd_end_all)
        self.wake()
        return {**_base(call), "isTerminated": known}

    @operation("RebootInstances")
    async def reboot_instances(self, call: Call) -> Reply:
        """Have instances reset; as in 2.0 the answer is yes, whatever their nodes say."""
        for identifier in call.body["instanceIds"]:
            await self._reboot(identifier, call)
        return _base(call)

    async def _reboot(self, identifier: str, call: Call) -> None:
        try:
            await self._ask_owner(
                identifier, call, lambda node, user: node.reboot(identifier, user)
            )
        except Unavailable as error:
            log.warn("{error}", error=error)

    @operation("GetConsoleOutput")
    @_answering
    async def get_console_output(self, call: Call) -> Reply:
        """Pass on what the node of an instance has of its console."""
        identifier = call.body["instanceId"]
        if not identifier:
            raise MissingParameter("instanceId is missing")
        output = await self._ask_owner(
            identifier,
            call,
            lambda node, user: self._limited(node.console(identifier, user), CONSOLE_SECONDS),
        )
        return {**_base(call), "consoleOutput": output}

    async def _ask_owner(
        self, identifier: str, call: Call, ask: Callable[[Node, str], Awaitable[T]]
    ) -> T:
        """Ask the node of an instance, for one that is unknown all nodes; the first answer counts.

        Nodes know an instance by its owner. Raises Unavailable when none answers.
        """
        instance = await self.database.transact(lambda tx: thd_instance(tx, identifier))
        if instance is not None:
            tags, user = [instance.node], instance.description.owner
        else:
            nodes = await self.database.transact(thd_nodes)
            tags, user = [node.tag for node in nodes if node.up], call.body["userId"] or ""
        for tag in tags:
            try:
                return await ask(self.nodes.at(tag), user)
            except NodeFailed as error:
                log.warn("{i}: {error}", i=identifier, error=error)
        raise Unavailable(f"no node answered for {identifier}")

    async def _limited(self, awaitable: Awaitable[T], seconds: float) -> T:
        async def ask() -> T:
            return await awaitable

        try:
            return await Deferred.fromCoroutine(ask()).addTimeout(seconds, self.clock)
        except DeferredTimeout as error:
            raise NodeFailed(f"did not answer in {seconds} s") from error

    # Capacity

    @operation("DescribeResources")
    @_answering
    async def describe_resources(self, call: Call) -> Reply:
        """Say how many instances of each type fit, each type on its own, now and at most."""
        asked = call.body["instanceTypes"]
        types = [checked_vm_type(each) for each in asked]

        def thd_rooms(tx: Connection) -> tuple[list[Room], list[Room]]:
            nodes = thd_nodes(tx)
            taken = [(i.node, i.description.vm) for i in thd_instances(tx) if i.reserves]
            whole = [
                evolve(n, resources=evolve(n.resources, available=n.resources.maximum))
                for n in nodes
            ]
            return rooms(nodes, taken), rooms(whole, ())

        free, whole = await self.database.transact(thd_rooms)
        resources = [
            {
                "instanceType": each,
                "maxInstances": sum(room.free.holds(vm) for room in whole),
                "availableInstances": sum(room.free.holds(vm) for room in free),
            }
            for each, vm in zip(asked, types, strict=True)
        ]
        tags = [room.tag for room in free]
        return {**_base(call), "resources": resources, "serviceTags": tags}

    # Networks

    @operation("DescribeNetworks")
    async def describe_networks(self, call: Call) -> Reply:
        """Say which networking the cluster has."""
        mode = 1 if self.network.managed else 0
        return {**_base(call), "mode": mode, "addrsPerNet": self.network.addresses_per_net}

    @operation("StartNetwork")
    async def start_network(self, call: Call) -> Reply:
        """Do nothing, with success: the network of the site is always there."""
        return _base(call)

    @operation("StopNetwork")
    async def stop_network(self, call: Call) -> Reply:
        """Do nothing, with success: the network of the site stays."""
        return _base(call)

    @operation("ConfigureNetwork")
    async def configure_network(self, call: Call) -> Reply:
        """Do nothing, with success: rules are the site's own."""
        return _base(call)

    @operation("DescribePublicAddresses")
    async def describe_public_addresses(self, call: Call) -> Reply:
        """Say that the cluster has no public addresses to give."""
        return _refusal(call, "NOTSUPPORTED")
