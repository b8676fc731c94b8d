import { assert, assertEquals } from "@std/assert";
import { createRequire } from "node:module";
import {
  explain,
  FinalError,
  isConcurrentTransaction,
  isFenced,
  isGroupInUse,
  isRejection,
  isRetriable,
} from "./errors.ts";
import { KafkaJSConnectionError, KafkaJSRequestTimeoutError } from "./kafkajs/mod.ts";

const require = createRequire(import.meta.url);
const { errorCodes, createErrorFromCode } = require("kafkajs/src/protocol/error") as {
  errorCodes: { type: string; code: number }[];
  createErrorFromCode(code: number): Error;
};
/** The errors that kafkajs's types do not show, or without their parameters. */
const {
  KafkaJSNoBrokerAvailableError,
  KafkaJSNotImplemented,
  KafkaJSNumberOfRetriesExceeded,
  KafkaJSSASLAuthenticationError,
} = require("kafkajs/src/errors") as {
  KafkaJSNoBrokerAvailableError: new () => Error;
  KafkaJSNotImplemented: new (message: string) => Error;
  KafkaJSNumberOfRetriesExceeded: new (error: Error, options: object) => Error;
  KafkaJSSASLAuthenticationError: new (message: string) => Error;
};

const SETTINGS = {
  brokers: ["127.0.0.1:9092"],
  clientId: "test",
  timeoutMs: 30_000,
  verbose: false,
  note: () => {},
};

/** The error that kafkajs makes of an error of Kafka's protocol. */
function protocolError(type: string): Error {
  return createErrorFromCode(errorCodes.find((each) => each.type === type)!.code);
}

/** The same after kafkajs has tried again for as long as it does. */
function afterRetries(error: Error): Error {
  return new KafkaJSNumberOfRetriesExceeded(error, { retryCount: 8, retryTime: 1_000 });
}

/** The types whose errors are final, each with why. */
const FINAL: Record<string, string> = {
  CLUSTER_AUTHORIZATION_FAILED: "a missing right",
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: "a missing right",
  GROUP_AUTHORIZATION_FAILED: "a missing right",
  TOPIC_AUTHORIZATION_FAILED: "a missing right",
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "a missing right",
  ILLEGAL_SASL_STATE: "a login that cannot work",
  SASL_AUTHENTICATION_FAILED: "a login that cannot work",
  UNSUPPORTED_SASL_MECHANISM: "a login that cannot work",
  UNSUPPORTED_COMPRESSION_TYPE: "a broker that cannot do it",
  UNSUPPORTED_FOR_MESSAGE_FORMAT: "a broker that cannot do it",
  UNSUPPORTED_VERSION: "a broker that cannot do it",
  INVALID_CONFIG: "a request that is wrong",
  INVALID_REQUEST: "a request that is wrong",
  INVALID_SESSION_TIMEOUT: "a request that is wrong",
  INVALID_TOPIC_EXCEPTION: "a request that is wrong",
  INVALID_TRANSACTION_TIMEOUT: "a request that is wrong",
  POLICY_VIOLATION: "a request that is wrong",
  MESSAGE_TOO_LARGE: "records that do not fit",
  RECORD_LIST_TOO_LARGE: "records that do not fit",
  INCONSISTENT_GROUP_PROTOCOL: "a group that assigns partitions in another way",
};

for (const { type } of errorCodes) {
  const why = FINAL[type];
  const name = why === undefined ? `retries ${type}` : `gives up at ${type}: ${why}`;
  Deno.test(`isRetriable ${name}`, () => {
    assertEquals(isRetriable(protocolError(type)), why === undefined);
    assertEquals(isRetriable(afterRetries(protocolError(type))), why === undefined);
  });
}

Deno.test("isRetriable gives up at errors of the client that come again every time", () => {
  assert(!isRetriable(new KafkaJSSASLAuthenticationError("wrong password")));
  assert(!isRetriable(new KafkaJSNotImplemented("ZSTD compression not implemented")));
  assert(!isRetriable(new FinalError("exactly once needs Kafka 2.5")));
  assert(!isRetriable(new Deno.errors.NotCapable("Requires env access to KAFKAJS_LOG_LEVEL")));
  assert(!isRetriable(new KafkaJSConnectionError('Requires net access to "10.0.0.1:9092", run …')));
});

