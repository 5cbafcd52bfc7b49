"""What at least two services must agree on: contracts, events, evaluation, messaging, settings, serving.

Imports nothing of ours. What only one service needs lives in that service. Members are imported by
their full path (`from common.contracts.events import …`); this file stays empty of code.
"""
