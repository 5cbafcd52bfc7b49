"""The apply rule: how a copy stays true to MR's log, whatever the way there loses or repeats.

Pure and synchronous: no I/O, no tasks, no clock of its own. `replica` is the rule for one process;
`positions` knows what was heard, `memory` what must not be forgotten, `environments` how one event
changes one snapshot.
"""
