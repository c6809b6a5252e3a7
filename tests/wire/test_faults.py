"""Tests of the one table from facts to codes."""

from twisted.trial.unittest import SynchronousTestCase

from euca.model import errors
from euca.wire.faults import SoapFault, answer, rendered


class TableTests(SynchronousTestCase):
    """Every fact has its answer."""

    def test_every_fact(self) -> None:
        """No fact of the model is told as an internal error."""
        facts = [
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type)
            and issubclass(kind, errors.CloudError)
            and kind is not errors.CloudError
        ]
        self.assertTrue(facts)
        for kind in facts:
            self.assertNotEqual(answer(kind("x")).ec2_code, "InternalError", kind)

    def test_sides(self) -> None:
        """What the client can mend is the client's; what it cannot, the server's."""
        self.assertEqual(
            answer(errors.UnknownImage("x")).fault_code, "Client.InvalidAMIID.NotFound"
        )
        self.assertTrue(answer(errors.NoCapacity("x")).fault_code.startswith("Server."))

    def test_message_is_the_error_s(self) -> None:
        """The sentence of the error is the sentence told."""
        self.assertEqual(answer(errors.UnknownImage("no image emi-1")).message, "no image emi-1")

    def test_derived_fact(self) -> None:
        """A fact that the table lacks is told as the nearest that it derives of."""

        class VeryUnknown(errors.UnknownImage):
            """There is certainly no such image."""

        self.assertEqual(answer(VeryUnknown("x")).ec2_code, "InvalidAMIID.NotFound")

    def test_rendered(self) -> None:
        """A fault is escaped; control characters become question marks."""
        raw = rendered(SoapFault("a:b", "<&>\x00\xe9"), plain=True)
        self.assertIn(b"<faultstring>&lt;&amp;&gt;??</faultstring>", raw)
        self.assertIn("é".encode(), rendered(SoapFault("a:b", "\xe9"), plain=False))
