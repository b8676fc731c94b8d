import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import peers from "../bench/peers/deno.json" with { type: "json" };

const read = (path: string) => Deno.readTextFileSync(new URL(`../${path}`, import.meta.url));
const document = read("docs/DEPENDENCIES.md");

/** Name and version in `npm:name@version`, a path within the package left out. */
function npmPackages(imports: Record<string, string>): Record<string, string> {
  const found = Object.values(imports).map((specifier) =>
    /^npm:\/?(.+?)@([^/@]+)(\/|$)/.exec(specifier)
  );
  return Object.fromEntries(found.flatMap((match) => match ? [[match[1]!, match[2]!]] : []));
}

Deno.test("docs/DEPENDENCIES.md lists the npm packages of deno.json in their versions", () => {
  const rows = [...document.matchAll(/^\| `([^`]+)` +\| (\d[\d.]*) +\|/gm)];
  const listed = Object.fromEntries(rows.map(([, name, version]) => [name!, version!]));
  assertEquals(listed, npmPackages(config.imports));
  for (const version of Object.values(listed)) assertMatch(version, /^\d+\.\d+\.\d+$/);
});

Deno.test("bench/peers uses the same versions as deno.json", () => {
  const ours = npmPackages(config.imports);
  for (const [name, version] of Object.entries(npmPackages(peers.imports))) {
    assertEquals(ours[name] ?? version, version, name);
  }
});

Deno.test("docs/DEPENDENCIES.md names the versions of the development broker", () => {
  const pom = read("dev_broker/pom.xml");
  const version = (name: string) => new RegExp(`<${name}\\.version>(.+)<`).exec(pom)?.[1];
  const [, kafka, log4j] = /Apache Kafka ([\d.]+) .* log4j ([\d.]+)/.exec(document) ?? [];
  assertEquals([kafka, log4j], [version("kafka"), version("log4j")]);
});

Deno.test("deno task audit has the level of docs/DEPENDENCIES.md, and .ci/run starts it", () => {
  const [, level] = /an advisory of level `(\w+)` or `critical` fails the build/.exec(document) ??
    [];
  const commands = config.tasks.audit.command.split(" && ");
  assertEquals(commands.length, 2);
  for (const command of commands) {
    assert(command.includes(` --level=${level} `), command);
    assert(
      !command.includes("--ignore="),
      "docs/DEPENDENCIES.md says that there are no exceptions",
    );
  }
  assertMatch(read(".ci/run"), /^deno task audit$/m);
});

Deno.test("the Python packages of bench/peers are pinned by version and hash", () => {
  const text = read("bench/peers/requirements.txt");
  const entries = text.replace(/^#.*\n/gm, "").replaceAll("\\\n", "").trim().split("\n");
  assertEquals(entries.length, 3);
  for (const entry of entries) assertMatch(entry, /^[\w-]+==\S+( +--hash=sha256:[0-9a-f]{64})+$/);
});
