/**
 * The development broker's life, with real processes on free ports and in temporary directories.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type ClusterOptions,
  deleteData,
  nodeStatus,
  startBroker,
  stopBroker,
} from "../../dev_broker/cluster.ts";
import { HOST, type NodeSpec } from "../../dev_broker/config.ts";
import { exists, ROOT } from "../../dev_broker/files.ts";
import { endNode } from "../../dev_broker/node.ts";
import { findJava, kafkaClasspath } from "../../dev_broker/java.ts";
import { launch } from "../../lib/cli/launch.ts";
import { answersKafka, viewCluster } from "../../lib/kafka/probe.ts";
import { testBroker, testCluster } from "../support/broker.ts";
import { freeNodes, freePorts } from "../../dev_broker/free_ports.ts";

/** A data directory and one node for it; at the end nothing of it is left. */
async function place(): Promise<
  { dataDir: string; nodes: NodeSpec[]; port: number } & AsyncDisposable
> {
  const dataDir = await Deno.makeTempDir({ prefix: "order-stream-broker-test-" });
  const nodes = freeNodes(1);
  return {
    dataDir,
    nodes,
    port: nodes[0]!.port,
    async [Symbol.asyncDispose]() {
      await stopBroker(dataDir, { graceMs: 0 });
      await Deno.remove(dataDir, { recursive: true });
    },
  };
}

/** Accepts connections and answers each with the given bytes, or with silence. */
function stranger(port: number, answer?: Uint8Array): Disposable {
  const listener = Deno.listen({ hostname: HOST, port });
  const connections: Deno.Conn[] = [];
  (async () => {
    for await (const connection of listener) {
      connections.push(connection);
      if (answer !== undefined) await connection.write(answer);
    }
  })().catch(() => {});
  return {
    [Symbol.dispose]() {
      listener.close();
      connections.forEach((connection) => connection.close());
    },
  };
}

Deno.test("startBroker and stopBroker: a node lives from one to the other, and its data longer", async (t) => {
  await using at = await place();
  const { dataDir, nodes, port } = at;

  await t.step("the first start formats the data and waits for a real answer", async () => {
    const { outcome, brokers, started } = await startBroker(dataDir, { nodes });
    assertEquals({ outcome, brokers, started }, {
      outcome: "started",
      brokers: `${HOST}:${port}`,
      started: [1],
    });
    assertEquals(await answersKafka(HOST, port), "kafka");
    assertEquals((await viewCluster(HOST, port))?.nodeIds, [1]);
    assertEquals(await answersKafka(HOST, nodes[0]!.controllerPort), "something else");
  });

  await t.step("a second start finds it running", async () => {
    assertEquals((await startBroker(dataDir)).outcome, "running");
  });

  await t.step("the log is there to read", async () => {
    const [status] = await nodeStatus(dataDir);
    assertEquals(status!.state, "ready");
    assertStringIncludes(await Deno.readTextFile(status!.logFile), "Kafka Server started");
  });

  const { clusterId } = (await viewCluster(HOST, port))!;

  await t.step("kill -9 is seen, and the next start mends it", async () => {
    await endNode(dataDir, { id: 1, graceMs: 0 });
    // As the system would after a crash: the pid file is still there and names another process.
    await Deno.writeTextFile(`${dataDir}/node-1/pid`, `${Deno.pid}\n`);
    assertEquals((await nodeStatus(dataDir))[0]!.state, "dead");
    assertEquals((await startBroker(dataDir)).outcome, "started");
    assertEquals((await viewCluster(HOST, port))?.clusterId, clusterId);
  });

  await t.step("it stops, and stopping again does nothing", async () => {
    assertEquals(await stopBroker(dataDir), [1]);
    assertEquals(await answersKafka(HOST, port), "nothing");
    assertEquals((await nodeStatus(dataDir))[0]!.state, "stopped");
    assertEquals(await stopBroker(dataDir), []);
  });

  await t.step("deleteData leaves a directory as new", async () => {
    await deleteData(dataDir);
    assert(!await exists(`${dataDir}/node-1`));
    assertEquals(await nodeStatus(dataDir), []);
  });
});

Deno.test("startBroker and stopBroker accept blanks in the paths of Java and of the data", async () => {
  const parent = await Deno.makeTempDir({ prefix: "order stream broker test " });
  const dataDir = `${parent}/my data`;
  try {
    await Deno.symlink(await javaHome(), `${parent}/my jdk`);
    await Deno.mkdir(dataDir);
    const guard = `${ROOT}/tests/support/broker_guard.ts`;
    const options = JSON.stringify({ nodes: freeNodes(1) });
    // In a process of its own: all tests of a run share one environment.
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", guard, "start", String(Deno.pid), dataDir, options],
      env: { JAVA_HOME: `${parent}/my jdk` },
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    const [status] = await nodeStatus(dataDir);
    assertEquals(status!.state, "ready");
    assertStringIncludes(await Deno.readTextFile(status!.logFile), "Kafka Server started");
    const ps = { args: ["-ww", "-o", "args=", "-p", String(status!.pid)] };
    const { stdout } = await new Deno.Command("ps", ps).output();
    assert(new TextDecoder().decode(stdout).startsWith(`${parent}/my jdk/bin/java `));
    assertEquals(await stopBroker(dataDir), [1]);
  } finally {
    await stopBroker(dataDir, { graceMs: 0 });
    await Deno.remove(parent, { recursive: true });
  }
});

