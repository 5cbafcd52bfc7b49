"""Strategy evaluation: which value a caller gets, why, and until when.

Pure: no I/O, no clock of its own, no logging. Must not know environments, accounts or transports.
"""
