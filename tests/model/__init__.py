"""Tests of `euca.model`."""
