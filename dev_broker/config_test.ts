import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse as parseYaml } from "yaml";
import {
  brokerAddresses,
  clientListeners,
  defaultNodes,
  errorLines,
  javaMajorVersion,
  KAFKA_VERSION,
  serverProperties,
} from "./config.ts";
import { secretSettings, SECURE_SETTINGS, variableOf } from "./secure.ts";

Deno.test("defaultNodes gives every node ports of its own below the ephemeral ones", () => {
  assertEquals(brokerAddresses(defaultNodes(1)), "127.0.0.1:9092");
  assertEquals(brokerAddresses(defaultNodes(3)), "127.0.0.1:9092,127.0.0.1:9094,127.0.0.1:9096");
  const ports = defaultNodes(3).flatMap(({ port, controllerPort }) => [port, controllerPort]);
  assertEquals(new Set(ports).size, 6);
  assert(ports.every((port) => port < 32768));
});

Deno.test("serverProperties listens on loopback only", () => {
  const text = serverProperties(defaultNodes(1)[0]!, { nodes: defaultNodes(1), dataDir: "/d" });
  assertStringIncludes(
    text,
    "\nlisteners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n",
  );
  assertStringIncludes(text, "\nadvertised.listeners=PLAINTEXT://127.0.0.1:9092\n");
  assertStringIncludes(text, "\ncontroller.quorum.voters=1@127.0.0.1:9093\n");
  assertStringIncludes(text, "\nlog.dirs=/d\n");
  assertStringIncludes(text, "\nbroker.session.timeout.ms=4000\n");
});

Deno.test("serverProperties of three nodes keeps three copies and fails over fast", () => {
  const nodes = defaultNodes(3);
  const text = serverProperties(nodes[1]!, { nodes, dataDir: "/d" });
  assertStringIncludes(text, "\nnode.id=2\n");
  assertStringIncludes(
    text,
    "\ncontroller.quorum.voters=1@127.0.0.1:9093,2@127.0.0.1:9095,3@127.0.0.1:9097\n",
  );
  assertStringIncludes(text, "\noffsets.topic.replication.factor=3\n");
  assertStringIncludes(text, "\ntransaction.state.log.min.isr=2\n");
  assertStringIncludes(text, "\nbroker.session.timeout.ms=2000\n");
});

Deno.test("serverProperties lets further settings win and escapes what Java would misread", () => {
  const nodes = defaultNodes(1);
  const text = serverProperties(nodes[0]!, {
    nodes,
    dataDir: "/a b\\bücher",
    settings: { "num.io.threads": "8" },
  });
  assertStringIncludes(text, "\nnum.io.threads=8\n");
  assert(!text.includes("num.io.threads=2"));
  assertStringIncludes(text, "\nlog.dirs=/a b\\\\b\\u00fccher\n");
});

Deno.test("javaMajorVersion reads old and new numbering", () => {
  assertEquals(javaMajorVersion('openjdk version "17.0.15" 2025-04-15'), 17);
  assertEquals(javaMajorVersion('openjdk version "21" 2023-09-19'), 21);
  assertEquals(javaMajorVersion('openjdk version "26-ea" 2026-03-17'), 26);
  assertEquals(javaMajorVersion('java version "1.8.0_392"'), 8);
  assertEquals(javaMajorVersion("The operation could not be completed"), undefined);
});

Deno.test("errorLines shows the last errors without their stack traces", () => {
  const log = [
    "2026-01-01 10:00:00.000 INFO  Starting (KafkaRaftServer)",
    "2026-01-01 10:00:01.000 ERROR Could not start (KafkaRaftServer)",
    "org.apache.kafka.common.KafkaException: Socket server failed to bind",
    "\tat kafka.network.Acceptor.open(SocketServer.scala:1)",
    "\t... 12 more",
    "Caused by: java.net.BindException: Address already in use",
    "2026-01-01 10:00:02.000 INFO  Bye (KafkaRaftServer)",
  ].join("\n");
  assertEquals(errorLines(log), [
    "2026-01-01 10:00:01.000 ERROR Could not start (KafkaRaftServer)",
    "org.apache.kafka.common.KafkaException: Socket server failed to bind",
    "Caused by: java.net.BindException: Address already in use",
  ]);
  assertEquals(errorLines("0\n1\n2\n3\n4\n5\n6\n7\n8\n"), [..."12345678"]);
  assertEquals(errorLines(""), []);
});

Deno.test("compose.yaml and dev_broker/pom.xml agree with the settings here", async () => {
  const compose = await Deno.readTextFile(new URL("../compose.yaml", import.meta.url));
  const pom = await Deno.readTextFile(new URL("pom.xml", import.meta.url));
  assertStringIncludes(compose, `image: apache/kafka:${KAFKA_VERSION}\n`);
  assertStringIncludes(pom, `<kafka.version>${KAFKA_VERSION}</kafka.version>`);

  const { CLUSTER_ID: _id, KAFKA_HEAP_OPTS: _heap, ...container } =
    parseYaml(compose).services.kafka.environment;
  const [node] = defaultNodes(1);
  const text = serverProperties(node!, { nodes: [node!], dataDir: "/var/lib/kafka/data" });
  const java = Object.fromEntries(
    [...text.matchAll(/^([a-z.]+)=(.*)$/gm)].map(([, key, value]) => [variableOf(key!), value]),
  );
  // A container listens on all interfaces, and to other containers: tests/tools/deploy_files_test.ts.
  const listeners = {
    KAFKA_LISTENERS: container.KAFKA_LISTENERS,
    KAFKA_ADVERTISED_LISTENERS: container.KAFKA_ADVERTISED_LISTENERS,
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP:
      "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
  };
  assertEquals(container, { ...java, ...listeners });
});

Deno.test("compose.secure.yaml agrees with the settings of secure.ts", async () => {
  const text = await Deno.readTextFile(new URL("../compose.secure.yaml", import.meta.url));
  const { services: { kafka } } = parseYaml(text);
  const [listeners, advertised] = ["KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS"];
  const { [listeners]: _listeners, [advertised]: address, ...others } = kafka.environment;
  assertEquals(address, clientListeners("CLIENT", defaultNodes(1)[0]!)["advertised.listeners"]);
  const expected = Object.entries(SECURE_SETTINGS).map(([key, value]) => [variableOf(key), value]);
  assertEquals(others, Object.fromEntries(expected));
});

Deno.test("secretSettings fit into a file of variables and give back what Kafka needs", () => {
  const pem = "-----BEGIN X-----\nabc=\n-----END X-----\n";
  const secrets = { ca: pem, cert: pem, key: pem, password: "p-_" };
  const settings = secretSettings(secrets);
  assertEquals(settings["ssl.keystore.key"], "-----BEGIN X----- abc= -----END X-----");
  // One line each, in single quotes.
  for (const value of Object.values(settings)) assert(!/['\n\\$]/.test(value), value);
});

Deno.test("variableOf writes settings as the container of Kafka reads them", () => {
  assertEquals(
    variableOf("listener.name.client.scram-sha-512.sasl.jaas.config"),
    "KAFKA_LISTENER_NAME_CLIENT_SCRAM___SHA___512_SASL_JAAS_CONFIG",
  );
});
