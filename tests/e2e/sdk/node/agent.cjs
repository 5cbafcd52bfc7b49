/*
 * The published FeatureHub SDK for Node, unchanged, driven over JSON lines on stdin and stdout.
 *
 * A question is {"id": 1, "op": "snapshot", …}; its answer {"id": 1, "result": …} or {"id": 1, "error": "…"}.
 * Lines without an id are what the SDK logged: {"log": "error", "text": "…"}.
 *
 * It ends with its parent (stdin closes) and at the latest when its time is up. What the SDK fails to
 * catch ends the process, as it would end a customer's: that is something tests must be able to see.
 */
"use strict";

const readline = require("node:readline");
const util = require("node:util");
const {
  EdgeFeatureHubConfig,
  FeatureHubPollingClient,
  FeatureUpdater,
  FHLog,
} = require("featurehub-javascript-node-sdk");
const operationsOf = require("./operations.cjs");

const OUT_OF_TIME = 90;
setTimeout(() => process.exit(OUT_OF_TIME), Number(process.argv[2] || 120) * 1000);

const send = (message) => process.stdout.write(JSON.stringify(message) + "\n");

for (const level of ["log", "error"]) {
  FHLog.fhLog[level] = (...parts) => send({ log: level, text: util.format(...parts) });
}

const operations = operationsOf(
  { EdgeFeatureHubConfig, FeatureUpdater },
  { poll: (repository, own, interval) => new FeatureHubPollingClient(repository, own, interval) },
);

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { id, op, ...parameters } = JSON.parse(line);
  operations[op](parameters).then(
    (result) => send({ id, result }),
    (error) => send({ id, error: String((error && error.stack) || error) }),
  );
});
lines.on("close", () => process.exit(0));
