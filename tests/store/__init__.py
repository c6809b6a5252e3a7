"""Tests of `euca.store`."""
