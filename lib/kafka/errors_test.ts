import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createRequire } from "node:module";
import {
  explain,
  FinalError,
  isConcurrentTransaction,
  isFenced,
  isGroupInUse,
  isRejection,
  isRetriable,
  retryWhileRetriable,
} from "./errors.ts";
import { brokerError, type ErrorPlace } from "./kafkajs/named_errors.ts";
import {
  KafkaJSAggregateError,
  KafkaJSConnectionError,
  KafkaJSRequestTimeoutError,
} from "./kafkajs/mod.ts";
import { TokenError } from "./tokens.ts";

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
  INVALID_TIMESTAMP: "clocks that differ",
  UNSUPPORTED_COMPRESSION_TYPE: "a broker that cannot do it",
  UNSUPPORTED_FOR_MESSAGE_FORMAT: "a broker that cannot do it",
  UNSUPPORTED_VERSION: "a broker that cannot do it",
  SECURITY_DISABLED: "a broker that cannot do it",
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
  const denied = (host: string) =>
    explain(new KafkaJSConnectionError(`Requires net access to "${host}", run again`), SETTINGS);
  const [seed] = SETTINGS.brokers;
  assert(denied(seed!).message.startsWith(`not permitted to connect to ${seed}`));
  const named =
    `${seed} names kafka:9092 as a broker of its cluster; not permitted to connect to kafka`;
  assert(denied("kafka:9092").message.startsWith(named));
  const login = afterRetries(new KafkaJSSASLAuthenticationError("wrong password"));
  assertEquals(
    explain(login, SETTINGS).message,
    "the login was refused by 127.0.0.1:9092 (SASL): see the name and the password",
  );
});

Deno.test("explain says what a broker holds against a certificate of this client, or its lack", () => {
  const alert = (name: string) =>
    new KafkaJSConnectionError("alert", { code: `ERR_SSL_SSLV3_ALERT_${name}` });
  const withCertificate = { ...SETTINGS, security: { tls: { cert: "PEM", verifiesHost: true } } };
  const lacking = afterRetries(alert("BAD_CERTIFICATE"));
  assertEquals(isRetriable(lacking), false);
  assertStringIncludes(explain(lacking, SETTINGS).message, "expects a certificate of the client");
  assertStringIncludes(
    explain(alert("CERTIFICATE_UNKNOWN"), withCertificate).message,
    "does not accept the certificate of this client (alert CERTIFICATE_UNKNOWN)",
  );
  assertStringIncludes(
    explain(alert("HANDSHAKE_FAILURE"), SETTINGS).message,
    "refuses TLS as it is offered",
  );
  assertEquals(isRetriable(alert("INTERNAL_ERROR")), true);
});

Deno.test("explain names the token that was refused, and isRetriable a server that may come back", () => {
  for (const isFinal of [true, false]) {
    const error = afterRetries(new TokenError("the token was refused", { isFinal }));
    assertEquals(explain(error, SETTINGS).message, "the token was refused");
    assertEquals(isRetriable(error), !isFinal);
  }
});

Deno.test("explain passes on what Deno does not permit", () => {
  const denied = new Deno.errors.NotCapable("Requires env access to KAFKAJS_LOG_LEVEL");
  assertEquals(explain(afterRetries(denied), SETTINGS), denied);
});

Deno.test("explain quotes an answer of Kafka that has no words of ours, and keeps our own errors", () => {
  const { message } = explain(afterRetries(protocolError("KAFKA_STORAGE_ERROR")), SETTINGS);
  assert(message.startsWith("Kafka at 127.0.0.1:9092 answered: "), message);
  assert(message.endsWith("(KAFKA_STORAGE_ERROR)"), message);
  const own = new Error("there is no topic orders");
  assertEquals(explain(own, SETTINGS), own);
});

/** Answers of brokers about partition 2 of the orders, and what the user must learn from them. */
const ANSWERS: Record<string, string[]> = {
  NOT_ENOUGH_REPLICAS: ["partition 2 of orders", "min.insync.replicas"],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: ["partition 2 of orders", "min.insync.replicas"],
  REQUEST_TIMED_OUT: ["partition 2 of orders", "not confirmed in time"],
  LEADER_NOT_AVAILABLE: ["partition 2 of orders", "no leader"],
  UNKNOWN_TOPIC_OR_PARTITION: ["partition 2 of orders", "do not know", "deleted"],
  GROUP_COORDINATOR_NOT_AVAILABLE: ["coordinates", "__consumer_offsets", "no leader"],
  MESSAGE_TOO_LARGE: ["partition 2 of orders", "max.message.bytes"],
  RECORD_LIST_TOO_LARGE: ["partition 2 of orders", "max.message.bytes"],
  UNSUPPORTED_COMPRESSION_TYPE: ["brokers are too old", "another with --compression"],
  INVALID_TIMESTAMP: ["partition 2 of orders", "clocks", "message.timestamp.after.max.ms"],
  TOPIC_AUTHORIZATION_FAILED: ["not permitted", "right Write on topic orders"],
  SECURITY_DISABLED: ["no access control", "authorizer.class.name"],
  KAFKA_STORAGE_ERROR: ["partition 2 of orders", "127.0.0.1:9092"],
};

for (const [type, facts] of Object.entries(ANSWERS)) {
  Deno.test(`explain says what ${type} means`, () => {
    const place = { api: "Produce", topic: "orders", partition: 2 };
    const error = afterRetries(brokerError(type, place));
    assertSays(error, [...facts, `(${type})`]);
  });
}

