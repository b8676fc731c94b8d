/**
 * Errors of brokers that say what they are about: a topic and a partition, a group or a transactional id.
 * kafkajs drops it.
 *
 * @module
 */
import { createRequire } from "node:module";

/** What an error is about. */
export interface ErrorPlace {
  /** The name of the request, such as `Produce`. */
  api?: string;
  topic?: string;
  partition?: number;
  group?: string;
  transactionalId?: string;
  /** The broker's own words, where it sends any. */
  reason?: string;
}

/** kafkajs's `protocol/error`, as far as it is used here. */
interface ErrorModule {
  errorCodes: { type: string; code: number }[];
  failure(code: number): boolean;
  createErrorFromCode(code: number): Error;
}

const require = createRequire(import.meta.url);

function errorModule(): ErrorModule {
  return require("kafkajs/src/protocol/error") as ErrorModule;
}

/** The error that kafkajs makes of an error of this type, with its place. */
export function brokerError(type: string, place: ErrorPlace): Error {
  const { errorCodes, createErrorFromCode } = errorModule();
  const { code } = errorCodes.find((each) => each.type === type)!;
  return Object.assign(createErrorFromCode(code), place);
}

interface Failure extends ErrorPlace {
  errorCode: number;
}

/** Reads a response; throws its errors. */
type Parse<Response> = (response: Response) => Promise<Response>;

/** The error for a partition about which nothing is wrong but others of the same request. */
const OPERATION_NOT_ATTEMPTED = 55;

function parser<Response>(
  api: string,
  entriesOf: (response: Response) => Failure[],
): Parse<Response> {
  return (response) => {
    const { failure, createErrorFromCode } = errorModule();
    const failed = entriesOf(response).filter(({ errorCode }) => failure(errorCode));
    const first = failed.find(({ errorCode }) => errorCode !== OPERATION_NOT_ATTEMPTED) ??
      failed[0];
    if (first === undefined) return Promise.resolve(response);
    const { errorCode, ...place } = first;
    return Promise.reject(Object.assign(createErrorFromCode(errorCode), { ...place, api }));
  };
}

interface PartitionResult {
  partition: number;
  errorCode: number;
}

function placesOf(topic: string, partitions: PartitionResult[]): Failure[] {
  return partitions.map(({ partition, errorCode }) => ({ topic, partition, errorCode }));
}

/** The functions that replace `parse` of kafkajs's responses, by their modules. */
export const namingParsers = {
  "protocol/requests/produce/v3/response": parser(
    "Produce",
    ({ topics }: { topics: { topicName: string; partitions: PartitionResult[] }[] }) =>
      topics.flatMap(({ topicName, partitions }) => placesOf(topicName, partitions)),
  ),
  // Errors of partitions are left out: one without a leader must not hide the others.
  "protocol/requests/metadata/v0/response": parser(
    "Metadata",
    ({ topicMetadata }: { topicMetadata: { topic: string; topicErrorCode: number }[] }) =>
      topicMetadata.map(({ topic, topicErrorCode }) => ({ topic, errorCode: topicErrorCode })),
  ),
  "protocol/requests/listOffsets/v2/response": parser(
    "ListOffsets",
    ({ responses }: { responses: { topic: string; partitions: PartitionResult[] }[] }) =>
      responses.flatMap(({ topic, partitions }) => placesOf(topic, partitions)),
  ),
  "protocol/requests/addPartitionsToTxn/v0/response": parser(
    "AddPartitionsToTxn",
    ({ errors }: { errors: { topic: string; partitionErrors: PartitionResult[] }[] }) =>
      errors.flatMap(({ topic, partitionErrors }) => placesOf(topic, partitionErrors)),
  ),
  "protocol/requests/createPartitions/v0/response": parser(
    "CreatePartitions",
    ({ topicErrors }: {
      topicErrors: { topic: string; errorCode: number; errorMessage: string | null }[];
    }) =>
      topicErrors.map(({ topic, errorCode, errorMessage }) => ({
        topic,
        errorCode,
        ...errorMessage && { reason: errorMessage },
      })),
  ),
};

/** The response to a Fetch. */
interface FetchResponse {
  responses: { topicName: string; partitions: PartitionResult[] }[];
}

/** Adds the topic and the partition to the error of a fetch. */
export function namingFetched(original: Parse<FetchResponse>): Parse<FetchResponse> {
  return async (response) => {
    try {
      return await original(response);
    } catch (error) {
      const places = response.responses
        .flatMap(({ topicName, partitions }) => placesOf(topicName, partitions));
      const failed = places.find(({ errorCode }) => errorCode !== 0);
      const { topic, partition } = failed ?? {};
      throw Object.assign(error as Error, { api: "Fetch", topic, partition });
    }
  };
}

/** The response to CreateTopics. */
interface CreateTopicsResponse {
  topicErrors: { topic: string; errorMessage?: string | null }[];
}

/** Adds the broker's own words to the errors of each topic. */
export function namingRefusedTopics(
  original: Parse<CreateTopicsResponse>,
): Parse<CreateTopicsResponse> {
  return async (response) => {
    try {
      return await original(response);
    } catch (error) {
      for (const each of (error as { errors?: (Error & ErrorPlace)[] }).errors ?? []) {
        const { errorMessage } = response.topicErrors.find(({ topic }) => topic === each.topic) ??
          {};
        Object.assign(each, { api: "CreateTopics", ...errorMessage && { reason: errorMessage } });
      }
      throw error;
    }
  };
}

/** The coordinator type of transactional ids. */
const TRANSACTION = 1;

/** The requests of kafkajs's broker whose errors name nothing that was asked for. */
export const NAMED_REQUESTS = [
  "addOffsetsToTxn",
  "createAcls",
  "describeAcls",
  "describeGroups",
  "findGroupCoordinator",
  "heartbeat",
  "initProducerId",
  "joinGroup",
  "offsetCommit",
  "offsetFetch",
  "syncGroup",
  "txnOffsetCommit",
] as const;

/** What these requests are about, by kafkajs's names. */
interface NamedRequest {
  groupId?: string;
  groupIds?: string[];
  transactionalId?: string | null;
  topics?: { topic: string }[];
  /** In `findGroupCoordinator`: 1 when the `groupId` is a transactional id. */
  coordinatorType?: number;
}

type Send = (this: unknown, request: NamedRequest) => Promise<unknown>;

/** Adds to the errors of a request what it is about. */
export function namingRequest(name: string, original: Send): Send {
  const api = name[0]!.toUpperCase() + name.slice(1);
  return async function (request) {
    try {
      return await original.call(this, request);
    } catch (error) {
      throw Object.assign(error as Error, { api, ...subjectOf(request) });
    }
  };
}

function subjectOf(
  { groupId, groupIds, transactionalId, topics, coordinatorType }: NamedRequest,
): ErrorPlace {
  if (coordinatorType === TRANSACTION) return { transactionalId: groupId! };
  const group = groupId ?? onlyOne(groupIds);
  const topic = onlyOne(topics)?.topic;
  return {
    ...(group !== undefined && { group }),
    ...(topic !== undefined && { topic }),
    ...(transactionalId && { transactionalId }),
  };
}

function onlyOne<T>(items: readonly T[] = []): T | undefined {
  return items.length === 1 ? items[0] : undefined;
}
