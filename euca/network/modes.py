"""Chooses the network mode that the configuration names."""

from __future__ import annotations

from euca.config import Configuration, ConfigurationError
from euca.network.interfaces import NetworkMode
from euca.network.system import System

MODES = ("SYSTEM", "STATIC", "MANAGED", "MANAGED-NOVLAN")
"""The modes of Eucalyptus 2.0."""


def network_mode(configuration: Configuration) -> NetworkMode:
    """Return the mode of VNET_MODE, by default SYSTEM.

    Raises ConfigurationError for a mode that is not one, or not available.
    """
    name = configuration.text("VNET_MODE", "SYSTEM")
    if name == "SYSTEM":
        return System()
    if name in MODES:
        why = f"VNET_MODE {name} is not available in this cloud yet; use SYSTEM"
    else:
        why = f"VNET_MODE is {name!r}; use SYSTEM"
    raise ConfigurationError(configuration.path, why)
