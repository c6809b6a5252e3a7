"""Choosing nodes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from euca.cc.node import Amounts, Health, NodeRecord, Resources
from euca.cc.schedule import Policy, Room, choose, rooms
from euca.model.machine import VM_TYPES, VmType
from tests.cc.cluster import SMALL, tag

AMOUNT = st.integers(0, 5000)
AMOUNTS = st.builds(Amounts, memory=AMOUNT, disk=AMOUNT, cores=st.integers(0, 40))
SIZES = st.integers(1, 3000)
TYPES = st.builds(
    VmType, name=st.just("t"), cores=st.integers(1, 8), memory=SIZES, disk=st.integers(1, 500)
)


def roomy(*cores: int) -> list[Room]:
    """Return nodes with so many processors, and plenty of the rest."""
    return [Room(tag(n), Amounts(10**6, 10**6, count)) for n, count in enumerate(cores, 1)]


class GreedyTests(SynchronousTestCase):
    """GREEDY, and POWERSAVE, which is the same as long as no node sleeps."""

    def test_first_node_that_fits(self) -> None:
        """The first node in the list with room is chosen until it is full."""
        for policy in (Policy.GREEDY, Policy.POWERSAVE):
            choice = choose(policy, roomy(2, 2), SMALL, 3, pointer=1)
            self.assertEqual(choice.tags, (tag(1), tag(1), tag(2)))
            self.assertEqual(choice.pointer, 1)

    def test_exactly_full(self) -> None:
        """What is left may be just what is needed, of each amount."""
        exact = Room(tag(1), Amounts(SMALL.memory, SMALL.disk, SMALL.cores))
        self.assertEqual(choose(Policy.GREEDY, [exact], SMALL, 2).tags, (tag(1),))

    def test_each_amount_counts(self) -> None:
        """A node that lacks a little of any amount is not chosen."""
        full = Amounts(SMALL.memory, SMALL.disk, SMALL.cores)
        for lack in (Amounts(1, 0, 0), Amounts(0, 1, 0), Amounts(0, 0, 1)):
            free = Amounts(
                full.memory - lack.memory, full.disk - lack.disk, full.cores - lack.cores
            )
            self.assertEqual(choose(Policy.GREEDY, [Room(tag(1), free)], SMALL, 1).tags, ())


class RoundRobinTests(SynchronousTestCase):
    """ROUNDROBIN."""

    def test_goes_round(self) -> None:
        """It goes on after the node chosen last, and wraps."""
        choice = choose(Policy.ROUNDROBIN, roomy(9, 9, 9), SMALL, 4, pointer=1)
        self.assertEqual(choice.tags, (tag(2), tag(3), tag(1), tag(2)))
        self.assertEqual(choice.pointer, 2)

    def test_skips_full_nodes(self) -> None:
        """A node without room is passed over, and the pointer goes behind the one chosen."""
        choice = choose(Policy.ROUNDROBIN, roomy(0, 9), SMALL, 2)
        self.assertEqual((choice.tags, choice.pointer), ((tag(2), tag(2)), 0))

    def test_pointer_stays_without_room(self) -> None:
        """Where nothing fits the pointer stays."""
        self.assertEqual(choose(Policy.ROUNDROBIN, roomy(0, 0), SMALL, 1, pointer=1).pointer, 1)

    def test_no_nodes(self) -> None:
        """A cluster without nodes has no room."""
        for policy in Policy:
            self.assertEqual(choose(policy, [], SMALL, 1).tags, ())


class RoomTests(SynchronousTestCase):
    """What is left of nodes."""

    def test_down_node_has_none(self) -> None:
        """A node that is down has no room, whatever it said before."""
        node = NodeRecord(tag(1), Health.DOWN, resources=Resources(available=Amounts(9, 9, 9)))
        self.assertEqual(rooms([node], ()), [Room(tag(1), Amounts())])

    def test_reservations_are_subtracted(self) -> None:
        """What was placed since the last poll is not there any more."""
        node = NodeRecord(tag(1), Health.UP, resources=Resources(available=Amounts(500, 50, 4)))
        found = rooms([node], [(tag(1), SMALL), (tag(1), SMALL), ("elsewhere", SMALL)])
        self.assertEqual(found, [Room(tag(1), Amounts(244, 46, 2))])


class PropertyTests(SynchronousTestCase):
    """What holds for every cluster."""

    @settings(deadline=None)
    @given(
        st.sampled_from(Policy),
        st.lists(AMOUNTS, max_size=6),
        TYPES,
        st.integers(0, 40),
        st.integers(0, 5),
    )
    def test_no_placement_exceeds_a_node(
        self, policy: Policy, free: list[Amounts], vm: VmType, count: int, pointer: int
    ) -> None:
        """Whatever is asked for, no node gets more than it has; and room is not left unused."""
        nodes = [Room(tag(number), amounts) for number, amounts in enumerate(free)]
        choice = choose(policy, nodes, vm, count, pointer % max(1, len(nodes)))
        for node in nodes:
            taken = choice.tags.count(node.tag)
            self.assertLessEqual(taken * vm.memory, node.free.memory)
            self.assertLessEqual(taken * vm.disk, node.free.disk)
            self.assertLessEqual(taken * vm.cores, node.free.cores)
        fits = sum(node.free.holds(vm) for node in nodes)
        self.assertEqual(len(choice.tags), min(count, fits))

    @settings(deadline=None)
    @given(
        st.lists(AMOUNTS, min_size=1, max_size=4),
        st.lists(st.sampled_from(VM_TYPES), max_size=12),
        st.sampled_from(Policy),
    )
    def test_no_series_of_requests_exceeds_a_node(
        self, free: list[Amounts], types: list[VmType], policy: Policy
    ) -> None:
        """Requests between two polls share what the nodes had at the first."""
        nodes = [
            NodeRecord(tag(n), Health.UP, resources=Resources(available=amounts))
            for n, amounts in enumerate(free)
        ]
        taken: list[tuple[str, VmType]] = []
        pointer = 0
        for vm in types:
            choice = choose(policy, rooms(nodes, taken), vm, 2, pointer)
            pointer = choice.pointer
            taken += [(name, vm) for name in choice.tags]
        for room in rooms(nodes, taken):
            self.assertGreaterEqual(min(room.free.memory, room.free.disk, room.free.cores), 0)
