"""Tests of `euca.admin`."""
