/**
 * What brokers refuse, and where they cannot be reached: the message says what happened.
 *
 * @module
 */
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { HOST, type NodeSpec } from "../../dev_broker/config.ts";
import { freePorts } from "../../dev_broker/free_ports.ts";
import { kafkaClient, withAdmin } from "../../lib/kafka/client.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import { createMissingTopics, existingTopics } from "../../lib/kafka/create_topics.ts";
import { chosenPartition } from "../../lib/kafka/producers.ts";
import { inventoryEvents, orderEvents, orderMetrics } from "../../lib/topics.ts";
import { createTopic } from "../support/admin.ts";
import { testCluster } from "../support/broker.ts";
import { setScramPassword } from "../support/kafka_tools.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** Starts the producer, waits for its failure and returns what it says. */
async function producerFailure(run: TestRun, args: string[]): Promise<string> {
  const { exitCode, stderr } = await run.start("producer.ts", args).ended;
  assertEquals(exitCode, 1, stderr);
  return stderr;
}

Deno.test("producer names the topic that does not take the time of its records, at once", async () => {
  await using run = await testRun("clock");
  const topic = orderEvents(run.prefix).name;
  await createTopic(run.settings, topic, {
    partitions: 2,
    topicSettings: { "message.timestamp.before.max.ms": "0" },
  });
  const stderr = await producerFailure(run, ["--count", "20000", "--timeout", "1h"]);
  assertStringIncludes(stderr, ` of ${topic} does not take records with the time 20`);
  assertStringIncludes(stderr, "orders are not acknowledged");
});

Deno.test("producer names the topic that is deleted while it produces", async () => {
  await using run = await testRun("deleted");
  const topic = orderEvents(run.prefix).name;
  let acknowledged = false;
  const producer = run.start("producer.ts", [
    ...["--count", "1000000", "--rate", "2000", "--timeout", "10s"],
  ], (line) => acknowledged ||= line.includes("1000 orders acknowledged"));
  await eventually("the producer works", () => acknowledged);
  const admin = adminPool(run.settings);
  await admin.use((client) => client.deleteTopics({ topics: [topic] }));
  await admin.close();
  const { exitCode, stderr } = await producer.ended;
  assertEquals(exitCode, 1);
  assertStringIncludes(stderr, "the brokers do not know ");
  assertStringIncludes(stderr, `${topic}: it was deleted`);
});

Deno.test("analytics names the topic whose end it cannot read because of an open transaction", async () => {
  await using run = await testRun("undecided");
  await run.json("producer.ts", ["--count", "100"]);
  await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  const metrics = orderMetrics(`${run.prefix}analytics`).name;
  const foreign = kafkaClient(run.settings).producer({
    transactionalId: `${run.prefix}foreign`,
    createPartitioner: chosenPartition,
  });
  await foreign.connect();
  const transaction = await foreign.transaction();
  await transaction.send({ topic: metrics, messages: [{ partition: 0, key: "0/x", value: "{}" }] });
  const { exitCode, stderr } = await run.start("analytics.ts", [
    ...["--until-end", "--timeout", "3s", "--output", run.file],
  ]).ended;
  assertEquals(exitCode, 1);
  assertStringIncludes(stderr, `error: topic ${metrics} was not read to its end within 3 s: `);
  await transaction.abort();
  await foreign.disconnect();
});

Deno.test("inventory fits its batches to topics that take little, and names a record that is too large", async () => {
  await using run = await testRun("small");
  const topic = inventoryEvents(run.prefix).name;
  await createTopic(run.settings, topic, {
    partitions: 2,
    topicSettings: { "max.message.bytes": "1000" },
  });
  await run.json("producer.ts", ["--count", "2000"]);
  await run.json("inventory.ts", ["--until-end", "--compression", "none"]);
  await readLedger(run, { inventory: true });

  const admin = adminPool(run.settings);
  const setLimit = { name: "max.message.bytes", value: "120" };
  await admin.use((client) =>
    client.alterConfigs({
      validateOnly: false,
      resources: [{ type: 2, name: topic, configEntries: [setLimit] }],
    })
  );
  await admin.close();
  await run.json("producer.ts", ["--count", "10"]);
  const { exitCode, stderr } = await run.start("inventory.ts", ["--until-end"]).ended;
  assertEquals(exitCode, 1, stderr);
  assertStringIncludes(stderr, `a record for partition `);
  assertStringIncludes(stderr, `of ${topic} does not fit`);
  assertStringIncludes(stderr, `max.message.bytes is 120`);
});

