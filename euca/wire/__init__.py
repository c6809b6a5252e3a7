"""The wire: SOAP contracts, services and clients made from them, and how they are mounted."""

import euca.wire.compat  # noqa: F401  # before anything of spyne, which no part may import sooner
