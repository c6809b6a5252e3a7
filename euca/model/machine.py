"""What a virtual machine is made of: its type and its place in the network."""

from __future__ import annotations

from attrs import frozen


@frozen
class VmType:
    """A size of instance: processors, memory in MB, disk in GB."""

    name: str
    cores: int
    memory: int
    disk: int


VM_TYPES = (
    VmType("m1.small", cores=1, memory=128, disk=2),
    VmType("c1.medium", cores=1, memory=256, disk=5),
    VmType("m1.large", cores=2, memory=512, disk=10),
    VmType("m1.xlarge", cores=2, memory=1024, disk=20),
    VmType("c1.xlarge", cores=4, memory=2048, disk=20),
)
"""The five types of Eucalyptus 2.0, with its initial values, in increasing order."""

NO_ADDRESS = "0.0.0.0"  # noqa: S104 (the wire's word for an address not known yet)


@frozen
class NetworkConfig:
    """The network of an instance; addresses are `0.0.0.0` until they are known."""

    mac: str
    private_ip: str = NO_ADDRESS
    public_ip: str = NO_ADDRESS
    vlan: int = -1
    index: int = -1
