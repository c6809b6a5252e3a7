"""The operations of the cloud: one method each, from a request to what was recorded or found.

They are kept by their nouns. Refusals are `CloudError`s; the front ends turn them into what their
protocol prescribes.
"""

from __future__ import annotations

from attrs import frozen

from euca.clc.images import Images
from euca.clc.instances import Instances
from euca.clc.key_pairs import KeyPairs
from euca.clc.zones import Zones


@frozen
class Cloud:
    """The cloud, as its users know it."""

    zones: Zones
    images: Images
    key_pairs: KeyPairs
    instances: Instances
