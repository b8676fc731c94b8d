/**
 * Repairs kafkajs 2.2.4, whose last release is from 2023: replaces some of its functions in the
 * module cache, before anything uses them.
 *
 * Each replacement names the issue or pull request at https://github.com/tulios/kafkajs, where there
 * is one. The test beside it runs kafkajs's own function, too: what must stay is the same in both,
 * and the fault shows in the original. (The codecs of compression.ts have no original.) In another
 * version nothing is replaced and every program fails at its start: check then which repairs are
 * still needed.
 *
 * This module must be loaded before kafkajs; mod.ts does so.
 *
 * @module
 */
import { createRequire } from "node:module";
import process from "node:process";
import { type CreateAdmin, rememberingClusters } from "./admin_cluster.ts";
import { codecs } from "./compression.ts";
import { type CoordinatorLookup, rememberingCoordinators } from "./coordinators.ts";
import { movingPastEmptyBatches } from "./fetched_batch.ts";
import { decodingInPlace } from "./fetched_records.ts";
import { groupMessagesPerPartition } from "./group_by_partition.ts";
import {
  type Authenticate,
  endingFailedLogins,
  isAuthenticated,
  type Sending,
  sendingLoginsAlone,
} from "./logins.ts";
import {
  type EncodeInternals,
  encodingIntoOneBuffer,
  type ProduceRequest,
} from "./produce_request.ts";
import { type FrameRequest, framingOnce } from "./frame_request.ts";
import { type FetchLoop, fetchLoop, setDefaultOffset } from "./fetch_loop.ts";
import {
  knowingLeaderless,
  type LeaderLookup,
  lookingForLeaders,
  type MetadataRequest,
  type RefreshMetadata,
  takingTopicsByName,
} from "./metadata.ts";
import {
  NAMED_REQUESTS,
  namingFetched,
  namingParsers,
  namingRefusedTopics,
  namingRequest,
} from "./named_errors.ts";
import { OnDemand, type RequestInternals, requestsOnDemand } from "./on_demand.ts";
import {
  type Connect,
  countingReceived,
  type FulfillRequest,
  notingAnswers,
  scheduleCheckPendingRequests,
  scheduleRequestTimeoutCheck,
  type WaitForRequests,
  waitingForAllButFetches,
} from "./request_queue.ts";
import {
  choosingSeedBrokers,
  connect,
  type ConnectionPoolBuilder,
  withBroker,
} from "./seed_brokers.ts";
import { sendingEachPartitionOnce, type SendInternals } from "./send_messages.ts";

/** The parts of `require` that are used here; a test passes its own. */
export interface Require {
  /** The exports of a module. */
  (name: string): unknown;
  /** The file of a module. */
  resolve(name: string): string;
  /** The loaded modules by their files. */
  cache: Record<string, { exports: unknown; loaded?: boolean } | undefined>;
}

/** The only version that the replacements fit. */
const VERSION = "2.2.4";

const FILE = "lib/kafka/kafkajs/repairs.ts";

withoutEnvironment();
const onDemand = applyRepairs(requireFromWithin());

/**
 * Hides the environment from packages. kafkajs changes its retries with `NODE_ENV`, and logs more than
 * its settings say with `KAFKAJS_LOG_LEVEL`, `KAFKAJS_DEBUG_PROTOCOL_BUFFERS` and others; this project
 * passes all settings explicitly, and permits no such variable.
 */
function withoutEnvironment(): void {
  process.env = {};
}

/**
 * A `require` that finds kafkajs's modules from its own folder. From here a package is looked for in
 * every folder above, each time: six times as long.
 */
function requireFromWithin(): Require {
  const { resolve } = createRequire(import.meta.url);
  const require = createRequire(resolve("kafkajs/package.json"));
  const inside = (name: string) => name.replace(/^kafkajs\b/, ".");
  return Object.assign((name: string) => require(inside(name)), {
    resolve: (name: string) => require.resolve(inside(name)),
    cache: require.cache as unknown as Require["cache"],
  });
}

/** Loads and repairs what waits for its first use; for tests. */
export function completeRepairs(): void {
  onDemand.loadAll();
}

/**
 * Replaces the functions; called once, when this module is loaded.
 *
 * @returns What is loaded and repaired later.
 * @throws {Error} When kafkajs has another version or other functions than expected, or is in use.
 */
export function applyRepairs(require: Require): OnDemand {
  const { version } = require("kafkajs/package.json") as { version: string };
  if (version !== VERSION) {
    throw new Error(`the repairs are for kafkajs ${VERSION}, not for ${version}: see ${FILE}`);
  }
  if (require.cache[require.resolve("kafkajs")] !== undefined) {
    throw new Error(`kafkajs was loaded before its repairs: import lib/kafka/kafkajs/mod.ts`);
  }
  const onDemand = new OnDemand(require);
  loadOnDemand(require, onDemand);
  repairRequestQueue(require);
  repairLogins(require, onDemand);
  repairResponses(require, onDemand);
  repairConnecting(require);
  repairEncoding(require, onDemand);
  repairCoordinatorLookup(require);
  repairMetadata(require, onDemand);
  replaceExport<CreateAdmin>(require, "admin", rememberingClusters);
  onDemand.beforeLoading("producer", () => repairProducer(require));
  onDemand.beforeLoading("consumer", () => repairConsumer(require));
  return onDemand;
}