Deno.test("isRetriable retries lost connections, silence and everything unknown", () => {
  assert(isRetriable(new KafkaJSConnectionError("Connection error: ECONNREFUSED")));
  assert(isRetriable(new KafkaJSRequestTimeoutError("Request Fetch timed out")));
  assert(isRetriable(new DOMException("no answer", "TimeoutError")));
  assert(isRetriable(new Error("something else")));
  assert(isRetriable(afterRetries(new KafkaJSNoBrokerAvailableError())));
});

Deno.test("isRetriable gives up at faults of a program, but not at kafkajs's lost sockets", () => {
  for (const Fault of [TypeError, RangeError, ReferenceError, SyntaxError]) {
    assert(!isRetriable(new Fault("a bug")));
    assert(!isRetriable(new Error("outer", { cause: new Fault("a bug") })));
  }
  const lostSocket = new TypeError("Cannot read properties of undefined (reading 'write')");
  lostSocket.stack = "TypeError: …\n    at Connection.send (/npm/kafkajs/2.2.4/src/x.js:1:1)";
  assert(isRetriable(lostSocket));
});

Deno.test("isFenced, isConcurrentTransaction and isGroupInUse see through kafkajs's wrapping", () => {
  assert(isFenced(afterRetries(protocolError("INVALID_PRODUCER_EPOCH"))));
  assert(isConcurrentTransaction(afterRetries(protocolError("CONCURRENT_TRANSACTIONS"))));
  assert(isGroupInUse(afterRetries(protocolError("UNKNOWN_MEMBER_ID"))));
  assert(!isFenced(protocolError("CONCURRENT_TRANSACTIONS")));
  assert(!isGroupInUse(new Error("UNKNOWN_MEMBER_ID")));
});

Deno.test("isRejection is for answers about the request alone, which leave the connection as it was", () => {
  assert(isRejection(protocolError("GROUP_ID_NOT_FOUND")));
  assert(!isRejection(protocolError("NOT_CONTROLLER")), "the client looks at the wrong broker");
  assert(!isRejection(new KafkaJSConnectionError("Closed connection")));
});

Deno.test("explain says that no broker answers, whatever form the silence has", () => {
  const silent = [
    new KafkaJSConnectionError("Connection error: ECONNREFUSED"),
    new KafkaJSRequestTimeoutError("Request Metadata timed out"),
    new KafkaJSNoBrokerAvailableError(),
    new DOMException("no answer within 5 ms", "TimeoutError"),
    Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }),
  ];
  for (const error of silent) {
    const { message } = explain(afterRetries(error), SETTINGS);
    assert(message.startsWith("no Kafka broker answers at 127.0.0.1:9092 (waited 30 s)"), message);
  }
});

Deno.test("explain names the permission that is missing and the login that failed", () => {
  const denied = new KafkaJSConnectionError('Requires net access to "10.0.0.1:9092", run again');
  assert(explain(denied, SETTINGS).message.startsWith("not permitted to connect to 10.0.0.1:9092"));
  const login = afterRetries(new KafkaJSSASLAuthenticationError("wrong password"));
  assertEquals(
    explain(login, SETTINGS).message,
    "the login at 127.0.0.1:9092 failed: wrong password",
  );
});

Deno.test("explain passes on what Deno does not permit", () => {
  const denied = new Deno.errors.NotCapable("Requires env access to KAFKAJS_LOG_LEVEL");
  assertEquals(explain(afterRetries(denied), SETTINGS), denied);
});

Deno.test("explain quotes an answer of Kafka with its type, and keeps our own words", () => {
  const { message } = explain(afterRetries(protocolError("NOT_ENOUGH_REPLICAS")), SETTINGS);
  assert(message.startsWith("Kafka at 127.0.0.1:9092 answered: "), message);
  assert(message.endsWith("(NOT_ENOUGH_REPLICAS)"), message);
  const own = new Error("there is no topic orders");
  assertEquals(explain(own, SETTINGS), own);
});
