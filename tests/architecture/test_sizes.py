"""The limits on the tail: a function of 40 lines, a class of 250, a module of 600."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).parents[2]
FUNCTION, CLASS, MODULE = 40, 250, 600

Function = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(node: Function) -> int:
    """Return how many lines a function has, its docstring not counted."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def too_long(path: Path) -> Iterator[str]:
    """Yield what in a module goes over its limit."""
    text = path.read_text()
    where = path.relative_to(ROOT)
    if text.count("\n") > MODULE:
        yield f"{where}: {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function) and body_lines(node) > FUNCTION:
            yield f"{where}:{node.lineno} {node.name}: {body_lines(node)} lines"
        if isinstance(node, ast.ClassDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines > CLASS:
                yield f"{where}:{node.lineno} {node.name}: {lines} lines"


class SizeTests(SynchronousTestCase):
    """Nothing grows past its limit."""

    def test_sizes(self) -> None:
        """Every function, class and module of the project is within its limit."""
        found = [row for path in sorted((ROOT / "euca").rglob("*.py")) for row in too_long(path)]
        self.assertEqual(found, [])

    def test_finds_a_long_function(self) -> None:
        """The measure sees a function that is too long."""
        lines = "\n".join("    x = 1" for _ in range(FUNCTION + 1))
        node = ast.parse(f'def f():\n    """One."""\n{lines}\n').body[0]
        assert isinstance(node, ast.FunctionDef)
        self.assertEqual(body_lines(node), FUNCTION + 1)
