"""What is done next, by what is recorded."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from euca.cc.instance import Ending, Gone, Instance, Placed, Reported, Started, State
from euca.cc.node import Health, NodeRecord
from euca.cc.plan import (
    Forget,
    GiveUp,
    Limits,
    StartOnNode,
    Step,
    TerminateOnNode,
    View,
    is_listed,
    pause,
    plan,
)
from tests.cc.cluster import ID, NOW, instance, tag

UP = NodeRecord(tag(1), Health.UP)
DOWN = NodeRecord(tag(1))
ENDING = Ending("ann", "")
START, TERMINATE = StartOnNode(ID, tag(1)), TerminateOnNode(ID, tag(1))


def steps(of: Instance, after: float = 0.0, node: NodeRecord | None = UP) -> list[Step]:
    """Return the steps so many seconds after the instance was placed."""
    nodes = {} if node is None else {node.tag: node}
    return plan(View(NOW + after, Limits(), nodes, [of]))


def reported(state: State, **more: Any) -> Instance:
    """Return an instance in a state that its node told."""
    return instance(phase=Reported(state), **more)


class StartTests(SynchronousTestCase):
    """Starting."""

    def test_placed_is_started(self) -> None:
        """A placed instance is started on its node."""
        self.assertEqual(steps(instance()), [START])

    def test_node_is_down(self) -> None:
        """Nothing is asked of a node that does not answer, or is no node of the cluster."""
        for node in (DOWN, None):
            self.assertEqual(steps(instance(), node=node), [])

    def test_pauses_grow(self) -> None:
        """After a vain attempt there is a pause, which doubles up to half a minute."""
        tried = instance(phase=Placed(3, NOW))
        self.assertEqual((steps(tried, 3.9), steps(tried, 4.0)), ([], [START]))
        self.assertEqual([pause(n) for n in (0, 1, 2, 5, 6, 500)], [0, 1, 2, 16, 30, 30])

    def test_vain_start_is_given_up(self) -> None:
        """After the limit the instance is given up, whether its node answers or not."""
        for node in (UP, DOWN, None):
            tried = instance(phase=Placed(9, NOW + 290))
            self.assertEqual(steps(tried, 300, node), [GiveUp(ID)])

    def test_nothing_to_do(self) -> None:
        """An instance that its node has needs nothing."""
        phases = (Started(NOW), *(Reported(state) for state in State))
        for phase in phases:
            self.assertEqual(steps(instance(phase=phase), 10), [])


class EndTests(SynchronousTestCase):
    """Ending."""

    def test_node_is_told(self) -> None:
        """The node is told of an ending, until it reports Teardown."""
        for phase in (Placed(1, NOW), Started(NOW), Reported(State.EXTANT)):
            self.assertEqual(steps(instance(phase=phase, ending=ENDING)), [TERMINATE])
        for over in (Reported(State.TEARDOWN), Gone()):
            self.assertEqual(steps(instance(phase=over, ending=ENDING)), [])

    def test_told_again(self) -> None:
        """It is told again after a pause that is longer than the time between two polls."""
        told = reported(State.EXTANT, ending=Ending("ann", "", 1, NOW))
        self.assertEqual((steps(told, 9.9), steps(told, 10.0)), ([], [TERMINATE]))

    def test_node_is_down(self) -> None:
        """A node that does not answer is told when it is back, however late."""
        ending = reported(State.EXTANT, ending=ENDING)
        self.assertEqual(steps(ending, 9999, DOWN), [])
        self.assertEqual(steps(ending, 9999, UP), [TERMINATE])


class ForgetTests(SynchronousTestCase):
    """Forgetting."""

    def test_unseen_is_forgotten(self) -> None:
        """What was not seen for the limit is forgotten, and not before."""
        for phase in (Started(NOW), Reported(State.EXTANT), Reported(State.TEARDOWN)):
            found = instance(phase=phase)
            self.assertEqual((steps(found, 299), steps(found, 300)), ([], [Forget(ID)]))

    def test_ended_is_forgotten(self) -> None:
        """What has ended is forgotten after the limit."""
        self.assertEqual(steps(instance(phase=Gone(), ending=ENDING), 300), [Forget(ID)])

    def test_wish_to_end_is_kept(self) -> None:
        """A wish to end outlives the limit, but is told no more; without its node it goes."""
        ending = reported(State.EXTANT, ending=ENDING)
        self.assertEqual(steps(ending, 300, DOWN), [])
        self.assertFalse(is_listed(ending, NOW + 300, Limits()))
        self.assertTrue(is_listed(ending, NOW + 299, Limits()))
        self.assertEqual(steps(ending, 300, None), [Forget(ID)])
