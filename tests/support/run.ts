/**
 * What each scenario needs: a broker, its own topics, and a way to wait for a condition.
 *
 * @module
 */
import { removeIfThere } from "../../dev_broker/files.ts";
import { adminPool } from "../../lib/kafka/client_pool.ts";
import type { KafkaSettings } from "../../lib/kafka/settings.ts";
import { launch, type Running, type Script } from "../../lib/cli/launch.ts";
import { messageOf } from "../../lib/cli/output.ts";
import { type TestBroker, testBroker } from "./broker.ts";

/** A test's place on the broker. */
export interface TestRun extends AsyncDisposable {
  /** Where the brokers are, as `--brokers` takes it. */
  brokers: string;
  /** The topic prefix of this test alone. */
  prefix: string;
  /** For the modules in lib/kafka. */
  settings: KafkaSettings;
  /** Never aborted: for calls that want a signal. */
  signal: AbortSignal;
  /** A name for a report file that no other test uses; it is removed at the end. */
  file: string;
  /** Runs a program to its good end and returns what it prints with `--json`. */
  json(script: Script, args?: string[]): Promise<Record<string, unknown>>;
  /**
   * Starts a program on the test's broker and topics; a flag of `args` overrides those given here.
   *
   * @param onLine Gets its messages, with `--json` too.
   * @param clockShiftMs How far its clock is ahead.
   */
  start(
    script: Script,
    args?: string[],
    onLine?: (line: string) => void,
    clockShiftMs?: number,
  ): Running;
}

/** The `--timeout` of tests that are not about it: a broker may take minutes to start on a busy machine. */
const TIMEOUT = "5m";

/**
 * Takes a broker and a topic prefix; at the end, kills what still runs and deletes the topics.
 *
 * @param broker The broker that all tests share, unless another is given.
 */
export async function testRun(name: string, broker?: TestBroker): Promise<TestRun> {
  const { brokers } = broker ?? await testBroker();
  const prefix = `test-${name}-${crypto.randomUUID().slice(0, 8)}-`;
  const settings = {
    brokers: brokers.split(","),
    clientId: name,
    timeoutMs: 30_000,
    verbose: false,
    note: () => {},
  };
  const file = `metrics_${prefix}.txt`;
  const started: { program: Running; isAwaited: boolean }[] = [];
  const start = (
    script: Script,
    args: string[] = [],
    onLine = (_line: string) => {},
    clockShiftMs = 0,
  ) => {
    const preload = clockShiftMs === 0 ? [] : [
      `--preload=${new URL(`./shifted_clock.ts?ms=${clockShiftMs}`, import.meta.url)}`,
    ];
    const program = launch(script, ["--topic-prefix", prefix, "--timeout", TIMEOUT, ...args], {
      brokers,
      denoFlags: preload,
      onLine: (line) => onLine(messageOf(line)),
    });
    const entry = { program, isAwaited: false };
    started.push(entry);
    return {
      ...program,
      get ended() {
        entry.isAwaited = true;
        return program.ended;
      },
    };
  };
  return {
    brokers,
    prefix,
    file,
    settings,
    signal: new AbortController().signal,
    start,
    async json(script, args = []) {
      const { exitCode, stdout, stderr } = await start(script, [...args, "--json"]).ended;
      if (exitCode !== 0) throw new Error(`${script} ended with exit code ${exitCode}: ${stderr}`);
      return JSON.parse(stdout);
    },
    async [Symbol.asyncDispose]() {
      started.forEach(({ program }) => program.kill("SIGKILL"));
      for (const { program, isAwaited } of started) {
        const { exitCode, stderr } = await program.ended;
        // Printed here: the test itself may only have seen that nothing happens any more.
        if (exitCode === 1 && !isAwaited) {
          console.error(`a program failed:\n${stderr.slice(-2_000)}`);
        }
      }
      const admin = adminPool(settings);
      await admin.use(async (client) => {
        const topics = (await client.listTopics()).filter((topic) => topic.startsWith(prefix));
        if (topics.length > 0) await client.deleteTopics({ topics });
      });
      await admin.close();
      for await (const { name } of Deno.readDir(".")) {
        if (name.startsWith(file)) await removeIfThere(name);
      }
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
  limitMs = 120_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
