/**
 * The permissions of the tasks: with all of them each program works; without any one of them it fails
 * and names it; and of all files it keeps those that its flags and variables name.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { brokerAddresses, HOST } from "../../dev_broker/config.ts";
import { removeIfThere, ROOT } from "../../dev_broker/files.ts";
import { freeNodes } from "../../dev_broker/free_ports.ts";
import { findJava } from "../../dev_broker/java.ts";
import { writeState } from "../../dev_broker/state.ts";
import { commandOf, type Script } from "../../lib/cli/launch.ts";
import { certificateAuthority } from "../support/certificates.ts";
import { type Access, PROBE } from "../support/file_probe.ts";
import { Proxy } from "../support/proxy.ts";
import { testRun } from "../support/run.ts";
import {
  type Circumstances,
  type Ended,
  entriesOfSet,
  entriesOfTask,
  type Entry,
  entryText,
  flagsOf,
  runDeno,
} from "../support/task_permissions.ts";

const ORDER =
  '{"event_type":"OrderPlaced","order_id":"order_1","user_id":"user_1","items":[{"item_id":"burger",' +
  '"quantity":2,"price":10}],"total_amount":20,"status":"placed","timestamp":"2024-01-15T10:30:00Z"}';
const START = 'start the program with "deno task"';
/** A host that is not permitted, in the words of the Kafka client. */
const NO_HOST = "not permitted to connect to ";

/** A run in which an entry matters. */
interface Occasion extends Circumstances {
  args: string[];
  /** What the message names, where that is not the entry itself. */
  named?: string;
}

/** The messages without each entry, for a table at the end. */
class Matrix {
  #rows: string[][] = [];

  /** Checks how a program ended without an entry. */
  add(program: string, entry: Entry, { exitCode, stdout, stderr }: Ended, named = entry.value) {
    const output = stdout + stderr;
    const what = `${program} without ${entryText(entry)}: ${output}`;
    assertEquals(exitCode, 1, what);
    // In a terminal a line may be wrapped by a carriage return.
    const message = output.split(/\r?\n/).findLast((line) => line.startsWith("error: "));
    assert(message !== undefined, what);
    assertStringIncludes(message, message.includes(NO_HOST) ? NO_HOST : `${entry.kind} access to `);
    assertStringIncludes(message, named, what);
    assertStringIncludes(message, START, what);
    assertEquals(/^ +at |--allow-/m.test(output), false, what);
    this.#rows.push([program, entryText(entry), message]);
  }

  print(): void {
    const widths = [0, 1].map((column) =>
      Math.max(...this.#rows.map((row) => row[column]!.length))
    );
    const lines = this.#rows.map((row) =>
      row.map((text, column) => text.padEnd(widths[column] ?? 0)).join("  ")
    );
    console.log(lines.join("\n"));
  }
}

/** A program with the entries of its task, but for one. */
async function runWithout(
  entry: Entry,
  { task, script, values = (text) => text }: {
    task: Parameters<typeof entriesOfTask>[0];
    script: string;
    values?: (text: string) => string;
  },
  { args, ...circumstances }: Occasion,
): Promise<Ended> {
  const others = entriesOfTask(task).filter((each) => entryText(each) !== entryText(entry));
  const flags = flagsOf(others.map(({ kind, value }) => ({ kind, value: values(value) })));
  return await runDeno(["run", "-q", "--no-prompt", ...flags, script, ...args], circumstances);
}

