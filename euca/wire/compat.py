"""Supplies what spyne lacks on Python 3.12 and later; imported before anything of spyne.

spyne 2.14 carries a copy of six that is too old to be found by the import system since Python
3.12. The published six takes its place, under the names by which spyne asks for it. spyne also
imports `cgi`, which Python 3.13 dropped; the distribution legacy-cgi brings that back by itself.
On Python 3.11 there is nothing to do.
"""

import importlib
import operator
import sys
from types import ModuleType

_SPYNE_SIX = "spyne.util.six"
_MOVED = (
    "",
    ".collections_abc",
    ".http_client",
    ".http_cookies",
    ".urllib",
    ".urllib.error",
    ".urllib.parse",
    ".urllib.request",
)


def substitutes() -> dict[str, ModuleType]:
    """Return the modules of six by the names of those in spyne that they stand in for.

    spyne's copy has one function more, and gets it here.
    """
    six = importlib.import_module("six")
    copy = ModuleType(_SPYNE_SIX, six.__doc__)
    copy.__dict__.update(vars(six), __name__=_SPYNE_SIX, __path__=[])
    copy.__dict__["get_function_name"] = operator.attrgetter("__name__")
    moved = {
        f"{_SPYNE_SIX}.moves{name}": importlib.import_module(f"six.moves{name}") for name in _MOVED
    }
    return {_SPYNE_SIX: copy, **moved}


if sys.version_info >= (3, 12):
    sys.modules.update(substitutes())