/** Before everything else: what is loaded keeps references to what it loads. */
function loadOnDemand(require: Require, onDemand: OnDemand): void {
  onDemand.replace(
    "protocol/requests",
    requestsOnDemand((folder) => onDemand.load(folder), {
      apiKeys: require("kafkajs/src/protocol/requests/apiKeys"),
      ...require("kafkajs/src/errors") as object,
    } as RequestInternals),
  );
  onDemand.whenCalled("broker/saslAuthenticator");
  onDemand.whenCalled("producer/partitioners/default");
  onDemand.whenCalled("producer/partitioners/legacy");
  onDemand.whenCalled("producer");
  onDemand.whenCalled("consumer");
}

function repairRequestQueue(require: Require): void {
  const name = "network/requestQueue";
  const queue = requireMethods(require, name, ["waitForPendingRequests", "fulfillRequest"]);
  replaceMethods(require, name, {
    fulfillRequest: notingAnswers(queue.fulfillRequest as FulfillRequest),
    scheduleCheckPendingRequests,
    scheduleRequestTimeoutCheck,
    waitForPendingRequests: waitingForAllButFetches(
      queue.waitForPendingRequests as WaitForRequests,
      require("kafkajs/src/errors") as Parameters<typeof waitingForAllButFetches>[1],
    ),
  });
  const encoder = requireFunction(require, "protocol/encoder");
  // Before the connection, which keeps a reference to the function.
  replaceExport<FrameRequest>(
    require,
    "protocol/request",
    () => framingOnce(encoder as Parameters<typeof framingOnce>[0]),
  );
  const { connect } = requireMethods(require, "network/connection", ["connect"]);
  replaceMethods(require, "network/connection", { connect: countingReceived(connect as Connect) });
}

function repairLogins(require: Require, onDemand: OnDemand): void {
  const queue = requireMethods(require, "network/requestQueue", [
    "push",
    "canSendSocketRequestImmediately",
  ]);
  const { push, canSendSocketRequestImmediately } = queue;
  Object.assign(queue, sendingLoginsAlone({ push, canSendSocketRequestImmediately } as Sending));
  replaceMethods(require, "network/connection", { isAuthenticated });
  const name = "broker/saslAuthenticator";
  onDemand.beforeLoading(name, () => {
    const { authenticate } = requireMethods(require, name, ["authenticate"]);
    replaceMethods(require, name, {
      authenticate: endingFailedLogins(authenticate as Authenticate),
    });
  });
}

function repairResponses(require: Require, onDemand: OnDemand): void {
  const later = <P>(name: string, replacement: (original: P) => unknown) =>
    onDemand.beforeLoading(requestOf(name), () => replaceParse(require, name, replacement));
  for (const [name, parse] of Object.entries(namingParsers)) later(name, () => parse);
  later("protocol/requests/createTopics/v0/response", namingRefusedTopics);
  later("protocol/requests/fetch/v0/response", namingFetched);
  const broker = requireMethods(require, "broker", [...NAMED_REQUESTS]);
  const named = NAMED_REQUESTS.map((name) => [
    name,
    namingRequest(name, broker[name] as Parameters<typeof namingRequest>[1]),
  ]);
  replaceMethods(require, "broker", Object.fromEntries(named));
}

/** The part that loads a module of a request. */
function requestOf(name: string): string {
  return name.split("/").slice(0, 3).join("/");
}

function repairConnecting(require: Require): void {
  // Before the cluster, which keeps a reference to the function.
  replaceExport<ConnectionPoolBuilder>(
    require,
    "cluster/connectionPoolBuilder",
    choosingSeedBrokers,
  );
  replaceMethods(require, "cluster/brokerPool", { connect, withBroker });
}

function repairMetadata(require: Require, onDemand: OnDemand): void {
  const encoder = requireFunction(require, "protocol/encoder");
  const byName = takingTopicsByName(encoder as Parameters<typeof takingTopicsByName>[0]);
  // Versions 2 and 3 are built on the first of these, 5 and 6 on the second.
  for (const version of ["v1", "v4"]) {
    const name = `protocol/requests/metadata/${version}/request`;
    onDemand.beforeLoading(
      requestOf(name),
      () => replaceExport<MetadataRequest>(require, name, byName),
    );
  }
  const cluster = requireMethods(require, "cluster", [
    "metadata",
    "findLeaderForPartitions",
    "fetchTopicsOffset",
  ]);
  replaceMethods(require, "cluster", {
    ...knowingLeaderless(
      {
        metadata: cluster.metadata,
        findLeaderForPartitions: cluster.findLeaderForPartitions,
        fetchTopicsOffset: cluster.fetchTopicsOffset,
      } as LeaderLookup,
    ),
  });
  const pool = requireMethods(require, "cluster/brokerPool", ["refreshMetadata"]);
  replaceMethods(require, "cluster/brokerPool", {
    refreshMetadata: lookingForLeaders(pool.refreshMetadata as RefreshMetadata),
  });
}