/** The home directory of the Java that the broker would use. */
async function javaHome(): Promise<string> {
  const { stderr } = await new Deno.Command((await findJava()).command, {
    args: ["-XshowSettings:properties", "-version"],
  }).output();
  const home = /java\.home = (.+)/.exec(new TextDecoder().decode(stderr))?.[1];
  assert(home !== undefined, "java does not print its java.home");
  return home;
}

Deno.test("startBroker names the port that another program has taken", async () => {
  await using at = await place();
  const start = () => assertRejects(() => startBroker(at.dataDir, { nodes: at.nodes }), Error);
  {
    using _ = stranger(at.port);
    assertStringIncludes(
      (await start()).message,
      `another program listens at ${HOST}:${at.port}; stop it first`,
    );
  }
  const { controllerPort } = at.nodes[0]!;
  using _ = stranger(controllerPort);
  assertStringIncludes((await start()).message, `${HOST}:${controllerPort}`);
});

Deno.test("a program says that what answers is not Kafka, however short its --timeout", async () => {
  const [port] = freePorts(1);
  using _ = stranger(port!);
  const program = launch("lag.ts", ["--timeout", "2s"], { brokers: `${HOST}:${port}` });
  const { exitCode, stderr } = await program.ended;
  assertEquals(exitCode, 1);
  assertStringIncludes(stderr, `what listens at ${HOST}:${port} does not answer as Kafka does`);
});

Deno.test("startBroker leaves the place to a Kafka broker that is there already", async () => {
  const { brokers } = await testBroker();
  const port = Number(brokers.split(",")[0]!.split(":").at(-1));
  await using at = await place();
  const nodes = [{ ...at.nodes[0]!, port }];
  assertEquals((await startBroker(at.dataDir, { nodes })).outcome, "foreign");
  assertEquals(await nodeStatus(at.dataDir), []);
});

Deno.test("startBroker that fails says why, names the log and leaves nothing running", async () => {
  await using at = await place();
  const start = (options: ClusterOptions) =>
    assertRejects(() => startBroker(at.dataDir, { nodes: at.nodes, ...options }), Error);

  const { message } = await start({ settings: { "log.segment.bytes": "lots" } });
  assertStringIncludes(message, "log.segment.bytes");
  assertEquals((await nodeStatus(at.dataDir)).filter(({ pid }) => pid !== undefined), []);

  const late = await start({ timeoutMs: 1 });
  assertStringIncludes(late.message, "it is not ready after 0.001 s");
  assertStringIncludes(late.message, `the log: ${at.dataDir}/logs/node-1.log`);
  assertEquals((await nodeStatus(at.dataDir))[0]!.pid, undefined);
});

Deno.test("startBroker that is aborted leaves nothing running", async () => {
  await using at = await place();
  const controller = new AbortController();
  const reason = new DOMException("stopped", "AbortError");
  const starting = startBroker(at.dataDir, { nodes: at.nodes, signal: controller.signal });
  const ended = starting.then(() => undefined, (error) => error);
  const deadline = Date.now() + 30_000;
  while (!await exists(`${at.dataDir}/node-1/pid`)) {
    assert(Date.now() < deadline, "the node did not start within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  controller.abort(reason);
  assertEquals(await ended, reason);
  assertEquals((await nodeStatus(at.dataDir))[0]!.pid, undefined);
});

Deno.test("startBroker refuses to turn one node into three", async () => {
  await using at = await place();
  await startBroker(at.dataDir, { nodes: at.nodes });
  const error = await assertRejects(() => startBroker(at.dataDir, { nodes: freeNodes(3) }), Error);
  assertStringIncludes(error.message, "holds a cluster of 1 node");
});

Deno.test("testCluster of three nodes goes on without one, which comes back", async () => {
  await using cluster = await testCluster(3);
  const ports = cluster.brokers.split(",").map((broker) => Number(broker.split(":")[1]));
  const nodeIds = async (port: number) => (await viewCluster(HOST, port))?.nodeIds.sort() ?? [];
  assertEquals(await nodeIds(ports[0]!), [1, 2, 3]);

  await cluster.kill(2);
  assertEquals(await answersKafka(HOST, ports[1]!), "nothing");
  const deadline = Date.now() + 30_000;
  while ((await nodeIds(ports[0]!)).length !== 2) {
    assert(Date.now() < deadline, "the cluster did not see within 30 s that node 2 was killed");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }

  await cluster.start(2);
  assertEquals(await answersKafka(HOST, ports[1]!), "kafka");
});

Deno.test("kafkaClasspath has Kafka's own consumer group tool", async () => {
  const { brokers } = await testBroker();
  const { success, stdout } = await new Deno.Command("java", {
    args: [
      "-Xmx128m",
      "-cp",
      await kafkaClasspath(),
      "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
      "--bootstrap-server",
      brokers,
      "--describe",
      "--all-groups",
    ],
  }).output();
  assert(success, new TextDecoder().decode(stdout));
});

Deno.test("answersKafka tells nothing, silence and other protocols from Kafka", async () => {
  const [free, ...ports] = freePorts(5);
  assertEquals(await answersKafka(HOST, free!, 200), "nothing");
  assertEquals(await viewCluster(HOST, free!, 200), undefined);

  const answers: [string, Uint8Array | undefined][] = [
    ["silence", undefined],
    ["another protocol", new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["too short an answer", Uint8Array.of(0, 0, 0, 2, 0, 0)],
    ["an endless answer", Uint8Array.of(0x7f, 0xff, 0xff, 0xff)],
  ];
  for (const [index, [what, bytes]] of answers.entries()) {
    const port = ports[index]!;
    using _ = stranger(port, bytes);
    assertEquals(await answersKafka(HOST, port, 200), "something else", what);
    assertEquals(await viewCluster(HOST, port, 200), undefined, what);
  }
});