Deno.test("explain names the right that is missing and the resource", () => {
  const denials: [string, ErrorPlace, string][] = [
    ["TOPIC", { api: "Metadata", topic: "t" }, "right Read, Write or Describe on topic t is"],
    ["TOPIC", { api: "Fetch", topic: "t", partition: 1 }, "right Read on topic t is missing"],
    ["GROUP", { api: "JoinGroup", group: "g" }, "right Read on group g is missing"],
    ["GROUP", { api: "DescribeGroups", group: "g" }, "right Describe on group g is missing"],
    [
      "GROUP",
      { api: "JoinGroup", group: "g-view-1b4e28ba-2fa1-11d2-883f-0016d3cca427" },
      "right Read on group g-view-* is missing",
    ],
    [
      "TRANSACTIONAL_ID",
      { api: "InitProducerId", transactionalId: "g-orders-3" },
      "right Write on transactional id g-orders-3 is missing",
    ],
    ["CLUSTER", { api: "CreateAcls" }, "right Alter on the cluster is missing"],
    ["CLUSTER", { api: "InitProducerId", topic: "t" }, "right Write on topic t is missing"],
    ["CLUSTER", { api: "Other" }, "a right on the cluster is missing"],
  ];
  for (const [kind, place, fact] of denials) {
    assertSays(afterRetries(brokerError(`${kind}_AUTHORIZATION_FAILED`, place)), [fact]);
  }
});

/** The refusals of a topic that is to be created, and what the user must learn from them. */
const REFUSALS: Record<string, string[]> = {
  POLICY_VIOLATION: ["topic orders cannot be created", "at least 3 replicas"],
  INVALID_REPLICATION_FACTOR: ["topic orders cannot be created", "at least 3 replicas"],
  TOPIC_AUTHORIZATION_FAILED: ["topic orders does not exist", "right Create", "administrator"],
  CLUSTER_AUTHORIZATION_FAILED: ["topic orders does not exist", "right Create", "administrator"],
};

for (const [type, facts] of Object.entries(REFUSALS)) {
  Deno.test(`explain says why a topic was not created: ${type}`, () => {
    const place = { api: "CreateTopics", topic: "orders", reason: "at least 3 replicas, please" };
    const refused = new KafkaJSAggregateError("Topic creation errors", [brokerError(type, place)]);
    assertSays(refused, [...facts, `(${type})`]);
  });
}

Deno.test("explain says how a broker that another one names cannot be reached", () => {
  const failures: [string, string][] = [
    ["ENOTFOUND", "the name cannot be resolved"],
    ["ECONNREFUSED", "connection refused"],
  ];
  for (const [code, reason] of failures) {
    const error = new KafkaJSConnectionError(`Connection error: ${code}`, {
      broker: "kafka-nowhere:9092",
      code,
    });
    assertSays(afterRetries(error), [
      "127.0.0.1:9092 names kafka-nowhere:9092 as a broker of its cluster",
      reason,
      "advertised.listeners",
    ]);
  }
});

Deno.test("explain says which request was not answered, and why a broker was not reached", () => {
  const timeout = new KafkaJSRequestTimeoutError("Request Metadata(key: 3, version: 6) timed out");
  assertSays(afterRetries(timeout), ["no Kafka broker answers", "Metadata was not answered"]);
  const refused = new KafkaJSConnectionError("Connection error: …", {
    broker: "127.0.0.1:9092",
    code: "ECONNREFUSED",
  });
  assertSays(afterRetries(refused), ["no Kafka broker answers", ": connection refused;"]);
});

Deno.test("explain keeps an error final, or one that another attempt can mend", () => {
  for (const { type } of errorCodes) {
    const error = afterRetries(protocolError(type));
    assertEquals(isRetriable(explain(error, SETTINGS)), isRetriable(error), type);
  }
  assert(!isRetriable(explain(new TypeError("x is not a function"), SETTINGS)));
  assert(isRetriable(explain(new KafkaJSConnectionError("ECONNREFUSED"), SETTINGS)));
});

Deno.test("explain never passes a fault of a program off as words of Kafka, and keeps its stack", () => {
  const fault = new TypeError("Cannot read properties of undefined (reading 'x')");
  fault.stack = "TypeError: …\n    at ourFunction (file:///app/lib/kafka/kafkajs/cluster.ts:1:1)";
  const explained = explain(afterRetries(fault), SETTINGS);
  assert(
    explained.message.startsWith("a fault of this program, not of Kafka: "),
    explained.message,
  );
  assertEquals(explained.stack, fault.stack);
  assert(!isRetriable(fault), "it is not a lost socket of kafkajs");
});

Deno.test("retryWhileRetriable throws the last answer, not the time-out that came after it", async () => {
  let attempts = 0;
  const failed = retryWhileRetriable(
    () =>
      attempts++ === 0
        ? Promise.reject(protocolError("NOT_ENOUGH_REPLICAS"))
        : new Promise<never>(() => {}),
    { ...SETTINGS, timeoutMs: 200 },
    { signal: new AbortController().signal },
  );
  assertEquals(await assertRejects(() => failed), protocolError("NOT_ENOUGH_REPLICAS"));
});

Deno.test("retryWhileRetriable ends as soon as the signal is aborted, whatever is under way", async () => {
  const controller = new AbortController();
  const ended = retryWhileRetriable(() => new Promise<never>(() => {}), SETTINGS, controller);
  controller.abort(new Error("stopped"));
  await assertRejects(() => ended, Error, "stopped");
});

function assertSays(error: Error, facts: string[]): void {
  const { message } = explain(error, SETTINGS);
  for (const fact of facts) assert(message.includes(fact), `"${fact}" is missing in: ${message}`);
}
