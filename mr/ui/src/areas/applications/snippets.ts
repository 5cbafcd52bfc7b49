/**
 * Ready-to-paste beginnings for every SDK: pure texts from an Edge address, a key and a feature.
 *
 * Names of packages and calls are those of the published SDKs; every value is quoted as its language wants it. The
 * same texts stand in docs/sdks, which also says which of them were run: tests/e2e/test_sdk_snippets.py runs what it can
 * and compares the rest.
 */

export type KeyKind = 'client' | 'server';
export type FeatureType = 'BOOLEAN' | 'STRING' | 'NUMBER' | 'JSON';

export interface SnippetValues {
  edgeUrl: string;
  clientKey: string;
  serverKey: string;
  featureKey: string;
  featureType: FeatureType;
}

export type SnippetId =
  | 'node'
  | 'browser'
  | 'react'
  | 'python'
  | 'java'
  | 'go'
  | 'csharp'
  | 'ruby'
  | 'php'
  | 'swift'
  | 'android'
  | 'dart'
  | 'curl';

export interface Snippet {
  id: SnippetId;
  label: string;
  /** Which of the two keys belongs there: rules go to servers, never to browsers and apps. */
  key: KeyKind;
  install: string | null;
  code: string;
}

type Quote = (text: string) => string;

const json: Quote = (text) => JSON.stringify(text);
/** Ruby and PHP put no variables into single quotes. */
const single: Quote = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const kotlin: Quote = (text) => JSON.stringify(text).replaceAll('$', '\\$');
const shell: Quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

interface Names {
  url: string;
  key: string;
  feature: string;
}

function quoted(values: SnippetValues, kind: KeyKind, quote: Quote): Names {
  const key = kind === 'client' ? values.clientKey : values.serverKey;
  return { url: quote(values.edgeUrl), key: quote(key), feature: quote(values.featureKey) };
}

/** The accessor of a type, by language; SDKs name them differently. */
type Accessors = Record<FeatureType, string>;

function javascript(values: SnippetValues, library: string, kind: KeyKind): string {
  const { url, key, feature } = quoted(values, kind, json);
  const read: Accessors = { BOOLEAN: 'enabled', STRING: 'str', NUMBER: 'num', JSON: 'rawJson' };
  return `import { EdgeFeatureHubConfig } from '${library}';

const config = new EdgeFeatureHubConfig(${url}, ${key});
const context = await config.newContext().userKey('fred').build();
config.addReadinessListener((readiness) => {
  if (readiness === 'Ready') console.log(context.feature(${feature}).${read[values.featureType]});
});
`;
}

function react(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'server', json);
  const generic: Accessors = { BOOLEAN: '', STRING: '<string>', NUMBER: '<number>', JSON: '<string>' };
  return `import { FeatureHub, useFeature } from 'featurehub-react-sdk';

function Example() {
  const value = useFeature${generic[values.featureType]}(${feature});
  return <p>{String(value)}</p>;
}

export default function App() {
  return (
    <FeatureHub url=${`{${url}}`} apiKey=${`{${key}}`} userKey="fred">
      <Example />
    </FeatureHub>
  );
}
`;
}

function python(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'client', json);
  const read: Accessors = { BOOLEAN: 'get_flag', STRING: 'get_string', NUMBER: 'get_number', JSON: 'get_json' };
  return `import asyncio

from featurehub_sdk.featurehub_config import FeatureHubConfig


async def main() -> None:
    config = FeatureHubConfig(${url}, [${key}])
    await config.init()
    while not config.repository().is_ready():
        await asyncio.sleep(0.1)
    context = await config.new_context().user_key("fred").build()
    print(context.${read[values.featureType]}(${feature}))


asyncio.run(main())
`;
}

const JAVA: Accessors = { BOOLEAN: 'isEnabled()', STRING: 'getString()', NUMBER: 'getNumber()', JSON: 'getRawJson()' };

function java(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'client', json);
  return `import io.featurehub.client.ClientContext;
import io.featurehub.client.EdgeFeatureHubConfig;
import io.featurehub.client.FeatureHubConfig;
import java.util.concurrent.TimeUnit;

public class Example {
  public static void main(String[] arguments) throws Exception {
    FeatureHubConfig config = new EdgeFeatureHubConfig(${url}, ${key});
    config.streaming().init(10, TimeUnit.SECONDS);
    ClientContext context = config.newContext().userKey("fred").build().get();
    System.out.println(context.feature(${feature}).${JAVA[values.featureType]});
  }
}
`;
}

function android(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'server', kotlin);
  return `import io.featurehub.client.EdgeFeatureHubConfig

// get() waits for the server: not on the main thread.
fun readFeature() {
    val config = EdgeFeatureHubConfig(${url}, ${key})
    config.restPassive()
    val context = config.newContext().userKey("fred").build().get()
    println(context.feature(${feature}).${JAVA[values.featureType]})
}
`;
}

function go(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'client', json);
  const read: Accessors = { BOOLEAN: 'GetBoolean', STRING: 'GetString', NUMBER: 'GetNumber', JSON: 'GetRawJSON' };
  return `package main

import (
	"fmt"
	"log"

	featurehub "github.com/featurehub-io/featurehub-go-sdk"
	"github.com/featurehub-io/featurehub-go-sdk/pkg/models"
)

func main() {
	config, err := featurehub.New(${url}, ${key}).WithWaitForData(true).Connect()
	if err != nil {
		log.Fatal(err)
	}
	value, err := config.WithContext(&models.Context{Userkey: "fred"}).${read[values.featureType]}(${feature})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(value)
}
`;
}