Deno.test("all programs work with the partitions and the record times of existing topics", async () => {
  await using run = await testRun("existing");
  const create = (name: string, partitions: number, topicSettings?: Record<string, string>) =>
    createTopic(run.settings, name, { partitions, topicSettings });
  const appendTime = { "message.timestamp.type": "LogAppendTime" };
  await create(orderEvents(run.prefix).name, 3, appendTime);
  await create(inventoryEvents(run.prefix).name, 2, appendTime);
  await create(`${run.prefix}order-events-dlq`, 2);
  await create(`${run.prefix}analytics-order-metrics`, 1, {
    "cleanup.policy": "compact",
    ...appendTime,
  });
  await run.json("producer.ts", ["--count", "1000"]);
  await run.json("inventory.ts", ["--until-end"]);
  const report = await run.json("analytics.ts", ["--until-end", "--output", run.file]);
  const ledger = await readLedger(run, { inventory: true });
  assertEquals([ledger.orders, report.total_orders], [1_000, 1_000]);
  const { stdout } = await run.start("show.ts", ["orders", "--from", "-1h", "--tail", "5"]).ended;
  assertEquals(stdout.trim().split("\n").length, 5);
});

Deno.test("connectAdmin says that the other side expects TLS", async () => {
  const [port] = freePorts(1);
  using listener = Deno.listen({ hostname: HOST, port: port! });
  (async () => {
    for await (const client of listener) {
      await client.read(new Uint8Array(100));
      // What TLS sends when it is not spoken to in TLS: a fatal alert, "unexpected message".
      await client.write(Uint8Array.of(0x15, 3, 3, 0, 2, 2, 10));
      client.close();
    }
  })();
  const settings = settingsFor(`${HOST}:${port}`);
  await assertRejects(
    () => withAdmin(settings, new AbortController().signal, () => Promise.resolve()),
    Error,
    `${HOST}:${port} expects TLS`,
  );
});

function settingsFor(...brokers: string[]) {
  return { brokers, clientId: "test", timeoutMs: 1_500, verbose: false, note: () => {} };
}

/** Settings of a broker with access rules that has, beside its usual listener, these. */
function settingsWith(
  node: NodeSpec,
  { login, six, misnamed, nobody }: Record<"login" | "six" | "misnamed" | "nobody", number>,
): Record<string, string> {
  const listeners = [
    `PLAINTEXT://${HOST}:${node.port}`,
    `LOGIN://${HOST}:${login}`,
    `SIX://[::1]:${six}`,
  ];
  return {
    "listeners": [
      ...listeners,
      `MISNAMED://${HOST}:${misnamed}`,
      `CONTROLLER://${HOST}:${node.controllerPort}`,
    ].join(","),
    "advertised.listeners": [...listeners, `MISNAMED://${HOST}:${nobody}`].join(","),
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,MISNAMED:PLAINTEXT,SIX:PLAINTEXT," +
      "LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
    "sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "listener.name.login.scram-sha-256.sasl.jaas.config":
      "org.apache.kafka.common.security.scram.ScramLoginModule required;",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
  };
}

