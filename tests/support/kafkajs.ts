/**
 * The modules of kafkajs with the repairs and as they were released, for tests that compare both.
 *
 * @module
 */
import { createRequire } from "node:module";
import { completeRepairs, type Require } from "../../lib/kafka/kafkajs/repairs.ts";

// deno-lint-ignore no-explicit-any -- kafkajs has no types for its inner modules
export type Modules = (name: string) => any;

const require = createRequire(import.meta.url) as unknown as Require;
const released: Require["cache"] = {};
completeRepairs();

/** A module of `kafkajs/src` as the programs use it, repaired. */
export const repaired: Modules = (name) => require(`kafkajs/src/${name}`);

/** A module of `kafkajs/src` as it was released, loaded into a cache of its own. */
export const original: Modules = (name) => {
  const { cache } = require;
  const inUse = { ...cache };
  replace(cache, released);
  try {
    return require(`kafkajs/src/${name}`);
  } finally {
    replace(released, cache);
    replace(cache, inUse);
  }
};

function replace(cache: Require["cache"], modules: Require["cache"]): void {
  for (const file of Object.keys(cache)) delete cache[file];
  Object.assign(cache, modules);
}
