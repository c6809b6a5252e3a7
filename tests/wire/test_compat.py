"""spyne finds what it needs on every Python that the wire is tried with."""

import importlib
import sys

from twisted.trial.unittest import SynchronousTestCase

from euca.wire import compat

NEW = sys.version_info >= (3, 12)


class CompatTests(SynchronousTestCase):
    """What stands in for spyne's own copy of six."""

    def test_spyne_is_there(self) -> None:
        """The parts of spyne that the wire uses can be imported."""
        for name in ("spyne", "spyne.protocol.soap", "spyne.server", "spyne.util.odict"):
            self.assertEqual(importlib.import_module(name).__name__, name)

    def test_moved_names(self) -> None:
        """The modules that spyne looks for in its six are those of the standard library."""
        parse = importlib.import_module("spyne.util.six.moves.urllib.parse")
        self.assertEqual(parse.quote("a b"), "a%20b")
        abstract = importlib.import_module("spyne.util.six.moves.collections_abc")
        self.assertTrue(issubclass(dict, abstract.MutableMapping))

    def test_own_copy(self) -> None:
        """Spyne keeps its own six where that works, and has the published one elsewhere."""
        copy = sys.modules["spyne.util.six"]
        self.assertEqual(copy.__version__ != "1.14.0", NEW)
        self.assertEqual(copy.get_function_name(parse_nothing), "parse_nothing")

    def test_published_one_is_untouched(self) -> None:
        """What spyne added to its copy is not added to the six that others share."""
        if not NEW:
            self.skipTest("this Python needs no other six")
        six = importlib.import_module("six")
        self.assertFalse(hasattr(six, "get_function_name"))
        self.assertIs(compat.substitutes()["spyne.util.six"].text_type, str)


def parse_nothing() -> None:
    """Do nothing."""
