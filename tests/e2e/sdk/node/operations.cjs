/*
 * What an agent can be asked, with any of the published JavaScript SDKs: that for Node, or that for browsers.
 */
"use strict";

/** `providers` says by what each mode connects; the SDKs have other defaults. */
module.exports = function operationsOf({ EdgeFeatureHubConfig, FeatureUpdater }, providers) {
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
      if (providers[mode]) {
        config.edgeServiceProvider((repository, own) => providers[mode](repository, own, interval * 1000));
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

  return operations;
};