function csharp(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'client', json);
  const read: Accessors = {
    BOOLEAN: 'BooleanValue',
    STRING: 'StringValue',
    NUMBER: 'Value',
    JSON: 'JsonValue',
  };
  return `using FeatureHubSDK;

var config = new EdgeFeatureHubConfig(${url}, ${key});
await config.Init();
var context = await config.NewContext().UserKey("fred").Build();
Console.WriteLine(context[${feature}].${read[values.featureType]});
`;
}

function ruby(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'client', single);
  const read: Accessors = { BOOLEAN: 'enabled?', STRING: 'string', NUMBER: 'number', JSON: 'raw_json' };
  return `require 'featurehub-sdk'

config = FeatureHub::Sdk::FeatureHubConfig.new(${url}, [${key}])
config.init
sleep 0.1 until config.repository.ready?
context = config.new_context.user_key('fred').build
puts context.feature(${feature}).${read[values.featureType]}
`;
}

function php(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'server', single);
  return `<?php
$address = rtrim(${url}, '/') . '/features?apiKey=' . rawurlencode(${key});
$options = ['http' => ['header' => 'x-featurehub: userkey=' . rawurlencode('fred')]];
$answer = file_get_contents($address, false, stream_context_create($options));
if ($answer === false) {
    throw new RuntimeException('The features could not be read.');
}
$features = array_column(json_decode($answer, true, 512, JSON_THROW_ON_ERROR)[0]['features'], 'value', 'key');
var_dump($features[${feature}] ?? null);
`;
}

function swift(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'server', json);
  const read: Accessors = { BOOLEAN: 'enabled', STRING: 'string', NUMBER: 'number', JSON: 'json' };
  return `import featurehub_swift_sdk

let context = EdgeFeatureHubConfig(${url}, [${key}]).start()
await context.attribute("userkey", "fred").build()
print(context.${read[values.featureType]}(${feature}))
`;
}

function dart(values: SnippetValues): string {
  const { url, key, feature } = quoted(values, 'server', kotlin);
  const read: Accessors = { BOOLEAN: 'booleanValue', STRING: 'stringValue', NUMBER: 'numberValue', JSON: 'jsonValue' };
  return `import 'package:featurehub_client_sdk/featurehub.dart';
import 'package:featurehub_client_sdk/featurehub_config.dart';

Future<void> main() async {
  final repository = ClientFeatureRepository();
  final config = FeatureHubConfig(${url}, [${key}], repository);
  await repository.clientContext.userKey('fred').build();
  await config.request();
  print(repository.feature(${feature}).${read[values.featureType]});
}
`;
}

function curl(values: SnippetValues): string {
  const base = values.edgeUrl.replace(/\/+$/, '');
  return `# Ask once
curl -i ${shell(`${base}/features?apiKey=${values.serverKey}`)} -H 'x-featurehub: userkey=fred'

# Listen to changes
curl -N ${shell(`${base}/features/${values.serverKey}`)} -H 'x-featurehub: userkey=fred'
`;
}

/** Every SDK's beginning, in the order in which they are offered. */
export function snippets(values: SnippetValues): Snippet[] {
  return [
    {
      id: 'node',
      label: 'Node.js',
      key: 'client',
      install: 'npm install featurehub-javascript-node-sdk',
      code: javascript(values, 'featurehub-javascript-node-sdk', 'client'),
    },
    {
      id: 'browser',
      label: 'JavaScript / TypeScript',
      key: 'server',
      install: 'npm install featurehub-javascript-client-sdk',
      code: javascript(values, 'featurehub-javascript-client-sdk', 'server'),
    },
    {
      id: 'react',
      label: 'React',
      key: 'server',
      install: 'npm install featurehub-react-sdk featurehub-javascript-client-sdk react',
      code: react(values),
    },
    { id: 'python', label: 'Python', key: 'client', install: 'pip install featurehub-sdk', code: python(values) },
    {
      id: 'java',
      label: 'Java',
      key: 'client',
      install: "implementation 'io.featurehub.sdk:featurehub-okhttp3-jackson2:4.1'",
      code: java(values),
    },
    {
      id: 'go',
      label: 'Go',
      key: 'client',
      install: 'go get github.com/featurehub-io/featurehub-go-sdk@v1',
      code: go(values),
    },
    { id: 'csharp', label: 'C#', key: 'client', install: 'dotnet add package FeatureHub.SDK', code: csharp(values) },
    { id: 'ruby', label: 'Ruby', key: 'client', install: 'gem install featurehub-sdk', code: ruby(values) },
    { id: 'php', label: 'PHP', key: 'server', install: null, code: php(values) },
    {
      id: 'swift',
      label: 'Swift',
      key: 'server',
      install: '.package(url: "https://github.com/featurehub-io/featurehub-swift-sdk", branch: "main")',
      code: swift(values),
    },
    {
      id: 'android',
      label: 'Android (Kotlin)',
      key: 'server',
      install: "implementation 'io.featurehub.sdk:featurehub-okhttp3-jackson2:4.1'",
      code: android(values),
    },
    {
      id: 'dart',
      label: 'Dart / Flutter',
      key: 'server',
      install: 'dart pub add featurehub_client_sdk',
      code: dart(values),
    },
    { id: 'curl', label: 'curl', key: 'server', install: null, code: curl(values) },
  ];
}