/** The files that flags and variables name in these tests, in a directory that is removed. */
async function namedFiles() {
  const directory = await Deno.makeTempDir({ prefix: "order-stream-permissions-" });
  const at = (name: string) => `${directory}/${name}`;
  await using authority = await certificateAuthority("the authority of a test");
  const { cert, key } = await authority.certificate({ commonName: "client" });
  const paths = {
    orders: at("orders.ndjson"),
    menu: at("menu.json"),
    stock: at("stock.json"),
    report: at("report.txt"),
    config: at("client.properties"),
    ca: at("ca.pem"),
    cert: at("cert.pem"),
    key: at("key.pem"),
    keystore: at("keystore.pem"),
    password: at("password"),
    neighbour: at("neighbour"),
    missing: at("missing"),
  };
  const texts: Partial<Record<keyof typeof paths, string>> = {
    orders: `${ORDER}\n`,
    menu: '[{"item_id":"tea","name":"Tea","price":2}]',
    stock: '[{"item_id":"burger","units":500}]',
    report: "",
    config: [
      ...[
        "security.protocol=SSL",
        "ssl.truststore.type=PEM",
        `ssl.truststore.location=${at("ca.pem")}`,
      ],
      ...["ssl.keystore.type=PEM", `ssl.keystore.location=${at("keystore.pem")}`],
    ].join("\n"),
    ...{ ca: authority.cert, cert, key, keystore: key + cert, password: "secret", neighbour: "" },
  };
  for (const [name, text] of Object.entries(texts)) {
    await Deno.writeTextFile(paths[name as keyof typeof paths], text);
  }
  return {
    ...paths,
    directory,
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

/** The programs, the tasks that run them, and arguments with which they end by themselves. */
const PROGRAMS = {
  "producer.ts": { task: "produce", args: ["--count", "3"] },
  "inventory.ts": { task: "inventory", args: ["--until-end"] },
  "analytics.ts": { task: "analytics", args: ["--until-end", "--output", "none"] },
  "lag.ts": { task: "lag", args: [] },
  "replay.ts": { task: "replay", args: ["--group", "analytics", "--to", "earliest"] },
  "show.ts": { task: "show", args: ["orders", "--tail", "1"] },
  // Works on a cluster with access control only: with the broker below.
  "acls.ts": { task: "acls", args: ["--timeout", "10s"] },
} as const;
const SCRIPTS = Object.keys(PROGRAMS) as (Script & keyof typeof PROGRAMS)[];

Deno.test("each program works with what its task permits, and names what is taken away", async (t) => {
  await using run = await testRun("permissions");
  await using files = await namedFiles();
  const matrix = new Matrix();
  const env = { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };

  /** The runs in which an entry matters; for files, one for each flag that names some. */
  const occasionsOf = (script: keyof typeof PROGRAMS, entry: Entry): Occasion[] => {
    const args = [...PROGRAMS[script].args];
    const reading = (before: readonly string[], flag: string, path: string) => ({
      ...{ env, args: [...before, flag, path], named: path },
    });
    const readings = [
      ...(script === "producer.ts"
        ? [reading([], "--from", files.orders), reading([], "--menu", files.menu)]
        : script === "inventory.ts"
        ? [reading(args, "--stock", files.stock)]
        : []),
      reading(args, "--command-config", files.config),
    ];
    const writing = { env, args: [...args, "--output", files.report], named: files.report };
    switch (entryText(entry)) {
      case "env TERM":
        return [{ env, args, isInTerminal: true }];
      case "env INIT_CWD":
        return [{ env, args: [...args, "--command-config", files.config] }];
      case "net":
        return [{ env, args, named: run.brokers }];
      case "read /":
        return entriesOfTask(PROGRAMS[script].task).some(({ kind }) => kind === "write")
          ? [...readings, { ...writing, named: files.directory }]
          : readings;
      case "write /":
        return [writing];
      default:
        return [{ env, args }];
    }
  };

  for (const script of SCRIPTS) {
    const { task, args } = PROGRAMS[script];
    await t.step(`${task} works with all of them`, async () => {
      const { exitCode, stderr } = await runDeno(["task", "-q", task, ...args], { env });
      if (task === "acls") assertStringIncludes(stderr, "SECURITY_DISABLED");
      else assertEquals(exitCode, 0, stderr);
    });
    for (const entry of entriesOfTask(task)) {
      await t.step(`${task} fails without ${entryText(entry)}`, async () => {
        for (const { named, ...occasion } of occasionsOf(script, entry)) {
          const ended = await runWithout(entry, { task, script }, occasion);
          matrix.add(task, entry, ended, named);
        }
      });
    }
  }
  // That it works with all of them is what the tests of the page show: they run it as its task does.
  for (const entry of entriesOfTask("dashboard")) {
    await t.step(`dashboard fails without ${entryText(entry)}`, async () => {
      const args = ["--listen", `${HOST}:0`];
      const reading = (flag: string, named: string) => ({
        ...{ env, args: [...args, flag, named], named },
      });
      const special: Record<string, Occasion[]> = {
        "env TERM": [{ env, args, isInTerminal: true }],
        "env INIT_CWD": [{ ...reading("--command-config", files.config), named: "INIT_CWD" }],
        "net": [{ env, args, named: `${HOST}:0` }],
        "read /": [
          reading("--menu", files.menu),
          reading("--stock", files.stock),
          reading("--command-config", files.config),
        ],
      };
      for (const { named, ...occasion } of special[entryText(entry)] ?? [{ env, args }]) {
        const ended = await runWithout(
          entry,
          { task: "dashboard", script: "dashboard.ts" },
          occasion,
        );
        matrix.add("dashboard", entry, ended, named);
      }
    });
  }
  await t.step("a variable of a file that may not be read is named with it", async () => {
    const secured = {
      ...{ ...env, KAFKA_SECURITY_PROTOCOL: "SASL_SSL", KAFKA_SASL_MECHANISM: "PLAIN" },
      ...{ KAFKA_SASL_USERNAME: "alice", KAFKA_SASL_PASSWORD_FILE: files.password },
    };
    const entry: Entry = { kind: "read", value: "/" };
    const program = { task: "lag", script: "lag.ts" } as const;
    const ended = await runWithout(entry, program, { args: [], env: secured });
    assertMatch(ended.stderr, /^error: KAFKA_SASL_PASSWORD_FILE "/);
    matrix.add("lag", entry, ended, files.password);
  });
  await t.step(
    "a host of the cluster that is not permitted is named with the one asked",
    async () => {
      using proxy = new Proxy(Number(run.brokers.split(":")[1]));
      const address = `${HOST}:${proxy.port}`;
      const kept = entriesOfTask("produce").filter(({ kind }) => kind !== "net");
      const flags = flagsOf([...kept, { kind: "net", value: address }]);
      const ended = await runDeno(
        ["run", "-q", "--no-prompt", ...flags, "producer.ts", "--count", "1"],
        { env: { ...env, KAFKA_BROKERS: address } },
      );
      assertStringIncludes(
        ended.stderr,
        `${address} names ${run.brokers} as a broker of its cluster`,
      );
      matrix.add("produce", { kind: "net", value: "all but one" }, ended, run.brokers);
    },
  );
  matrix.print();
});

Deno.test("before it connects, a program has given up all files but those it goes on to use", async (t) => {
  await using run = await testRun("files");
  await using files = await namedFiles();
  const { directory, neighbour, missing, ...named } = files;
  const candidates = [
    neighbour,
    missing,
    ...Object.values(named),
    "/",
    directory,
    `${ROOT}/deno.json`,
  ];
  const probe = probeOf(candidates.filter((path) => typeof path === "string"));
  const bySecuredVariables = {
    ...{ KAFKA_SECURITY_PROTOCOL: "SASL_SSL", KAFKA_SASL_MECHANISM: "PLAIN" },
    ...{ KAFKA_SASL_USERNAME: "alice", KAFKA_SASL_PASSWORD_FILE: files.password },
    ...{
      KAFKA_SSL_CA_FILE: files.ca,
      KAFKA_SSL_CERT_FILE: files.cert,
      KAFKA_SSL_KEY_FILE: files.key,
    },
  };
  const ofVariables = [files.password, files.ca, files.cert, files.key];
  const ofConfig = [files.config, files.ca, files.keystore];
  const report = { args: ["--output", files.report], read: [files.report], write: [files.report] };
  /** The flags of each program that name files, what is read before it connects, and what it keeps. */
  const ownFlags: Record<
    keyof typeof PROGRAMS,
    { args: string[]; before?: string[]; read: string[]; write: string[] }[]
  > = {
    "producer.ts": [
      { args: ["--menu", files.menu], read: [files.menu], write: [] },
      { args: ["--from", files.orders], read: [files.orders], write: [] },
    ],
    "inventory.ts": [
      {
        ...report,
        args: ["--stock", files.stock, ...report.args],
        before: [files.stock, directory],
      },
      { args: ["--stock", files.stock], before: [files.stock], read: [], write: [] },
    ],
    "analytics.ts": [
      { ...report, before: [directory] },
      { args: ["--output", "-"], read: [], write: [] },
    ],
    "lag.ts": [],
    "replay.ts": [],
    "show.ts": [],
    "acls.ts": [],
  };

  const audit = `${await Deno.makeTempDir()}/audit`;
  for (const script of SCRIPTS) {
    const none = { args: [], read: [], write: [] };
    const [first = none, second = none] = ownFlags[script];
    const cases = [
      { ...none, name: "nothing", before: [], env: {} },
      { name: `--command-config ${first.args.join(" ")}`, ...first, env: {} },
      { name: `variables ${second.args.join(" ")}`, ...second, env: bySecuredVariables },
    ].map(({ before = [], ...each }, index) => ({
      ...each,
      args: index === 1 ? [...each.args, "--command-config", files.config] : each.args,
      before: [...before, ...[[], ofConfig, ofVariables][index]!],
    }));
    for (const { name, args, env, before, read, write } of cases) {
      await t.step(`${script} with ${name.replaceAll(`${directory}/`, "")}`, async () => {
        const own = args.includes("--from")
          ? []
          : PROGRAMS[script].args.filter((arg) => arg !== "none" && arg !== "--output");
        const output = script === "analytics.ts" && !args.includes("--output")
          ? ["--output", "none"]
          : [];
        const [command, ...flags] = commandOf(script, run.brokers);
        const { stderr } = await runDeno(
          [
            command!,
            "--preload",
            probe,
            ...flags,
            "--topic-prefix",
            run.prefix,
            "--timeout",
            "3s",
          ]
            .concat(own, output, args),
          { env: { ...env, DENO_AUDIT_PERMISSIONS: audit } },
        );
        assertEquals(accessIn(stderr), { read, write, used: ["NotCapable", "NotCapable"] }, stderr);

        const used = auditedFiles(await Deno.readTextFile(audit))
          .filter(({ path }) => path !== neighbour);
        const expected = { read: [...before, ...read], write };
        for (const kind of ["read", "write"] as const) {
          const paths = new Set(used.filter((each) => each.kind === kind).map(({ path }) => path));
          const isTemporary = (path: string) =>
            write.some((file) => path.startsWith(`${file}.`) && path.endsWith(".tmp"));
          assertEquals(
            [...paths].filter((path) => !isTemporary(path)).sort(),
            [...new Set(expected[kind])].sort(),
            `${kind}: ${stderr}`,
          );
        }
      });
    }
  }
});

Deno.test("the example of a service reads --command-config, and gives up all files then", async () => {
  await using run = await testRun("example-permissions");
  await using files = await namedFiles();
  const named = [files.config, files.ca, files.keystore];
  const { exitCode, stderr } = await runDeno([
    ...[
      "run",
      "-q",
      "--no-prompt",
      "-P=kafka",
      "--preload",
      probeOf([files.neighbour, "/", ...named]),
    ],
    ...["examples/best_sellers.ts", "--until-end", "--command-config", files.config],
    ...["--brokers", run.brokers, "--topic-prefix", run.prefix, "--timeout", "3s"],
  ]);
  assertEquals(accessIn(stderr), { read: [], write: [], used: ["NotCapable", "NotCapable"] });
  assertEquals(exitCode, 1, stderr);
  assertStringIncludes(stderr, "speaks no TLS");
});

/** What `--preload` takes for a report of the access to these files at the first connection. */
function probeOf(files: readonly string[]): string {
  const probe = new URL("../support/file_probe.ts", import.meta.url);
  for (const path of files) probe.searchParams.append("file", path);
  return probe.href;
}

/** The report of a probe. */
function accessIn(stderr: string): Access {
  const line = stderr.split("\n").find((line) => line.startsWith(PROBE));
  assert(line !== undefined, stderr);
  return JSON.parse(line.slice(PROBE.length));
}

/** The files in the log that `DENO_AUDIT_PERMISSIONS` names. */
function auditedFiles(text: string): { kind: string; path: string }[] {
  return text.trimEnd().split("\n").map((line) => JSON.parse(line))
    .filter(({ permission }) => ["read", "write", "run", "ffi", "import"].includes(permission))
    .map(({ permission, value }) => ({ kind: permission, path: value }));
}

Deno.test("the demo works with what its task permits, and names what is taken away", async () => {
  await using run = await testRun("demo-permissions");
  const matrix = new Matrix();
  const env = { KAFKA_BROKERS: run.brokers, TOPIC_PREFIX: run.prefix };
  const program = {
    task: "demo-program",
    script: "demo.ts",
    values: (text: string) => text.startsWith("$(deno eval") ? Deno.execPath() : text,
  } as const;
  const plain: Occasion = { env, args: ["--plain", "--count", "1"] };
  const reports = `${ROOT}/.demo`;
  const occasions: Record<string, Occasion> = {
    "env TERM": { ...plain, isInTerminal: true },
    "net": { ...plain, named: run.brokers },
    // The report of the replay is what it reads.
    "read .demo": { env, args: ["--count", "1"], named: reports },
    "write .demo": { ...plain, named: reports },
  };
  const runs = entriesOfTask("demo-program").map((entry) => {
    const { named, ...occasion } = occasions[entryText(entry)] ?? plain;
    return { entry, named, run: () => runWithout(entry, program, occasion) };
  });
  // Most of the time of the longest one is waiting.
  const longest = runs.find(({ entry }) => entry.kind === "read")!;
  const [works, ended] = await Promise.all([
    runDeno(["task", "-q", "demo", ...plain.args], { env }),
    longest.run(),
  ]);
  assertEquals(works.exitCode, 0, works.stderr);
  for (const { entry: { kind, value }, named, run } of runs) {
    const entry = { kind, value: program.values(value) };
    matrix.add("demo", entry, kind === "read" ? ended : await run(), named);
  }
  matrix.print();
  const secured = { ...env, KAFKA_SECURITY_PROTOCOL: "SASL_SSL" };
  const refused = await runDeno(["task", "-q", "demo"], { env: secured });
  assertEquals(refused.exitCode, 2);
  assertMatch(refused.stderr, /^error: KAFKA_SECURITY_PROTOCOL "SASL_SSL": the demo knows neither/);
});

Deno.test("broker works with what its task permits, and names what is taken away", async () => {
  const matrix = new Matrix();
  const data = await Deno.makeTempDir({ prefix: "order-stream-broker-permissions-" });
  const home = await javaHome(data);
  const place = `${data}/kafka`;
  await Deno.mkdir(place);
  const nodes = freeNodes(1);
  await writeState(place, {
    ...{ engine: "java", clusterId: "AAAAAAAAAAAAAAAAAAAAAQ", heap: "192m", nodes, secure: true },
  });
  const env = { JAVA_HOME: home };
  const withoutHome = { JAVA_HOME: "" };
  const program = {
    task: "broker",
    script: "broker.ts",
    values: (text: string) => text.replace("$JAVA_HOME", home),
  } as const;
  const command = (...words: string[]) => ({ env, args: [...words, "--data", place] });
  const broker = (...words: string[]) =>
    runDeno(["task", "-q", "broker", ...command(...words).args], { env });
  const check = async (text: string, { named, ...occasion }: Occasion) => {
    const entry = entriesOfTask("broker").find((each) => entryText(each) === text)!;
    matrix.add("broker", entry, await runWithout(entry, program, occasion), named);
    checked.push(text);
  };
  const checked: string[] = [];

  await check("env JAVA_HOME", command("up"));
  await check("env INIT_CWD", command("status"));
  await check("env TERM", { ...command("status"), isInTerminal: true });
  await check("env npm_config_user_agent", command("status"));
  await check("net 127.0.0.1", { ...command("up"), named: HOST });
  await check("read /", { ...command("status"), named: place });
  await check("write /", { ...command("up"), named: place });
  await check("run docker", command("up", "--engine", "docker"));
  await check("run java", { ...command("up"), env: withoutHome });
  await check("run $JAVA_HOME/bin/java", { ...command("up"), named: `${home}/bin/java` });
  await check("run openssl", command("up"));
  // Maven is looked for when there is no Java.
  const bin = `${data}/bin`;
  await Deno.mkdir(bin);
  await Deno.writeTextFile(`${bin}/mvn`, "#!/bin/sh\n", { mode: 0o755 });
  await check("run mvn", { ...command("up"), env: { ...withoutHome, PATH: bin } });

  const up = await broker("up");
  try {
    assertEquals(up.exitCode, 0, up.stderr);
    const admin = ["--command-config", `${place}/secure/admin.properties`];
    const acls = await runDeno([
      "task",
      "-q",
      "acls",
      ...admin,
      "--brokers",
      brokerAddresses(nodes),
    ]);
    assertEquals(acls.exitCode, 0, acls.stderr);
    const [read, write] = [[place, `${ROOT}/.kafka`, `${ROOT}/dev_broker`], [
      place,
      `${ROOT}/.kafka`,
    ]];
    const probe = probeOf([`${home}/bin/java`, "/", `${ROOT}/deno.json`, ...read]);
    const flags = ["--no-prompt", "-P=broker", "--allow-run=ps", "--preload", probe];
    const probed = await runDeno(["run", ...flags, "broker.ts", ...command("status").args]);
    assertEquals(probed.exitCode, 0, probed.stderr);
    assertEquals(accessIn(probed.stderr), { read, write, used: ["NotCapable", "NotCapable"] });
    await check("run ps", command("status"));
    await check("run kill", command("down"));
    await check("run tail", command("logs", "--follow"));
    assertEquals((await broker("status")).exitCode, 0);
  } finally {
    assertEquals((await broker("down", "-v")).exitCode, 0);
  }
  assertEquals(checked.sort(), entriesOfTask("broker").map(entryText).sort());
  matrix.print();
  await Deno.remove(data, { recursive: true });
});

/** Entries of bench for the peers, without which one is missing in the figures, and for its own broker. */
const BENCH_ELSEWHERE = [
  ...["read bench", "read dev_broker"],
  ...["run kill", "run mvn", "run openssl", "run ps"],
];

Deno.test("bench works with what its task permits, and names what is taken away", async () => {
  await using run = await testRun("bench-permissions");
  const matrix = new Matrix();
  const data = await Deno.makeTempDir();
  const home = await javaHome(data);
  const program = {
    task: "bench",
    script: "bench/bench.ts",
    values: (text: string) => text.replace("$JAVA_HOME", home),
  } as const;
  const results = `${ROOT}/bench/results`;
  const env = { KAFKA_BROKERS: run.brokers, JAVA_HOME: "" };
  const args = ["--orders", "100", "--pairs", "1", "--peers", "none", "--jobs", "produce"];
  const occasions: Record<string, Omit<Occasion, "args">> = {
    "env TERM": { isInTerminal: true },
    "net": { named: run.brokers },
    "read .kafka": { named: `${ROOT}/.kafka/` },
    "write .kafka": { named: `${ROOT}/.kafka` },
    "write bench": { named: results },
    "run $JAVA_HOME/bin/java": { env: { ...env, JAVA_HOME: home }, named: `${home}/bin/java` },
  };
  const works = await runDeno(["task", "-q", "bench", ...args], { env });
  assertEquals(works.exitCode, 0, works.stderr);
  let outputs = works.stdout + works.stderr;
  const entries = entriesOfTask("bench")
    .filter((entry) => !BENCH_ELSEWHERE.includes(entryText(entry)));
  for (const entry of entries) {
    const { named, ...circumstances } = occasions[entryText(entry)] ?? {};
    const ended = await runWithout(entry, program, { args, env, ...circumstances });
    outputs += ended.stdout + ended.stderr;
    matrix.add("bench", entry, ended, named);
  }
  matrix.print();
  const left = new RegExp(`${ROOT}/(bench/results/[\\w.-]+\\.(json|svg)|\\.kafka/bench-\\w+)`, "g");
  for (const [path] of outputs.matchAll(left)) await removeIfThere(path);
  await Deno.remove(data, { recursive: true });
});

/** Makes a `JAVA_HOME` in a directory, whose `java` is the one of this machine. */
async function javaHome(directory: string): Promise<string> {
  const home = `${directory}/jdk`;
  await Deno.mkdir(`${home}/bin`, { recursive: true });
  const java = `#!/bin/sh\nexec "${(await findJava()).command}" "$@"\n`;
  await Deno.writeTextFile(`${home}/bin/java`, java, { mode: 0o755 });
  return home;
}

/** Runs of the tasks for developers, by the entry that matters in them. */
const DEVELOPERS: {
  task: string;
  entry: Entry;
  args: string[];
  permitted: Entry[];
  named?: string;
}[] = [
  // It reads YAML with a package that asks for the variables.
  ...entriesOfSet("unit").map((entry) => ({
    ...{ task: "ok", entry, named: entry.value === "." ? "compose.yaml" : entry.value },
    args: entry.value === "FUZZ_FACTOR"
      ? ["test", "--no-check", "--filter", "menus", "tests/security/hostile_input_test.ts"]
      : ["test", "--no-check", "dev_broker/config_test.ts"],
    permitted: entriesOfSet("unit"),
  })),
  {
    task: "ok",
    entry: { kind: "run", value: "deno" },
    args: ["run", "--no-prompt", "tests/support/doc_lint.ts", "lib/topics.ts"],
    permitted: [{ kind: "run", value: "deno" }],
  },
  ...["asyncapi", "openapi"].map((name) => ({
    task: "docs",
    entry: { kind: "write" as const, value: `docs/${name}.yaml` },
    args: ["run", "--no-prompt", `docs/${name}.ts`],
    permitted: [{ kind: "write" as const, value: `docs/${name}.yaml` }],
  })),
];

Deno.test("the checks and docs work with what their tasks permit, and name what is taken away", async () => {
  for (const { task, entry, args, permitted, named = entry.value } of DEVELOPERS) {
    const [command, ...rest] = args;
    const run = (entries: Entry[]) => runDeno([command!, ...flagsOf(entries), ...rest]);
    const works = await run(permitted);
    assertEquals(works.exitCode, 0, works.stdout + works.stderr);
    const ended = await run(permitted.filter((each) => entryText(each) !== entryText(entry)));
    assertEquals(ended.exitCode, 1, `${task} without ${entryText(entry)}`);
    const [message] = new RegExp(`Requires ${entry.kind} access to "[^"]*${named}"`)
      .exec(ended.stdout + ended.stderr) ?? [];
    assert(message !== undefined, `${task} without ${entryText(entry)}: ${ended.stderr}`);
    console.log(`${task}  ${entryText(entry)}  ${message}`);
  }
});