Deno.test("a broker with other listeners and access rules", async (t) => {
  const [login, six, misnamed, nobody] = freePorts(4) as [number, number, number, number];
  await using cluster = await testCluster(
    1,
    (node) => settingsWith(node, { login, six, misnamed, nobody }),
  );
  await using run = await testRun("listeners", cluster);
  const { signal } = run;

  await t.step("a listener that expects a login is named", async () => {
    await assertRejects(
      () =>
        withAdmin(settingsFor(`${HOST}:${login}`), signal, (admin) => existingTopics(admin, ["t"])),
      Error,
      `${HOST}:${login} expects a login (SASL SCRAM-SHA-256)`,
    );
  });

  await t.step("an advertised address that cannot be reached is named", async () => {
    const error = await assertRejects(
      () =>
        withAdmin(
          settingsFor(`${HOST}:${misnamed}`),
          signal,
          (admin) => createMissingTopics(admin, [orderEvents(run.prefix)]),
        ),
      Error,
    );
    assertStringIncludes(
      error.message,
      `${HOST}:${misnamed} names ${HOST}:${nobody} as a broker of its cluster, which cannot be reached ` +
        "(connection refused)",
    );
  });

  await t.step("programs take an IPv6 address", async () => {
    const producer = run.start("producer.ts", ["--count", "10", "--brokers", `[::1]:${six}`]);
    const { exitCode, stderr } = await producer.ended;
    assertEquals(exitCode, 0, stderr);
  });

  await t.step("topics of an administrator are enough, and a missing one is named", async () => {
    await using other = await testRun("denied", cluster);
    const admin = adminPool(run.settings);
    await admin.use((client) => createMissingTopics(client, [orderEvents(other.prefix)]));
    await admin.use((client) =>
      client.createAcls({
        acl: [
          ...denying("cluster", "kafka-cluster", "create"),
          ...denying("topic", other.prefix, "create"),
        ],
      })
    );
    await admin.close();
    await other.json("producer.ts", ["--count", "10"]);
    const { exitCode, stderr } = await other.start("inventory.ts", ["--until-end"]).ended;
    assertEquals(exitCode, 1);
    assertStringIncludes(stderr, `topic ${other.prefix}order-events-dlq does not exist`);
    assertStringIncludes(stderr, "the right Create is missing");
  });

  await t.step("each right that a service lacks is named", async () => {
    await using other = await testRun("rights", cluster);
    await other.json("inventory.ts", ["--until-end"]);
    await other.json("producer.ts", ["--count", "10"]);
    const admin = adminPool(run.settings);
    const movements = inventoryEvents(other.prefix).name;
    // The last one first: what comes earlier in the work hides it.
    const rights = [
      [
        denying("topic", movements, "write"),
        /the right Write on topic .*inventory-events/,
      ],
      [denying("transactionalId", other.prefix, "write"), /the right Write on transactional id /],
      [denying("group", other.prefix, "read"), /the right Read on group /],
    ] as const;
    for (const [acl, expected] of rights) {
      await admin.use((client) => client.createAcls({ acl }));
      const { exitCode, stderr } = await other.start("inventory.ts", ["--until-end"]).ended;
      assertEquals(exitCode, 1);
      assertMatch(stderr, expected);
    }
    await admin.close();
  });

  await t.step("lag says which groups it may not see", async () => {
    await using hidden = await testRun("hidden", cluster);
    await hidden.json("producer.ts", ["--count", "10"]);
    await hidden.json("inventory.ts", ["--until-end"]);
    await setScramPassword(run.brokers, { user: "carol", password: "secret" });
    const admin = adminPool(run.settings);
    await admin.use((client) =>
      client.createAcls({ acl: denying("group", hidden.prefix, "create").slice(0, 1) })
    );
    await admin.close();
    const config = await Deno.makeTempFile();
    await Deno.writeTextFile(
      config,
      [
        "security.protocol=SASL_PLAINTEXT",
        "sasl.mechanism=SCRAM-SHA-256",
        "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required " +
        'username="carol" password="secret";',
      ].join("\n"),
    );
    const asCarol = ["--brokers", `${HOST}:${login}`, "--command-config", config];
    const all = await hidden.start("lag.ts").ended;
    assertMatch(all.stdout, /hidden.*inventory/);
    const none = await hidden.start("lag.ts", asCarol).ended;
    assertEquals(none.exitCode, 0, none.stderr);
    assertMatch(none.stdout, /or none that is visible here: that takes the right Describe/);
    const json = await hidden.start("lag.ts", [...asCarol, "--json"]).ended;
    assertEquals(JSON.parse(json.stdout).groups, []);
    assertStringIncludes(json.stderr, "the right Describe");
    const named = await hidden.start("lag.ts", [...asCarol, "--group", "inventory"]).ended;
    assertEquals(named.exitCode, 1);
    assertEquals(
      named.stderr.trim(),
      `error: not permitted: the right Describe on group ${hidden.prefix}inventory is missing ` +
        "(GROUP_AUTHORIZATION_FAILED)",
    );
    await Deno.remove(config);
  });
});

/** The numbers of Kafka's access rules: https://kafka.apache.org/protocol#The_Messages_CreateAcls. */
const RESOURCES = { topic: 2, group: 3, cluster: 4, transactionalId: 5 };
const OPERATIONS = { all: 2, read: 3, write: 4, create: 5 };
const PREFIXED = 4;
const LITERAL = 3;
const DENY = 2;
const ALLOW = 3;

/** Rules by which nobody may do this with the resources of this prefix, but all else. */
function denying(
  resource: keyof typeof RESOURCES,
  resourceName: string,
  operation: keyof typeof OPERATIONS,
) {
  const rule = {
    resourceType: RESOURCES[resource],
    resourceName,
    resourcePatternType: resource === "cluster" ? LITERAL : PREFIXED,
    principal: "User:ANONYMOUS",
    host: "*",
  };
  return [
    { ...rule, operation: OPERATIONS.all, permissionType: ALLOW },
    { ...rule, operation: OPERATIONS[operation], permissionType: DENY },
  ];
}
