/**
 * What the README names is there: tasks, flags, files.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import * as analytics from "../../analytics.ts";
import * as bench from "../../bench/bench.ts";
import * as broker from "../../broker.ts";
import * as demo from "../../demo.ts";
import * as inventory from "../../inventory.ts";
import * as lag from "../../lag.ts";
import { type Flags, typedName } from "../../lib/cli/flags.ts";
import * as producer from "../../producer.ts";
import * as replay from "../../replay.ts";
import * as show from "../../show.ts";
import * as soak from "../fault/soak.ts";

/** The flags behind each task. */
const FLAGS: Record<string, Flags> = {
  analytics: analytics.flags,
  bench: bench.flags,
  demo: demo.flags,
  down: broker.flags,
  inventory: inventory.flags,
  lag: lag.flags,
  logs: broker.flags,
  produce: producer.flags,
  ps: broker.flags,
  replay: replay.flags,
  show: show.flags,
  soak: soak.flags,
  up: broker.flags,
};

const root = new URL("../../", import.meta.url);
const readme = Deno.readTextFileSync(new URL("README.md", root));
const tasks = Object.keys(JSON.parse(Deno.readTextFileSync(new URL("deno.json", root))).tasks);

function flagNames(flags: Flags): string[] {
  return Object.keys(flags).map(typedName);
}

Deno.test("README names tasks that exist, with flags that they have", () => {
  const commands = [...readme.matchAll(/deno(?:@[\d.]+)? task ([\w-]+)([^`\n]*)/g)];
  assert(commands.length > 10);
  for (const [command, task, rest] of commands) {
    assert(tasks.includes(task!), `there is no task for "${command}"`);
    for (const [flag] of rest!.matchAll(/--[a-z-]+/g)) {
      assert(flagNames(FLAGS[task!] ?? {}).includes(flag), `"${command}" has no flag ${flag}`);
    }
  }
});

Deno.test("README's table of programs names every flag that is not common", () => {
  const common = ["--brokers", "--topic-prefix", "--timeout", "--json", "--verbose"];
  for (const [row, task] of readme.matchAll(/^\| `deno task (\w+)`.*$/gm)) {
    if (task === "up") continue;
    const named = [...row.matchAll(/--[a-z-]+/g)].map(([flag]) => flag).sort();
    const own = flagNames(FLAGS[task!]!).filter((flag) => !common.includes(flag)).sort();
    assertEquals(named, own, `the flags of ${task}`);
  }
});

Deno.test("README, CONTRIBUTING and DESIGN link to files that exist", async () => {
  for (const document of ["README.md", "CONTRIBUTING.md", "docs/DESIGN.md"]) {
    const text = await Deno.readTextFile(new URL(document, root));
    for (const [, path] of text.matchAll(/\]\(((?!https?:)[^)#]+)[)#]/g)) {
      await Deno.stat(new URL(path!, new URL(document, root)));
    }
  }
});
