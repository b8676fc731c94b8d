/**
 * The rights of each program: it works with those that lib/access_rules.ts lists, and says which one is
 * missing when one of them is taken away.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { HOST, type NodeSpec } from "../../dev_broker/config.ts";
import { freePorts } from "../../dev_broker/free_ports.ts";
import {
  type AccessRule,
  accessRules,
  GROUPS,
  type Program,
  PROGRAMS,
} from "../../lib/access_rules.ts";
import { launch, type Running, type Script } from "../../lib/cli/launch.ts";
import { table } from "../../lib/cli/text.ts";
import { addGrants, entryOf, type Grant } from "../../lib/kafka/access_control.ts";
import { withAdmin } from "../../lib/kafka/client.ts";
import { deadLetter } from "../../lib/kafka/dead_letter.ts";
import { DEFAULT_LIMIT } from "../../lib/kafka/message_limits.ts";
import { idempotentProducer } from "../../lib/kafka/producers.ts";
import { deadLetters, orderEvents } from "../../lib/topics.ts";
import { testCluster } from "../support/broker.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** A program that waits for its time limit instead of ending would not end within the test's. */
const TIMEOUT = "5m";
const LIMIT_MS = 60_000;

/** What a program does in this test, so that it needs the right; without one, what it usually does. */
function commandOf(program: Program, rule?: AccessRule): [Script, ...string[]] {
  const { kind, name = "" } = rule?.resource ?? {};
  switch (program) {
    case "producer":
      return ["producer.ts", "--count", "20"];
    case "inventory":
    case "analytics":
      return [`${program}.ts`, "--until-end"];
    case "lag":
      return ["lag.ts", "--group", "analytics"];
    case "replay": {
      const group = /inventory/.test(name) ? "inventory" : "analytics";
      return group === "inventory" || kind === "transactional id"
        ? ["replay.ts", "--group", group, "--to", "earliest", "--execute"]
        : ["replay.ts", "--group", group, "--verify"];
    }
    case "show": {
      const commands = {
        "inventory-events": "movements",
        "dlq": "dead-letters",
        "metrics": "metrics",
      };
      const [, command] = Object.entries(commands).find(([end]) => name.endsWith(end)) ?? [];
      return ["show.ts", command ?? "orders", "--tail", "1"];
    }
    case "resend":
      return ["show.ts", "dead-letters", "--resend", "--execute"];
    case "dashboard":
      return ["dashboard.ts", "--listen", "127.0.0.1:0"];
  }
}

/** The name and the password of a user. */
const userName = (program: Program, missing?: number) => `${program}-${missing ?? "all"}`;

/** A broker with a listener that wants a login, and a user for each program and right that it lacks. */
function settingsOf(node: NodeSpec, port: number): Record<string, string> {
  const usual = `PLAINTEXT://${HOST}:${node.port}`;
  const login = `LOGIN://${HOST}:${port}`;
  const users = PROGRAMS.flatMap((program) =>
    [undefined, ...rulesOf(program, "").keys()].map((missing) => userName(program, missing))
  );
  return {
    "listeners": `${usual},${login},CONTROLLER://${HOST}:${node.controllerPort}`,
    "advertised.listeners": `${usual},${login}`,
    "listener.security.protocol.map":
      "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT",
    "listener.name.login.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.login.plain.sasl.jaas.config":
      "org.apache.kafka.common.security.plain.PlainLoginModule required " +
      `${users.map((user) => `user_${user}="${user}"`).join(" ")};`,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    // The test itself, and the broker, do not log in.
    "super.users": "User:ANONYMOUS",
  };
}

function rulesOf(program: Program, topicPrefix: string, mayCreate = true): AccessRule[] {
  return accessRules(program, { topicPrefix, groups: GROUPS[program], mayCreate });
}

/** A rule as a line of the table. */
function nameOf({ operation, resource: { kind, name, isPrefix } }: AccessRule): string {
  return `${operation} on ${kind} ${name}${isPrefix ? "*" : ""}`;
}

/** Programs that do not use the groups of each other: run side by side. */
const LANES: Program[][] = [["inventory", "producer", "lag"], ["analytics", "show", "resend"]];

