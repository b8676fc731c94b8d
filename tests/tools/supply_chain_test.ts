/**
 * What comes from elsewhere is what the repository names: the broker's jars, the packages of
 * deno.lock, and no version with a known vulnerability.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { dirname } from "node:path";
import { verifyJars } from "../../dev_broker/jars.ts";
import { kafkaClasspath } from "../../dev_broker/java.ts";
import {
  checkoutWithBlank,
  copyTree,
  freshEnvironment,
  prepareBroker,
} from "../support/checkout.ts";
import config from "../../deno.json" with { type: "json" };

async function fileNames(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name)).sort();
}

Deno.test("verifyJars refuses a directory with a jar that is changed, missing or additional", async () => {
  const directory = await Deno.makeTempDir({ prefix: "order-stream-jars-" });
  try {
    await copyTree(dirname(await kafkaClasspath()), directory);
    await verifyJars(directory);
    const [changed = "", missing = ""] = await fileNames(directory);
    const bytes = await Deno.readFile(`${directory}/${changed}`);
    bytes[bytes.length - 1]! ^= 1;
    await Deno.writeFile(`${directory}/${changed}`, bytes);
    await Deno.remove(`${directory}/${missing}`);
    await Deno.writeTextFile(`${directory}/additional.jar`, "");
    const { message } = await assertRejects(() => verifyJars(directory), Error);
    assertStringIncludes(message, `  ${changed} has the SHA-256 `);
    assertStringIncludes(message, `  ${missing} is missing\n`);
    assertStringIncludes(message, "  additional.jar is not listed\n");
    assertEquals(message.match(/\.jar /g)?.length, 3);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("up with a jar that is not the listed one ends with its name, and leaves no jars", async () => {
  await using checkout = await checkoutWithBlank();
  await prepareBroker(checkout);
  const data = `${checkout.root}/.kafka`;
  const before = await fileNames(data);
  const list = `${checkout.root}/dev_broker/jars.sha256`;
  const text = await Deno.readTextFile(list);
  const tampered = text.replace(/^[0-9a-f]{64}(?= {2}kafka-clients-)/m, "0".repeat(64));
  assert(tampered !== text);
  await Deno.writeTextFile(list, tampered);
  try {
    const { exitCode, stderr } = await checkout.run("up");
    assertEquals(exitCode, 1, stderr);
    assertStringIncludes(stderr, "they are not those of dev_broker/jars.sha256");
    assertMatch(stderr, /^ +kafka-clients-.* has the SHA-256 [0-9a-f]{64}, listed is 0{64}$/m);
    assertEquals(await fileNames(data), [...before, "libs.lock", "lock"].sort());
  } finally {
    await checkout.run("down");
  }
});

Deno.test("no command runs with a package that deno.lock does not list", async () => {
  await using checkout = await checkoutWithBlank();
  const lockFile = `${checkout.root}/deno.lock`;
  const lock = JSON.parse(await Deno.readTextFile(lockFile));
  const [specifier] = Object.keys(lock.specifiers).filter((name) => name.startsWith("npm:leven@"));
  delete lock.specifiers[specifier!];
  const incomplete = JSON.stringify(lock, null, 2);
  await Deno.writeTextFile(lockFile, incomplete);
  for (
    const args of [
      ["run", "-A", "lag.ts", "--help"],
      ["task", "lag", "--help"],
      ["task", "up", "--help"],
      ["test", "-A", "lib/cli/flags_test.ts"],
      ["check", "lag.ts"],
    ]
  ) {
    const { code, stderr } = await new Deno.Command(checkout.deno, {
      cwd: checkout.root,
      args,
      clearEnv: true,
      env: { ...freshEnvironment(), NO_COLOR: "1" },
    }).output();
    const text = new TextDecoder().decode(stderr);
    assertEquals(code, 1, `${args}: ${text}`);
    assertStringIncludes(text, "The lockfile is out of date");
    assertEquals(await Deno.readTextFile(lockFile), incomplete);
  }
});

/** A registry that knows one advisory, or that fails. */
function registry(answer: Record<string, unknown> | undefined) {
  const asked: Record<string, string[]>[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (!request.url.endsWith("/-/npm/v1/security/advisories/bulk")) {
      return new Response(null, { status: 404 });
    }
    asked.push(await request.json());
    if (answer === undefined) return new Response("out of order", { status: 500 });
    return Response.json(answer);
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function advisory(severity: string) {
  return [{
    id: 1,
    url: "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
    title: "a test",
    severity,
    vulnerable_versions: "*",
    cwe: ["CWE-1"],
    cvss: { score: 1, vectorString: null },
  }];
}

Deno.test("deno task audit fails with an advisory from high on, not with a registry that fails", async () => {
  await using checkout = await checkoutWithBlank();
  const audit = async (answer: Record<string, unknown> | undefined) => {
    await using served = registry(answer);
    // Not with `deno task`, which would ask this registry for the packages.
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      cwd: checkout.root,
      args: ["-c", config.tasks.audit.command],
      clearEnv: true,
      env: {
        ...freshEnvironment(),
        NO_COLOR: "1",
        NPM_CONFIG_REGISTRY: served.url,
        PATH: `${dirname(checkout.deno)}:${Deno.env.get("PATH")}`,
      },
    }).output();
    const text = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    return { exitCode: code, text, asked: served.asked };
  };
  const clean = await audit({});
  assertEquals(clean.exitCode, 0, clean.text);
  assertEquals(clean.asked[0]!["kafkajs"], ["2.2.4"]);
  assert(clean.asked[1]!["@platformatic/kafka"], "the packages of bench/peers");

  for (const severity of ["low", "moderate"]) {
    const { exitCode, text } = await audit({ kafkajs: advisory(severity) });
    assertEquals(exitCode, 0, text);
    assertStringIncludes(text, `1 ${severity}`);
  }
  for (const name of ["kafkajs", "@platformatic/kafka"]) {
    for (const severity of ["high", "critical"]) {
      const { exitCode, text } = await audit({ [name]: advisory(severity) });
      assertEquals(exitCode, 1, text);
      assertStringIncludes(text, name);
    }
  }
  const failing = await audit(undefined);
  assertEquals(failing.exitCode, 0, failing.text);
  assertStringIncludes(failing.text, "Failed to get data from the registry");
});
