/**
 * What the README names is there: tasks, flags, files.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import {
  COMMON_FLAGS,
  flagName,
  type Flags,
  parseFlags,
  PROGRAM_FLAGS,
} from "../../lib/cli/flags.ts";
import { accessRules, GROUPS, PROGRAMS } from "../../lib/access_rules.ts";
import { FLAGS } from "../support/program_flags.ts";

const root = new URL("../../", import.meta.url);
const readme = Deno.readTextFileSync(new URL("README.md", root));
const tasks = Object.keys(JSON.parse(Deno.readTextFileSync(new URL("deno.json", root))).tasks);

const DOCUMENTS = [
  ...["README.md", "CONTRIBUTING.md"],
  ...["docs/DESIGN.md", "docs/DEPENDENCIES.md", "docs/DEPLOY.md", "docs/SECURITY.md"],
];

function flagNames(flags: Flags): string[] {
  return Object.keys(flags).map(flagName);
}

Deno.test("README names tasks that exist, with flags that they have", () => {
  const commands = [...readme.matchAll(/deno(?:@[\d.]+)? task (?:-q )?([\w-]+)([^`\n]*)/g)];
  assert(commands.length > 10);
  for (const [command, task, rest] of commands) {
    assert(tasks.includes(task!), `there is no task for "${command}"`);
    for (const [flag] of rest!.matchAll(/--[a-z-]+/g)) {
      const known = [...flagNames(FLAGS[task!] ?? {}), ...PROGRAM_FLAGS];
      assert(known.includes(flag), `"${command}" has no flag ${flag}`);
    }
  }
});

Deno.test("README's table of programs names every flag that is not common", () => {
  const common = flagNames(COMMON_FLAGS);
  const [, paragraph = ""] = /^All programs but those of the broker take (.*?)\n\n/ms.exec(readme)!;
  assertEquals(common.filter((flag) => !paragraph.includes(`\`${flag}\``)), []);
  for (const [row, task] of readme.matchAll(/^\| `deno task (\w+)`.*$/gm)) {
    if (task === "up") continue;
    const named = [...row.matchAll(/--[a-z-]+/g)].map(([flag]) => flag).sort();
    const own = flagNames(FLAGS[task!]!).filter((flag) => !common.includes(flag)).sort();
    assertEquals(named, own, `the flags of ${task}`);
  }
});

Deno.test("every flag with a value has one that it accepts, for the message when it is missing", () => {
  for (const [task, flags] of Object.entries(FLAGS)) {
    for (const [name, spec] of Object.entries(flags)) {
      if (spec.value === undefined) continue;
      const example = spec.example ?? spec.default ?? spec.parse.choices?.[0];
      assert(example !== undefined, `${task} ${flagName(name)} has no example`);
      parseFlags(flags, [`${flagName(name)}=${example}`]);
    }
  }
});

Deno.test("SECURITY.md has the rights of each program", async () => {
  const text = await Deno.readTextFile(new URL("docs/SECURITY.md", root));
  const [, section = ""] = /^## Rights$(.*?)(?:^## |(?![^]))/ms.exec(text)!;
  const rows = [...section.matchAll(/^\| (\w.*) \|$/gm)]
    .map(([, row]) => row!.split("|").map((cell) => cell.trim()).join(" | ")).slice(1);
  const expected = PROGRAMS.flatMap((program) => {
    const scope = { topicPrefix: "", groups: GROUPS[program], mayCreate: true };
    const byResource = Map.groupBy(accessRules(program, scope), ({ resource }) => {
      const { kind, name, isPrefix } = resource;
      return `${kind} | \`${name}${isPrefix ? "…" : ""}\``;
    });
    return [...byResource].map(([resource, rules]) => {
      const rights = rules.map(({ operation, otherwise }) =>
        otherwise === undefined ? operation : `(${operation})`
      );
      return `${program} | ${resource} | ${rights.join(", ")}`;
    });
  });
  assertEquals(rows, expected);
});

Deno.test("the documents link to files that exist", async () => {
  for (const document of DOCUMENTS) {
    const text = await Deno.readTextFile(new URL(document, root));
    for (const [, path] of text.matchAll(/\]\(((?!https?:)[^)#]+)[)#]/g)) {
      await Deno.stat(new URL(path!, new URL(document, root)));
    }
  }
});
