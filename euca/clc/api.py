"""The operations of the cloud: one method each, from a request to what was recorded or found.

No method but RegisterImage and GetConsoleOutput calls another component; what a method promises
is in the database before it returns, and the loop, which it wakes, carries it out. Refusals are
`CloudError`s; the front ends turn them into what their protocol prescribes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve, field, frozen
from twisted.internet.interfaces import IReactorTime

from euca.auth.keyring import new_key_pair
from euca.clc import requests as r
from euca.clc.enrolment import Enrolment
from euca.clc.image import Image, normal_identifier
from euca.clc.instance import USER_TERMINATED, Instance, Reservation, Start, State
from euca.clc.interfaces import ClusterRefused, Clusters, ClusterUnreachable
from euca.clc.launch import thd_launch
from euca.clc.plan import SHUT_DOWN_SECONDS
from euca.clc.registration import RegisteredCluster
from euca.clc.registry import thd_cluster, thd_clusters, thd_walrus
from euca.clc.requests import Caller
from euca.clc.tables import (
    KeyPairRecord,
    thd_add_key_pair,
    thd_add_reservation,
    thd_console,
    thd_image,
    thd_images,
    thd_key_pair,
    thd_key_pairs,
    thd_remove_image,
    thd_remove_key_pair,
    thd_reservation_of_token,
    thd_reservations,
    thd_save_console,
    thd_save_instance,
    thd_visible_instances,
)
from euca.model.errors import (
    InstanceNotRunning,
    InvalidParameter,
    KeyPairExists,
    NotPermitted,
    Unavailable,
    UnknownImage,
    UnknownInstance,
    UnknownKeyPair,
    UnknownZone,
)
from euca.model.identifiers import RandomBytes
from euca.store.accounts import thd_accounts_numbered
from euca.store.engine import Database
from euca.store.sql import Connection
from euca.telemetry import trace
from euca.threads import Offload

MAX_NAME = 255


@frozen
class Zone:
    """An availability zone: a cluster, with its host as state, as Eucalyptus 2.0 showed it."""

    name: str
    state: str


@frozen
class Region:
    """A service of the cloud under the name of a region, as Eucalyptus 2.0 showed it."""

    name: str
    endpoint: str


@frozen
class NewKeyPair:
    """A key pair just made, with the private half that is given away once."""

    record: KeyPairRecord
    private_pem: str = field(repr=False)


@frozen
class StateChange:
    """The state of an instance before and after a request."""

    identifier: str
    before: State
    after: State


@frozen
class ConsoleOutput:
    """The end of what an instance wrote to its console, and when that was read."""

    identifier: str
    output: bytes = field(repr=False)
    read_at: float


@frozen
class Cloud:
    """The cloud, as its users know it. `wake` makes the loop look at the records."""

    database: Database
    enrolment: Enrolment
    clusters: Clusters
    threads: Offload
    clock: IReactorTime
    random_bytes: RandomBytes
    endpoint: str
    wake: Callable[[], None]

    # Zones and regions

    async def describe_availability_zones(
        self, caller: Caller, request: r.DescribeAvailabilityZones
    ) -> list[Zone]:
        """List the clusters; raises UnknownZone for a name that is none."""
        clusters = await self.database.transact(thd_clusters)
        zones = {cluster.name: Zone(cluster.name, cluster.host) for cluster in clusters}
        for name in request.names:
            if name not in zones:
                raise UnknownZone(f"Invalid availability zone: [{name}]")
        return [zones[name] for name in dict.fromkeys(request.names) or zones]

    async def describe_regions(self, caller: Caller, request: r.DescribeRegions) -> list[Region]:
        """List the cloud itself and its Walrus, by the URLs that clients are to use."""
        walrus = await self.database.transact(thd_walrus)
        regions = [Region("Eucalyptus", self.endpoint)]
        if walrus is not None:
            regions.append(Region("Walrus", walrus.walrus_url))
        return [region for region in regions if not request.names or region.name in request.names]

    # Images

    async def register_image(self, caller: Caller, request: r.RegisterImage) -> Image:
        """Register the bundle at a location; see `enrolment`."""
        return await self.enrolment.register(caller, request, self.clock.seconds())

    async def describe_images(self, caller: Caller, request: r.DescribeImages) -> list[Image]:
        """List the images that the caller may run; raises UnknownImage for unknown identifiers."""

        def thd_read(tx: Connection) -> list[Image]:
            images = thd_images(tx, caller.scope)
            wanted = [normal_identifier(name) for name in request.identifiers]
            known = {image.identifier for image in images}
            for name, asked in zip(wanted, request.identifiers, strict=True):
                if name not in known:
                    raise UnknownImage(f"The image id '[{asked}]' does not exist")
            owners = _thd_names(tx, caller, request.owners)
            runners = _thd_names(tx, caller, request.executable_by)
            return [
                image
                for image in images
                if (not wanted or image.identifier in wanted)
                and (not owners or image.owner in owners)
                and (not runners or _runnable_by(image, runners, caller))
            ]

        return await self.database.transact(thd_read)

    async def deregister_image(self, caller: Caller, request: r.DeregisterImage) -> bool:
        """Forget an image of the caller's; raises UnknownImage and NotPermitted."""
        identifier = normal_identifier(request.identifier)

        def thd_remove(tx: Connection) -> None:
            image = thd_image(tx, identifier)
            if image is None or not (image.public or caller.owns(image.owner)):
                raise UnknownImage(f"The image id '[{request.identifier}]' does not exist")
            if not caller.owns(image.owner):
                raise NotPermitted("Only the owner of an image or the administrator can do this.")
            thd_remove_image(tx, identifier)

        await self.database.transact(thd_remove)
        return True

    # Key pairs

    async def create_key_pair(self, caller: Caller, request: r.CreateKeyPair) -> NewKeyPair:
        """Make a key pair, whose private half is kept nowhere; raises KeyPairExists."""
        name = request.name
        if len(name) > MAX_NAME or not name.isprintable():
            raise InvalidParameter(f"A key pair's name has at most {MAX_NAME} printable characters")
        exists = KeyPairExists(f"Creation failed.  Keypair already exists: {name}")
        if await self.database.transact(lambda tx: thd_key_pair(tx, caller.name, name)):
            raise exists
        made = await self.threads.run(new_key_pair, f"{caller.name}@eucalyptus")
        record = KeyPairRecord(caller.name, name, made.public_line, made.fingerprint)

        def thd_record(tx: Connection) -> None:
            # Another request may have made one of that name meanwhile.
            if thd_key_pair(tx, caller.name, name) is not None:
                raise exists
            thd_add_key_pair(tx, record)

        await self.database.transact(thd_record)
        return NewKeyPair(record, made.private_pem)

    async def describe_key_pairs(
        self, caller: Caller, request: r.DescribeKeyPairs
    ) -> list[KeyPairRecord]:
        """List the caller's own key pairs; raises UnknownKeyPair for a name that is none."""
        pairs = await self.database.transact(lambda tx: thd_key_pairs(tx, caller.name))
        known = {pair.name for pair in pairs}
        for name in request.names:
            if name not in known:
                raise UnknownKeyPair(f"The key pair '{name}' does not exist")
        return [pair for pair in pairs if not request.names or pair.name in request.names]

    async def delete_key_pair(self, caller: Caller, request: r.DeleteKeyPair) -> bool:
        """Forget the caller's key pair of that name; there need not be one."""
        await self.database.transact(lambda tx: thd_remove_key_pair(tx, caller.name, request.name))
        return True

    # Instances

    async def run_instances(self, caller: Caller, request: r.RunInstances) -> Reservation:
        """Record the instances asked for; see `launch`. The loop starts them.

        A client token that was seen before gets the answer that it got then.
        """
        now = self.clock.seconds()
        token = request.client_token or None

        def thd_record(tx: Connection) -> Reservation:
            earlier = thd_reservation_of_token(tx, caller.name, token) if token else None
            if earlier is not None:
                return earlier
            made = thd_launch(tx, caller, request, now, self.random_bytes)
            thd_add_reservation(tx, made, token)
            return made

        reservation = await self.database.transact(thd_record)
        self.wake()
        return reservation

    async def describe_instances(
        self, caller: Caller, request: r.DescribeInstances
    ) -> list[Reservation]:
        """List the caller's instances, those terminated for some minutes.

        Raises UnknownInstance for an identifier of none of them.
        """
        ended_after = self.clock.seconds() - SHUT_DOWN_SECONDS

        def thd_read(tx: Connection) -> list[Reservation]:
            wanted = request.identifiers
            found = thd_visible_instances(
                tx, caller.scope, ended_after, [_normal(name) for name in wanted]
            )
            known = {instance.identifier for instance in found}
            for name in wanted:
                if _normal(name) not in known:
                    raise _unknown(name)
            return thd_reservations(tx, found)

        return await self.database.transact(thd_read)

    async def terminate_instances(
        self, caller: Caller, request: r.TerminateInstances
    ) -> list[StateChange]:
        """Record that instances are to end: all of them, or none when one is unknown.

        One that no cluster has heard of is terminated at once. Raises UnknownInstance.
        """
        now = self.clock.seconds()

        def thd_record(tx: Connection) -> list[StateChange]:
            names = dict.fromkeys(request.identifiers)
            found = [self._thd_own(tx, caller, name, now) for name in names]
            changes = []
            for instance in found:
                ended = to_end(instance, now)
                thd_save_instance(tx, ended)
                changes.append(StateChange(instance.identifier, instance.state, ended.state))
            return changes

        changes = await self.database.transact(thd_record)
        self.wake()
        return changes

    def _thd_own(self, tx: Connection, caller: Caller, name: str, now: float) -> Instance:
        """Return an instance that the caller may touch; raises UnknownInstance."""
        found = thd_visible_instances(tx, caller.scope, now - SHUT_DOWN_SECONDS, [_normal(name)])
        if not found:
            raise _unknown(name)
        return found[0]

    async def get_console_output(
        self, caller: Caller, request: r.GetConsoleOutput
    ) -> ConsoleOutput:
        """Ask the instance's node for its console; of one that has ended, the last output read.

        Raises UnknownInstance, InstanceNotRunning while it is pending, and Unavailable when the
        cluster does not answer and nothing was read before.
        """
        now = self.clock.seconds()

        def thd_read(tx: Connection) -> tuple[Instance, RegisteredCluster | None, bytes | None]:
            instance = self._thd_own(tx, caller, request.identifier, now)
            kept = thd_console(tx, instance.identifier)
            return instance, thd_cluster(tx, instance.cluster), kept

        instance, cluster, kept = await self.database.transact(thd_read)
        if instance.state is State.PENDING:
            raise InstanceNotRunning(f"Instance {instance.identifier} is not in a running state.")
        if instance.state is not State.TERMINATED and cluster is not None:
            kept = await self._ask_for_console(instance, cluster, kept)
        return ConsoleOutput(instance.identifier, kept or b"", now)

    async def _ask_for_console(
        self, instance: Instance, cluster: RegisteredCluster, kept: bytes | None
    ) -> bytes:
        try:
            with trace.correlated(instance.correlation):
                output = await self.clusters.at(cluster.name, cluster.host, cluster.port).console(
                    instance
                )
        except (ClusterRefused, ClusterUnreachable) as error:
            if kept is None:
                why = f"The console of {instance.identifier} cannot be read now: {error}"
                raise Unavailable(why) from error
            return kept
        if output != kept:
            await self.database.transact(
                lambda tx: thd_save_console(tx, instance.identifier, output)
            )
        return output


