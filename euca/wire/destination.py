"""Whether a message is meant for this host: all nodes trust the same certificate."""

from functools import lru_cache
from ipaddress import IPv4Address as IPv4
from ipaddress import IPv6Address as IPv6
from ipaddress import ip_address
from urllib.parse import urlsplit

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from euca.auth.wsse import SecurityRefused


def require_here(to: str, here: IAddress) -> None:
    """Refuse a message that was signed for another host; raises SecurityRefused.

    Where the signed address is a name nothing can be said about it, nor where the connection came
    over loopback: a proxy on this host may have passed it on. A host that others reach by an
    address that is not its own must be called by name, or be in compatible mode.
    """
    if not isinstance(here, (IPv4Address, IPv6Address)):
        return
    own, meant = _address(here.host), _meant(to)
    if meant is not None and meant != (own, here.port) and not own.is_loopback:
        raise SecurityRefused(f"the message is addressed to {to}")


_Address = IPv4 | IPv6
_address = lru_cache(maxsize=64)(ip_address)  # a host has few


@lru_cache(maxsize=256)
def _meant(to: str) -> tuple[_Address, int] | None:
    """Return the address and port of a URL, None when it has a name instead."""
    try:
        url = urlsplit(to)
        return ip_address(url.hostname or ""), url.port or 80
    except ValueError:
        return None
