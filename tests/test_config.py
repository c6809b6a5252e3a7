"""Tests of `euca.config`."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from euca.config import Configuration, ConfigurationError, parse


class Parse(SynchronousTestCase):
    """The grammar of the file."""

    def test_quoted_and_bare(self) -> None:
        """A value is the text in double quotes, or a word that ends at white space or `#`."""
        text = 'A="one two # three"\nB=word # comment\n  C = spaced\n#D=comment\nE=""\n'
        expected = {"A": "one two # three", "B": "word", "C": "spaced", "E": ""}
        self.assertEqual(parse(text), expected)

    def test_first_wins(self) -> None:
        """The first line of a key wins."""
        self.assertEqual(parse("A=1\nA=2\n"), {"A": "1"})

    def test_unclosed_quote(self) -> None:
        """A quote that does not close on its line gives no value at all."""
        self.assertEqual(parse('A="one\n').get("A", ""), "")


class Read(SynchronousTestCase):
    """A configuration read from files."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp())
        self.path = self.root / "etc/eucalyptus/eucalyptus.conf"
        self.path.parent.mkdir(parents=True)

    def configuration(self, text: str) -> Configuration:
        self.path.write_text(f'EUCALYPTUS="{self.root}"\n{text}')
        return Configuration.read(self.path)

    def test_local_file_first(self) -> None:
        """The local file beside the main one is searched before it."""
        self.path.with_name("eucalyptus.local.conf").write_text("A=local\n")
        configuration = self.configuration("A=main\nB=main\n")
        self.assertEqual((configuration.text("A"), configuration.text("B")), ("local", "main"))

    def test_numbers_are_lenient(self) -> None:
        """A number is what the text begins with, and text without one is 0, as in 2.0."""
        configuration = self.configuration("A=12abc\nB=abc\n")
        self.assertEqual([configuration.number(key, 7) for key in "ABC"], [12, 0, 7])

    def test_absent_key_is_named(self) -> None:
        """An absent key without default is an error that names the key and the file."""
        error = self.assertRaises(ConfigurationError, self.configuration("").text, "NC_PORT")
        self.assertIn("NC_PORT", str(error))
        self.assertIn(str(self.path), str(error))

    def test_absent_file_is_named(self) -> None:
        """An absent file is an error that names it."""
        error = self.assertRaises(ConfigurationError, Configuration.read, self.path)
        self.assertIn("no such file", str(error))

    def test_security_mode_is_checked(self) -> None:
        """A mode that does not exist is refused with those that do."""
        configuration = self.configuration("WS_SECURITY_MODE=loose\n")
        error = self.assertRaises(ConfigurationError, configuration.security_mode_of, "CC")
        self.assertIn("WS_SECURITY_MODE is 'loose'; use strict or compatible", str(error))

    def test_security_mode_of_a_service(self) -> None:
        """A service has the mode of its own key, else that of all, else `strict`."""
        configuration = self.configuration(
            "WS_SECURITY_MODE=compatible\nWS_SECURITY_MODE_CC=strict\nWS_SECURITY_MODE_SC=no\n"
        )
        modes = [configuration.security_mode_of(service) for service in ("CC", "NC")]
        self.assertEqual(modes, ["strict", "compatible"])
        error = self.assertRaises(ConfigurationError, configuration.security_mode_of, "SC")
        self.assertIn("WS_SECURITY_MODE_SC is 'no'", str(error))
        self.assertEqual(self.configuration("").security_mode_of("CLC"), "strict")

    def test_security_skew(self) -> None:
        """Clocks may differ by five minutes, or what is said in seconds."""
        self.assertEqual(self.configuration("").security_skew, 300.0)
        self.assertEqual(self.configuration("WS_SECURITY_SKEW=30\n").security_skew, 30.0)
        for wrong in ("0", "-5", "soon", '""'):
            configuration = self.configuration(f"WS_SECURITY_SKEW={wrong}\n")
            with self.assertRaisesRegex(ConfigurationError, "WS_SECURITY_SKEW"):
                self.fail(f"{configuration.security_skew} was taken")

    def test_changed(self) -> None:
        """Values can be changed for one process, and no file changes with them."""
        configuration = self.configuration("A=1\n")
        changed = configuration.changed(DEBUG_WIRE="Y", A="2")
        self.assertEqual((changed.debug_wire, changed.number("A")), (True, 2))
        self.assertEqual((configuration.debug_wire, configuration.number("A")), (False, 1))

    def test_listens_on_loopback(self) -> None:
        """A component listens on loopback unless it is told otherwise."""
        self.assertEqual(self.configuration("").listen, "127.0.0.1")

    def test_values_stay_out_of_the_repr(self) -> None:
        """The repr does not show values, which may be secret."""
        self.assertNotIn("hidden", repr(self.configuration("SECRET=hidden\n")))
