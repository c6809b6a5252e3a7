"""Tests of `euca.converge`."""
