"""The published FeatureHub SDK for Python, unchanged, driven over JSON lines on stdin and stdout.

A question is {"id": 1, "op": "snapshot", …}; its answer {"id": 1, "result": …} or {"id": 1, "error": "…"}.
Lines without an id are what the SDK logged: {"log": "error", "text": "…"}; a thread that died of an
exception is one of them, as "crash".

It runs in an environment that holds nothing but the SDK, so it may import nothing of ours. It ends with
its parent (stdin closes) and at the latest when its time is up.
"""

import asyncio
import json
import logging
import os
import sys
import threading
import traceback

from featurehub_sdk.featurehub_config import FeatureHubConfig

OUT_OF_TIME = 90
_output = threading.Lock()


def send(message):
    with _output:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


class Forward(logging.Handler):
    """Send on what the SDK logs; some of its calls carry arguments that do not fit their message."""

    def emit(self, record):
        try:
            text = record.getMessage()
        except TypeError:
            text = f"{record.msg} {record.args!r}"
        send({"log": record.levelname.lower(), "text": text})


def report_crash(dead):
    text = "".join(traceback.format_exception(dead.exc_type, dead.exc_value, dead.exc_traceback))
    send({"log": "crash", "text": text})


class Agent:
    """One SDK configuration and the context that belongs to it."""

    def start(self, *, url, keys, mode, interval, attributes=None):
        self.config = FeatureHubConfig(url, keys)
        if mode == "poll":
            self.config.use_polling_edge_service(interval)
        self.context_held = None
        asyncio.run(self.config.init())
        # Server evaluation: init() starts the timer, build() only asks once (the SDK's own way).
        if attributes and not self.config.client_evaluated():
            self.context(attributes=attributes)

    def snapshot(self):
        repository = self.config.repository()
        features = {key: self._describe(feature) for key, feature in list(repository.features.items())}
        return {"readiness": "Ready" if repository.is_ready() else "NotReady", "features": features}

    def evaluate(self, *, keys, attributes=None):
        if not self.config.client_evaluated():
            return {key: self.config.repository().feature(key).get_value for key in keys}
        context = self._fill(self.config.new_context(), attributes)
        return {key: context.feature(key).get_value for key in keys}

    def context(self, *, attributes):
        self.context_held = self.context_held or self.config.new_context()
        asyncio.run(self._fill(self.context_held, attributes).build())

    def close(self):
        self.config.close()

    @staticmethod
    def _fill(context, attributes):
        context.clear()
        for name, values in (attributes or {}).items():
            context.attribute_values(name, values)
        return context

    @staticmethod
    def _describe(feature):
        if not feature.exists:
            return {"exists": False}
        state = feature.internal_feature_state
        return {
            "exists": True,
            "id": feature.id,
            "type": feature.feature_type,
            "value": feature.get_value,
            "locked": feature.locked,
            "version": feature.get_version,
            "strategy": state.get("v"),
        }


def main():
    limit = threading.Timer(float(sys.argv[1]) if len(sys.argv) > 1 else 120.0, os._exit, [OUT_OF_TIME])
    limit.daemon = True
    limit.start()
    logging.getLogger("featurehub_sdk").addHandler(Forward(level=logging.INFO))
    logging.getLogger("featurehub_sdk").setLevel(logging.INFO)
    threading.excepthook = report_crash
    agent = Agent()
    for line in sys.stdin:
        question = json.loads(line)
        number, operation = question.pop("id"), question.pop("op")
        try:
            send({"id": number, "result": getattr(agent, operation)(**question)})
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the answer
            send({"id": number, "error": "".join(traceback.format_exception(error))})
    os._exit(0)


if __name__ == "__main__":
    main()
