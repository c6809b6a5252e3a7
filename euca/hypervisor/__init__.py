"""Runs guests on the host: one small interface, its memory double, and the only door to libvirt."""
