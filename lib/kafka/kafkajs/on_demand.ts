/**
 * Parts of kafkajs that are loaded when they are first used. kafkajs loads all of its files at the start:
 * about 150, of which a program uses half, and reading the others takes as long as starting Deno does.
 *
 * @module
 */
import type { Require } from "./repairs.ts";

type Callable = (...args: unknown[]) => unknown;
type Class = new (...args: unknown[]) => object;

/** Loads parts of kafkajs at their first use, and repairs them right before. */
export class OnDemand {
  #require: Require;
  #repairs = new Map<string, (() => void)[]>();

  constructor(require: Require) {
    this.#require = require;
  }

  /** Has something done before a part is loaded that {@linkcode load} will load. */
  beforeLoading(part: string, repair: () => void): void {
    this.#repairs.getOrInsertComputed(part, () => []).push(repair);
  }

  /** A part, loaded now at the latest. */
  load(part: string): unknown {
    const repairs = this.#repairs.get(part) ?? [];
    this.#repairs.delete(part);
    for (const repair of repairs) repair();
    return this.#require(`kafkajs/src/${part}`);
  }

  /** Loads and repairs everything that waits for its use. */
  loadAll(): void {
    for (const part of [...this.#repairs.keys()]) this.load(part);
  }

  /** Lets modules that are loaded from now on have this instead of the exports of a part. */
  replace(part: string, exports: unknown): void {
    const file = this.#require.resolve(`kafkajs/src/${part}`);
    this.#require.cache[file] = { exports, loaded: true };
  }

  /** Loads a part that exports a function or a class when that is first called. */
  whenCalled(part: string): void {
    const file = this.#require.resolve(`kafkajs/src/${part}`);
    this.beforeLoading(part, () => delete this.#require.cache[file]);
    let loaded: unknown;
    const load = () => loaded ??= this.load(part);
    this.replace(part, function (...args: unknown[]) {
      return new.target === undefined
        ? (load() as Callable)(...args)
        : new (load() as Class)(...args);
    });
  }
}

/** A request in its versions, as kafkajs's modules `protocol/requests/…` export it. */
export interface RequestDefinition {
  versions: string[];
  protocol(of: { version: number }): unknown;
}

/** What a broker supports, by API key. */
type Versions = Record<number, { maxVersion?: number } | undefined>;

/** kafkajs's modules that `protocol/requests` is made from. */
export interface RequestInternals {
  apiKeys: Record<string, number>;
  KafkaJSServerDoesNotSupportApiKey: new (
    message: string,
    at: { apiKey: number; apiName: string | undefined },
  ) => Error;
}

/**
 * Creates the module `protocol/requests`. The original loads the definitions of all requests.
 *
 * @param load Loads the definition of a request, by the folder that it is in.
 */
export function requestsOnDemand(
  load: (folder: string) => unknown,
  { apiKeys, KafkaJSServerDoesNotSupportApiKey }: RequestInternals,
) {
  const requests = {};
  for (const name of Object.keys(apiKeys)) {
    Object.defineProperty(requests, name, {
      enumerable: true,
      get: () => load(`protocol/requests/${folderOf(name)}`),
    });
  }
  const lookup = (versions: Versions) => (apiKey: number, definition: RequestDefinition) => {
    const supported = versions[apiKey]?.maxVersion;
    if (supported === undefined) {
      const apiName = Object.keys(apiKeys).find((name) => apiKeys[name] === apiKey);
      throw new KafkaJSServerDoesNotSupportApiKey(
        "The Kafka server does not support the requested API version",
        { apiKey, apiName },
      );
    }
    const known = Math.max(...definition.versions.map(Number));
    return definition.protocol({ version: Math.min(known, supported) });
  };
  return { requests, lookup };
}

function folderOf(api: string): string {
  return api === "GroupCoordinator"
    ? "findCoordinator"
    : api.replace(/^./, (letter) => letter.toLowerCase());
}