Deno.test("each program works with its own rights, and names the one that is missing", async (t) => {
  const [port] = freePorts(1);
  await using cluster = await testCluster(1, (node) => settingsOf(node, port!));
  await using run = await testRun("access", cluster);
  const directory = await Deno.makeTempDir();

  const begin = async (
    program: Program,
    { missing, topicPrefix = run.prefix, command, onLine }: {
      missing?: number;
      topicPrefix?: string;
      command?: [Script, ...string[]];
      onLine?: (line: string) => void;
    } = {},
  ) => {
    const user = userName(program, missing);
    const config = `${directory}/${user}.properties`;
    await Deno.writeTextFile(
      config,
      `security.protocol=SASL_PLAINTEXT
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  username="${user}" password="${user}";
`,
    );
    const rule = missing === undefined ? undefined : rulesOf(program, topicPrefix)[missing];
    const [script, ...args] = command ?? commandOf(program, rule);
    if (script === "analytics.ts") args.push("--output", `${directory}/${user}.txt`);
    if (program === "resend") await publishDeadLetter(run);
    return launch(
      script,
      [...args, "--command-config", config, "--topic-prefix", topicPrefix, "--timeout", TIMEOUT],
      { brokers: `${HOST}:${port}`, ...(onLine && { onLine }) },
    );
  };
  const endOf = async (running: Running) => {
    const limit = setTimeout(() => running.kill("SIGKILL"), LIMIT_MS);
    const ended = await running.ended;
    clearTimeout(limit);
    return ended;
  };
  const start = async (program: Program, how: Parameters<typeof begin>[1] = {}) =>
    program === "dashboard"
      ? await visit(program, how.missing)
      : await endOf(await begin(program, how));
  /** The dashboard does not end by itself: its page, and an order on its way, show what it lacks. */
  const visit = async (program: Program, missing?: number) => {
    const services = await Promise.all(
      (["inventory", "analytics"] as const).map((service) =>
        begin(service, { command: [`${service}.ts`] })
      ),
    );
    const visited = new Visit(
      missing !== undefined &&
        rulesOf(program, run.prefix)[missing]?.otherwise !== undefined,
    );
    const dashboard = await begin(program, {
      ...(missing !== undefined && { missing }),
      onLine: (line) => visited.read(line),
    });
    await eventually("the dashboard shows all, or what it lacks", () => visited.isOver, LIMIT_MS);
    const { exitCode } = visited;
    for (const running of [dashboard, ...services]) running.kill("SIGTERM");
    const [{ stderr }] = await Promise.all([endOf(dashboard), ...services.map(endOf)]);
    return { exitCode, stderr: `${stderr}\n${visited.problem ?? ""}` };
  };
  const refusedPrefix = `${run.prefix}refused-`;
  const grants = PROGRAMS.flatMap((program) => {
    const rules = rulesOf(program, run.prefix);
    return [
      ...[undefined, ...rules.keys()].flatMap((missing) =>
        rules.filter((_, index) => index !== missing)
          .map((rule): Grant => ({ principal: `User:${userName(program, missing)}`, rule }))
      ),
      ...rulesOf(program, refusedPrefix, false)
        .map((rule): Grant => ({ principal: `User:${userName(program)}`, rule })),
    ];
  });
  await withAdmin(run.settings, run.signal, (admin) => addGrants(admin, grants));

  // Each comes after those whose work it needs.
  for (const program of PROGRAMS) {
    await t.step(`${program} works with its own rights`, async () => {
      const { exitCode, stderr } = await start(program);
      assertEquals(exitCode, 0, stderr);
    });
  }

  await t.step("a topic that may not be created is named", async () => {
    const { exitCode, stderr } = await start("producer", { topicPrefix: refusedPrefix });
    assertEquals(exitCode, 1, stderr);
    assertStringIncludes(stderr, `topic ${refusedPrefix}order-events does not exist`);
    assertStringIncludes(stderr, "the right Create is missing");
  });

  const matrix: { program: Program; rule: AccessRule; exitCode: number; message: string }[] = [];
  const tryWithout = async (program: Program) => {
    for (const [missing, rule] of rulesOf(program, run.prefix).entries()) {
      const { exitCode, stderr } = await start(program, { missing });
      matrix.push({ program, rule, exitCode, message: stderr.trim().split("\n").at(-1)! });
    }
  };
  await Promise.all(LANES.map(async (lane) => {
    for (const program of lane) await tryWithout(program);
  }));
  await tryWithout("replay");
  await tryWithout("dashboard");
  matrix.sort((a, b) => PROGRAMS.indexOf(a.program) - PROGRAMS.indexOf(b.program));
  const rows = matrix.map(({ program, rule, exitCode, message }) => [
    ...[program, nameOf(rule), String(exitCode)],
    exitCode === 0 ? `works; ${rule.otherwise}` : message,
  ]);
  const text = table(["PROGRAM", "WITHOUT", "EXIT", ""], rows, { left: [0, 1, 2, 3] });
  console.log(text.replaceAll(run.prefix, ""));

  for (const { program, rule, exitCode, message } of matrix) {
    const about = `${program} without ${nameOf(rule)}`;
    const { operation, resource, otherwise } = rule;
    await t.step(about.replaceAll(run.prefix, ""), () => {
      assertEquals(exitCode, otherwise === undefined ? 1 : 0, message);
      if (otherwise !== undefined) return;
      assertStringIncludes(message, operation);
      assertStringIncludes(message, resource.name === "*" ? "group" : resource.name);
    });
  }

  const taken = rulesOf("analytics", run.prefix).filter(({ operation, resource }) =>
    resource.kind === "transactional id" || resource.kind === "group" && !resource.isPrefix ||
    operation === "Write" && resource.name.endsWith("-order-metrics")
  );
  assertEquals(taken.length, 3);
  for (const rule of taken) {
    await t.step(
      `analytics ends when it loses ${nameOf(rule).replaceAll(run.prefix, "")}`,
      async () => {
        const grant = { principal: `User:${userName("analytics")}`, rule };
        const running = await begin("analytics", { command: ["analytics.ts"] });
        await eventually("analytics is a member", () => isMember(run, "analytics"));
        await withAdmin(run.settings, run.signal, async (admin) => {
          await admin.deleteAcls({ filters: [entryOf(grant)] });
        });
        assertEquals((await start("producer")).exitCode, 0);
        const { exitCode, stderr } = await endOf(running);
        assertEquals(exitCode, 1, stderr);
        const message = stderr.trim().split("\n").at(-1)!;
        assertStringIncludes(message, rule.resource.name);
        assertStringIncludes(message, rule.operation);
        await withAdmin(run.settings, run.signal, (admin) => addGrants(admin, [grant]));
      },
    );
  }
  await Deno.remove(directory, { recursive: true });
});

