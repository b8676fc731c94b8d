import { assertEquals, assertThrows } from "@std/assert";
import { original, repaired } from "../../../tests/support/kafkajs.ts";
import { OnDemand, type RequestDefinition } from "./on_demand.ts";
import type { Require } from "./repairs.ts";

/** A `require` that knows a class and notes when it is loaded. */
function requireNoting(notes: string[]): Require {
  const cache: Require["cache"] = {};
  const require = (name: string) => {
    cache[name] ??= (notes.push(`load ${name}`), {
      exports: class {
        parts: unknown[];
        constructor(...parts: unknown[]) {
          this.parts = parts;
        }
      },
    });
    return cache[name].exports;
  };
  return Object.assign(require, { resolve: (name: string) => name, cache });
}

Deno.test("OnDemand loads a part once, when it is first called, and repairs it right before", () => {
  const notes: string[] = [];
  const require = requireNoting(notes);
  const onDemand = new OnDemand(require);
  onDemand.whenCalled("part");
  onDemand.beforeLoading("part", () => notes.push("repair"));
  const Part = require("kafkajs/src/part") as new (...parts: unknown[]) => { parts: unknown[] };
  assertEquals(notes, []);

  assertEquals(new Part(1, 2).parts, [1, 2]);
  assertEquals(new Part(3).parts, [3]);
  assertEquals(notes, ["repair", "load kafkajs/src/part"]);
});

/** The requests that kafkajs can send, with the definition of each. */
function definitions(module: typeof original): [name: string, RequestDefinition][] {
  const { requests } = module("protocol/requests");
  const implemented = Object.entries(original("protocol/requests").requests)
    .filter(([, definition]) => (definition as RequestDefinition).versions.length > 0);
  return implemented.map(([name]) => [name, requests[name]]);
}

Deno.test("requests that are loaded on demand are the original's, in the same versions", () => {
  const [before, after] = [original, repaired].map(definitions);
  assertEquals(after!.length, 33);
  assertEquals(
    after!.map(([name, { versions }]) => [name, versions]),
    before!.map(([name, { versions }]) => [name, versions]),
  );
  const [keysBefore, keysAfter] = [original, repaired].map((module) =>
    module("protocol/requests/apiKeys")
  );
  assertEquals(keysAfter, keysBefore);
});

Deno.test("lookup chooses the version as the original does, and refuses what the broker lacks", () => {
  const definition = {
    versions: ["0", "1", "2"],
    protocol: ({ version }: { version: number }) => version,
  };
  const FETCH = 1;
  for (const module of [original, repaired]) {
    const { lookup } = module("protocol/requests");
    assertEquals(lookup({ [FETCH]: { maxVersion: 1 } })(FETCH, definition), 1);
    assertEquals(lookup({ [FETCH]: { maxVersion: 9 } })(FETCH, definition), 2);
    const error = assertThrows(() => lookup({})(FETCH, definition));
    const { name, message, apiKey, apiName } = error as Error & Record<string, unknown>;
    assertEquals({ name, message, apiKey, apiName }, {
      name: "KafkaJSServerDoesNotSupportApiKey",
      message: "The Kafka server does not support the requested API version",
      apiKey: FETCH,
      apiName: "Fetch",
    });
  }
});

/** Imports mod.ts where nothing else is loaded and posts the files of kafkajs that are loaded then. */
const LOADED = "data:text/javascript," + encodeURIComponent(`
  import { createRequire } from "node:module";
  await import(name);
  const { cache } = createRequire(name);
  postMessage(Object.keys(cache).filter((file) => cache[file].filename !== undefined));
`);

Deno.test("mod.ts loads neither logins, consumers, producers nor requests at the start", async () => {
  const { href } = new URL("mod.ts", import.meta.url);
  const worker = new Worker(LOADED, { type: "module", name: href });
  const files = await new Promise<string[]>((resolve) =>
    worker.onmessage = ({ data }) => resolve(data)
  );
  worker.terminate();
  assertEquals(files.some((file) => file.endsWith("/src/cluster/index.js")), true);
  const early = /saslAuthenticator|consumer\/runner|producer\/sendMessages|requests\/\w+\/index/;
  assertEquals(files.filter((file) => early.test(file)), []);
});
