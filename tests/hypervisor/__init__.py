"""Tests of `euca.hypervisor`."""