def to_end(instance: Instance, now: float) -> Instance:
    """Return the instance as its owner's wish to end it makes it.

    One that no cluster can have is terminated right away; one whose start was asked for, even
    without an answer, must be ended on its cluster.
    """
    match instance.state:
        case State.PENDING if instance.start in (Start.NEW, Start.REFUSED, Start.ABSENT):
            after = State.TERMINATED
        case State.PENDING | State.RUNNING:
            after = State.SHUTTING_DOWN
        case State.SHUTTING_DOWN | State.TERMINATED:
            return instance
    return evolve(instance, state=after, since=now, reason=USER_TERMINATED, told=False)


def _normal(name: str) -> str:
    return name[:2].lower() + name[2:].upper()


def _unknown(name: str) -> UnknownInstance:
    return UnknownInstance(f"The instance ID '{name}' does not exist")


def _thd_names(tx: Connection, caller: Caller, names: Sequence[str]) -> set[str]:
    """Return the account names that a filter means: `self`, names, and account numbers."""
    found = {caller.name if name == "self" else name for name in names}
    numbers = {name for name in found if name.isdecimal()}
    return found | {account.name for account in thd_accounts_numbered(tx, numbers)}


def _runnable_by(image: Image, runners: set[str], caller: Caller) -> bool:
    """Tell whether an image that the caller may see is one that one of these may run."""
    return image.public or image.owner in runners or (caller.name in runners)
