"""The front door: the `burgee` command and the composition of each topology.

May import everything; nothing imports it.
"""
