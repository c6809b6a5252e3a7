"""Tests of `euca.nc`."""
