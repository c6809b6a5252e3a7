"""Tests of euca.auth."""
