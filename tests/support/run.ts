/**
 * What each scenario needs: a broker, topics of its own, and a way to wait for a condition.
 *
 * @module
 */
import { adminPool } from "../../lib/kafka/admin_pool.ts";
import type { Connection } from "../../lib/kafka/connect.ts";
import { launch, type Running, type Script } from "../../lib/launch.ts";
import { testBroker } from "./broker.ts";

/** A test's place on the broker. */
export interface TestRun extends AsyncDisposable {
  /** Where the brokers are, as `--brokers` takes it. */
  brokers: string;
  /** The topic prefix of this test alone. */
  prefix: string;
  /** For the modules in lib/kafka. */
  connection: Connection;
  /** Never aborted: for calls that want a signal. */
  signal: AbortSignal;
  /** Starts a program on the test's broker and topics. */
  start(script: Script, args?: string[], onLine?: (line: string) => void): Running;
}

/** Takes a broker and a topic prefix; at the end, kills what still runs and deletes the topics. */
export async function testRun(name: string): Promise<TestRun> {
  const { brokers } = await testBroker();
  const prefix = `test-${name}-${crypto.randomUUID().slice(0, 8)}-`;
  const connection = {
    brokers: brokers.split(","),
    clientId: name,
    timeoutMs: 30_000,
    verbose: false,
  };
  const started: Running[] = [];
  return {
    brokers,
    prefix,
    connection,
    signal: new AbortController().signal,
    start(script, args = [], onLine = () => {}) {
      const program = launch(script, ["--topic-prefix", prefix, ...args], { brokers, onLine });
      started.push(program);
      return program;
    },
    async [Symbol.asyncDispose]() {
      started.forEach((program) => program.kill("SIGKILL"));
      await Promise.all(started.map(({ ended }) => ended));
      const admin = adminPool(connection);
      await admin.use(async (client) => {
        const topics = (await client.listTopics()).filter((topic) => topic.startsWith(prefix));
        if (topics.length > 0) await client.deleteTopics({ topics });
      });
      await admin.close();
    },
  };
}

/**
 * Waits until the condition holds.
 *
 * @throws {Error} When it does not within the time; the message names what was awaited.
 */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
