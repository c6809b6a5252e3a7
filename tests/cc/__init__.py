"""Tests of the cluster controller."""
