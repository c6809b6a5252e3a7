"""Tests of euca.walrus."""
