/*
 * The published FeatureHub SDK for browsers, unchanged, in a page: `agent(operation, parameters)` asks it, and what it
 * logs is told to `overheard(level, text)`, which the page's owner provides.
 */
import {
  EdgeFeatureHubConfig,
  FeatureHubEventSourceClient,
  FeatureHubPollingClient,
  FeatureUpdater,
  FHLog,
} from "featurehub-javascript-client-sdk";
import operationsOf from "./operations.cjs";

for (const level of ["log", "error"]) {
  FHLog.fhLog[level] = (...parts) => window.overheard(level, parts.map(String).join(" "));
}

const operations = operationsOf(
  { EdgeFeatureHubConfig, FeatureUpdater },
  {
    stream: (repository, own) => new FeatureHubEventSourceClient(own, repository),
    poll: (repository, own, interval) => new FeatureHubPollingClient(repository, own, interval),
  },
);

window.agent = (operation, parameters) => operations[operation](parameters);
