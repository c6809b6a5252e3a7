"""Tests of euca.sc."""
