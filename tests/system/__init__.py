"""Tests of a whole cloud: real processes, a real hypervisor, real guests.

All of them use one cloud, which `./cloud up` makes in a temporary `$EUCALYPTUS` on loopback
addresses of its own when the first test asks for it, and which goes down with the last.
"""