function repairProducer(require: Require): void {
  replaceExport(require, "producer/groupMessagesPerPartition", () => groupMessagesPerPartition);
  const { staleMetadata } = require("kafkajs/src/protocol/error") as SendInternals;
  const responseSerializer = requireFunction(require, "producer/responseSerializer");
  replaceExport(require, "producer/sendMessages", () =>
    sendingEachPartitionOnce({
      groupMessagesPerPartition,
      responseSerializer,
      staleMetadata,
    } as SendInternals));
}

function repairEncoding(require: Require, onDemand: OnDemand): void {
  const compression = require("kafkajs/src/protocol/message/compression") as { Codecs: object };
  Object.assign(compression.Codecs, codecs);
  const internals = {
    Encoder: requireFunction(require, "protocol/encoder"),
    ...compression as object,
  } as EncodeInternals;
  const produce = "protocol/requests/produce/v3/request";
  onDemand.beforeLoading(requestOf(produce), () =>
    replaceExport(
      require,
      produce,
      (original: ProduceRequest) => encodingIntoOneBuffer(original, internals),
    ));
  const decode = "protocol/requests/fetch/v4/decodeMessages";
  onDemand.beforeLoading(
    requestOf(decode),
    () => replaceExport(require, decode, decodingInPlace),
  );
}

function repairConsumer(require: Require): void {
  requireMethods(require, "consumer/batch", ["isEmpty", "isEmptyDueToFiltering", "lastOffset"]);
  replaceExport(require, "consumer/batch", movingPastEmptyBatches);
  const group = requireMethods(require, "consumer/consumerGroup", ["fetch", "resume"]);
  const runner = requireMethods(require, "consumer/runner", ["fetch", "handleBatch", "stop"]);
  const { fetch, resume, fetchOfRunner, handleBatch, stop } = fetchLoop({
    fetch: group.fetch,
    resume: group.resume,
    fetchOfRunner: runner.fetch,
    handleBatch: runner.handleBatch,
    stop: runner.stop,
  } as FetchLoop);
  replaceMethods(require, "consumer/consumerGroup", { fetch, resume });
  replaceMethods(require, "consumer/runner", { fetch: fetchOfRunner, handleBatch, stop });
  replaceMethods(require, "consumer/offsetManager", { setDefaultOffset });
}

function repairCoordinatorLookup(require: Require): void {
  const { findGroupCoordinatorMetadata, refreshMetadata } = requireMethods(require, "cluster", [
    "findGroupCoordinatorMetadata",
    "refreshMetadata",
  ]);
  replaceMethods(require, "cluster", {
    ...rememberingCoordinators(
      { findGroupCoordinatorMetadata, refreshMetadata } as CoordinatorLookup,
    ),
  });
}

/** Replaces the function that a module exports. */
function replaceExport<F>(require: Require, name: string, replacement: (original: F) => F): void {
  const original = requireFunction(require, name) as F;
  require.cache[require.resolve(`kafkajs/src/${name}`)]!.exports = replacement(original);
}

/** Replaces the function by which the module of a response finds errors. */
function replaceParse<P>(
  require: Require,
  name: string,
  replacement: (original: P) => unknown,
): void {
  const module = require(`kafkajs/src/${name}`) as { parse?: unknown };
  if (typeof module?.parse !== "function") {
    throw new Error(`kafkajs/src/${name} has no function "parse" to replace: see ${FILE}`);
  }
  module.parse = replacement(module.parse as P);
}

/** Replaces methods of the class that a module exports. */
function replaceMethods(
  require: Require,
  name: string,
  // deno-lint-ignore no-explicit-any -- the methods of any class
  methods: Record<string, (this: any, ...args: any[]) => unknown>,
): void {
  Object.assign(requireMethods(require, name, Object.keys(methods)), methods);
}

/** The prototype of the class that a module exports, which must have these methods. */
function requireMethods(
  require: Require,
  name: string,
  methods: string[],
): Record<string, unknown> {
  const { prototype } = requireFunction(require, name) as { prototype: Record<string, unknown> };
  for (const method of methods) {
    if (typeof prototype?.[method] !== "function") {
      throw new Error(`kafkajs/src/${name} has no method "${method}" to replace: see ${FILE}`);
    }
  }
  return prototype;
}

/** The function or class that a module exports. */
function requireFunction(require: Require, name: string): unknown {
  const exported = require(`kafkajs/src/${name}`);
  if (typeof exported !== "function") {
    throw new Error(`kafkajs/src/${name} exports no function to replace: see ${FILE}`);
  }
  return exported;
}
