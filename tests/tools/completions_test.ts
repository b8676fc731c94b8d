/**
 * The completion scripts in real shells. Tests of those that are not installed are left out, but not in CI.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { completionScript, SHELLS } from "../../lib/cli/completions.ts";
import { COMMON_FLAGS, flag, oneOf, toggle } from "../../lib/cli/flags.ts";
import { optionalTest } from "../support/optional_tests.ts";

const flags = {
  format: flag({ value: "FORM", default: "text", help: "it's the form" }, oneOf("text", "json")),
  output: flag({ value: "FILE", help: "where" }, String),
  replay: toggle("again"),
  ...COMMON_FLAGS,
};
const tasks = [
  { task: "count", commands: ["up", "down"], flags },
  { task: "other", commands: [], flags: {} },
];

async function run(shell: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(shell, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim();
}

function isInstalled(shell: string): boolean {
  try {
    return new Deno.Command(shell, { args: ["-c", "true"] }).outputSync().success;
  } catch {
    return false;
  }
}

/** A test that is left out where its shell is not installed. */
function shellTest(shell: string, name: string, test: () => Promise<void>): void {
  const isMissing = Deno.env.get("CI") === undefined && !isInstalled(shell);
  optionalTest(name, isMissing ? `${shell} is not installed` : undefined, test);
}

/** What bash offers for the last word, where Deno's own completion offers `deno's own`. */
function inBash(...words: string[]): Promise<string> {
  const script = completionScript("bash", tasks);
  const quoted = words.map((word) => `'${word}'`).join(" ");
  return run("bash", [
    "--norc",
    "-c",
    `_deno() { COMPREPLY=("deno's own"); }
complete -F _deno deno
${script}
${script}
COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}
_order_stream deno; echo "\${COMPREPLY[*]}"`,
  ]);
}

Deno.test("the bash script completes flags, commands and choices of a task", async () => {
  const task = ["deno", "task", "count"];
  assertEquals(await inBash(...task, "--re"), "--replay");
  assertEquals(await inBash(...task, "up", "--fo"), "--format");
  assertEquals(await inBash(...task, "u"), "up");
  assertEquals(await inBash(...task, "--format", ""), "text json");
  assertEquals(await inBash(...task, "--format", "=", "j"), "json");
  assertEquals(await inBash(...task, "--format", "="), "text json");
  assertEquals(await inBash(...task, "--output", ""), "", "left to the completion of files");
  assertEquals(await inBash("deno", "task", "-q", "count", "--top"), "--topic-prefix");
  assertEquals(await inBash("deno", "task", "other", "--v"), "--version");
});

Deno.test("the bash script leaves all other words to Deno's completion, also when it is read twice", async () => {
  assertEquals(await inBash("deno", "ru"), "deno's own");
  assertEquals(await inBash("deno", "task", "co"), "deno's own");
  assertEquals(await inBash("deno", "task", "unknown", "--f"), "deno's own");
  assertEquals(await inBash("deno", "run", "count", "--f"), "deno's own");
});

shellTest(
  "fish",
  "the fish script completes flags, commands and choices of a task",
  async () => {
    const complete = (line: string) =>
      run("fish", [
        "--no-config",
        "-c",
        `${completionScript("fish", tasks)}\ncomplete -C '${line}'`,
      ]);
    assertEquals(await complete("deno task count --form"), "--format\tit's the form");
    assertEquals(await complete("deno task count --format j"), "json\tit's the form");
    assertStringIncludes(await complete("deno task count "), "up");
  },
);

for (const shell of SHELLS) {
  shellTest(shell, `the ${shell} script is accepted by its shell`, async () => {
    await run(shell, ["-n", "-c", completionScript(shell, tasks)]);
  });
}
