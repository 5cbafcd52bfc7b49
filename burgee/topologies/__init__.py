"""COMPOSITION ROOTS: each topology is one module that opens its parts and hands each what it needs.

Nothing here decides anything: a part gets its collaborators as arguments, and what was opened is closed in
reverse order. `compose_…` opens, `run_…` serves until a signal. A module imports only what its own process
runs, so that an Edge does not carry MR's libraries.
"""