/** A browser that looks at the page, places an order and watches it. */
class Visit {
  /** The right that is missing, as the page or the program says it. */
  problem: string | undefined;
  #isLive = false;
  #isAccepted = false;
  #isDone = false;
  #isOptional: boolean;

  /** @param isOptional Whether the order need not be followed. */
  constructor(isOptional: boolean) {
    this.#isOptional = isOptional;
  }

  get isOver(): boolean {
    const isWhole = this.#isLive && this.#isAccepted && (this.#isDone || this.#isOptional);
    return this.problem !== undefined || isWhole;
  }

  get exitCode(): number {
    return this.problem === undefined ? 0 : 1;
  }

  /** Reads a line of stderr. */
  read(line: string): void {
    this.#note(line);
    const url = /the page is at (\S+)\/$/.exec(line)?.[1];
    if (url !== undefined) Promise.all([this.#look(url), this.#place(url)]).catch(() => {});
  }

  #note(text: string): void {
    if (/not permitted/.test(text)) this.problem ??= text;
  }

  async #look(url: string): Promise<void> {
    for await (const { status, message = "" } of eventsOf(`${url}/api/events`)) {
      this.#note(message);
      this.#isLive ||= status === "live";
    }
  }

  async #place(url: string): Promise<void> {
    const order = { user_id: "user_1", items: [{ item_id: "burger", quantity: 1 }] };
    const response = await fetch(`${url}/orders`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(order),
    });
    const { detail = "" } = await response.json();
    this.#note(detail);
    this.#isAccepted = response.status === 202;
    const way = new URL(response.headers.get("location")!, url).href;
    for await (const { state } of eventsOf(way)) this.#isDone = state === "done";
  }
}

/** The data of server-sent events. */
async function* eventsOf(url: string): AsyncGenerator<Record<string, string>> {
  const { body } = await fetch(url);
  let rest = "";
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
  }
}

async function isMember({ settings, prefix, signal }: TestRun, group: string): Promise<boolean> {
  return await withAdmin(settings, signal, async (admin) => {
    const { groups: [found] } = await admin.describeGroups([prefix + group]);
    return found?.state === "Stable";
  });
}

/** Publishes a dead letter that was not sent back yet. */
async function publishDeadLetter({ settings, prefix }: TestRun): Promise<void> {
  const orders = orderEvents(prefix).name;
  const { topic, partition, ...letter } = deadLetter(
    { offset: String(letters++), timestamp: "0", key: null, value: Buffer.from("no order") },
    { topic: deadLetters(prefix).name, ...DEFAULT_LIMIT },
    { topic: orders, partition: 0, group: "analytics", reason: "not JSON" },
  );
  const producer = idempotentProducer(settings);
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ ...letter, partition }] });
  await producer.disconnect();
}

let letters = 1_000_000;
