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

const OUT_OF_TIME = 90;
setTimeout(() => process.exit(OUT_OF_TIME), Number(process.argv[2] || 120) * 1000);

const send = (message) => process.stdout.write(JSON.stringify(message) + "\n");

for (const level of ["log", "error"]) {
  FHLog.fhLog[level] = (...parts) => send({ log: level, text: util.format(...parts) });
}

let config;
let context;
const readiness = [];

function fill(target, attributes) {
  target.clear();
  for (const [name, values] of Object.entries(attributes || {})) target.attributeValues(name, values);
  return target;
}

function describe(feature) {
  const state = feature.getFeatureState();
  if (state === undefined) return { exists: false };
  return {
    exists: feature.exists,
    id: state.id,
    type: feature.getType(),
    value: state.value === undefined ? null : state.value,
    locked: feature.locked,
    version: feature.version,
    strategy: state.v === undefined ? null : state.v,
  };
}

function evaluated(feature) {
  const value = feature.getType() === "JSON" ? feature.getRawJson() : feature.value;
  return value === undefined ? null : value;
}

const operations = {
  async start({ url, keys, mode, interval, attributes }) {
    config = new EdgeFeatureHubConfig(url, keys[0]);
    for (const key of keys.slice(1)) config.apiKey(key);
    if (mode === "poll") {
      config.edgeServiceProvider((repository, own) => new FeatureHubPollingClient(repository, own, interval * 1000));
    }
    config.addReadinessListener((state) => readiness.push(state));
    if (config.clientEvaluated() || !attributes) {
      config.init();
      return null;
    }
    return operations.context({ attributes });
  },

  async snapshot() {
    const repository = config.repository();
    const features = {};
    for (const [key, feature] of repository.features) features[key] = describe(feature);
    return { readiness: repository.readyness, history: readiness, features };
  },

  /** Values as a program would read them, with a context of this question alone (client evaluation). */
  async evaluate({ keys, attributes }) {
    const asker = config.clientEvaluated() ? fill(config.newContext(), attributes) : config.repository();
    return Object.fromEntries(keys.map((key) => [key, evaluated(asker.feature(key))]));
  },

  /** Replace the long-lived context (server evaluation: this asks the server again). */
  async context({ attributes }) {
    context = context || config.newContext();
    await fill(context, attributes).build();
    return null;
  },

  /** What the SDK's test client answers: true for any 2xx. */
  async update({ key, update }) {
    return new FeatureUpdater(config).updateKey(key, update);
  },

  async close() {
    config.close();
    return null;
  },
};

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { id, op, ...parameters } = JSON.parse(line);
  operations[op](parameters).then(
    (result) => send({ id, result }),
    (error) => send({ id, error: String((error && error.stack) || error) }),
  );
});
lines.on("close", () => process.exit(0));
