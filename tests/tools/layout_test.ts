/**
 * The directions of imports: programs → lib/lag, lib/kafka, dev_broker, lib/cli → lib; and what starts
 * processes. Only reads files.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url);

/** The folders that belong to the product. `""` holds the programs. */
const PRODUCT = [
  "",
  "lib",
  "lib/cli",
  "lib/lag",
  "lib/kafka",
  "lib/kafka/kafkajs",
  "lib/http",
  "lib/telemetry",
  "dev_broker",
];

/** The folders of the modules that those of a folder may import. */
const MAY_IMPORT: Record<string, string[]> = {
  "": ["", "lib", "lib/cli", "lib/lag", "lib/kafka", "lib/http", "dev_broker"],
  "lib": ["lib"],
  "lib/cli": ["lib", "lib/cli"],
  // The table printer of lib/cli/text.ts.
  "lib/lag": ["lib", "lib/cli", "lib/lag"],
  "lib/http": ["lib", "lib/lag", "lib/kafka", "lib/telemetry", "lib/http", "web", "docs"],
  "lib/telemetry": ["lib", "lib/kafka", "lib/telemetry"],
  "lib/kafka": ["lib", "lib/kafka", "lib/kafka/kafkajs"],
  "lib/kafka/kafkajs": ["lib", "lib/kafka", "lib/kafka/kafkajs"],
  "dev_broker": ["lib", "lib/kafka", "dev_broker"],
};

/** What the modules of a folder may not use, by the rule that says so. */
const MAY_NOT_USE: Record<string, { rule: string; pattern: RegExp }[]> = {
  "lib": [
    { rule: "no Deno", pattern: /\bDeno\./ },
    { rule: "no Kafka client", pattern: /["'](npm:)?kafkajs\b/ },
    { rule: "no clock", pattern: /\b(Date\.now|performance\.now)\b|\bnew Date\(\)/ },
    { rule: "no printing", pattern: /\bconsole\./ },
  ],
  "lib/kafka": [{ rule: "no printing", pattern: /\bconsole\.|\bDeno\.std(out|err)\b/ }],
  "lib/telemetry": [{ rule: "no printing", pattern: /\bconsole\.|\bDeno\.std(out|err)\b/ }],
  "lib/http": [{ rule: "no printing", pattern: /\bconsole\.|\bDeno\.std(out|err)\b/ }],
  "lib/kafka/kafkajs": [{ rule: "no printing", pattern: /\bconsole\.|\bDeno\.std(out|err)\b/ }],
};

/** Types may also come from these folders. */
const TYPES_FROM: Record<string, string[]> = { "lib/kafka": ["lib/lag"] };

interface Import {
  from: string;
  isType: boolean;
}

/** The modules of a folder, tests left out, with their code without comments. */
function modulesOf(folder: string): { path: string; code: string }[] {
  const at = new URL(folder === "" ? "./" : `${folder}/`, ROOT);
  return [...Deno.readDirSync(at)]
    .filter(({ name, isFile }) => isFile && name.endsWith(".ts") && !name.endsWith("_test.ts"))
    .map(({ name }) => ({
      path: folder === "" ? name : `${folder}/${name}`,
      code: withoutComments(Deno.readTextFileSync(new URL(name, at))),
    }));
}

function withoutComments(code: string): string {
  return code.replace(/^\s*\/\*\*[^]*?\*\/|^\s*\/\/.*$|\s\/\/ .*$/gm, "");
}

/** What a module imports, dynamically too, except data. */
function importsOf(code: string): Import[] {
  const written = code.matchAll(
    /^(?:import|export)\b(?<type> type\b)?(?:[^"';]*?\bfrom)?\s*["'](?<from>[^"']+)["']/gm,
  );
  const dynamic = code.matchAll(/\bimport\(\s*["'](?<from>[^"']+)["']/g);
  return [...written, ...dynamic].map(({ groups }) => ({
    from: groups!.from!,
    isType: groups!.type !== undefined,
  })).filter(({ from }) => !from.endsWith(".json"));
}

/** The folder of the module that is imported; `undefined` for a package. */
function folderOf(path: string, from: string): string | undefined {
  if (!from.startsWith(".")) return undefined;
  const target = new URL(from, new URL(path, ROOT)).href.slice(ROOT.href.length);
  return target.includes("/") ? target.slice(0, target.lastIndexOf("/")) : "";
}

function mayImport(folder: string, path: string, { from, isType }: Import): boolean {
  const isKafka = folder.startsWith("lib/kafka");
  const target = folderOf(path, from);
  if (target !== undefined) {
    return MAY_IMPORT[folder]!.includes(target) ||
      (isType && TYPES_FROM[folder]?.includes(target) === true);
  }
  if (from === "kafkajs") return isKafka && (isType || folder === "lib/kafka/kafkajs");
  return !(isKafka && from.startsWith("@std/"));
}

for (const folder of PRODUCT) {
  Deno.test(`the modules of ${folder || "the root"} import only what the layout allows`, () => {
    const modules = modulesOf(folder);
    assert(modules.length > 0);
    const wrong = modules.flatMap(({ path, code }) =>
      importsOf(code).filter((each) => !mayImport(folder, path, each))
        .map(({ from, isType }) => `${path} imports ${isType ? "types of " : ""}${from}`)
    );
    assertEquals(wrong, []);
  });

  Deno.test(`the modules of ${folder || "the root"} use only what the layout allows`, () => {
    const wrong = modulesOf(folder).flatMap(({ path, code }) =>
      (MAY_NOT_USE[folder] ?? []).flatMap(({ rule, pattern }) => {
        // Waiting is what async.ts is about.
        const found = rule === "no clock" && path === "lib/async.ts" ? null : pattern.exec(code);
        return found === null ? [] : [`${path}: ${rule}, but ${found[0]}`];
      })
    );
    assertEquals(wrong, []);
  });
}

Deno.test("each folder of lib is in the layout, and no module is called index or utils", () => {
  const folders = ["lib", "lib/kafka"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(`${folder}/`, ROOT))]
      .filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => `${folder}/${name}`)
  );
  assertEquals(folders.filter((folder) => !PRODUCT.includes(folder)), []);
  const names = PRODUCT.flatMap(modulesOf).map(({ path }) => path);
  assertEquals(names.filter((path) => /(^|\/)(index|utils?|helpers?)\.ts$/.test(path)), []);
});

/** The modules that start processes; launch.ts is for the demo and the tests. */
const STARTERS = [
  "broker.ts",
  "demo.ts",
  "dev_broker/docker.ts",
  "dev_broker/files.ts",
  "dev_broker/node.ts",
  "lib/cli/launch.ts",
];

Deno.test("nothing but the broker and the demo starts processes", () => {
  const modules = PRODUCT.flatMap(modulesOf);
  const starters = modules.filter(({ code }) => /\bDeno\.Command\b|child_process/.test(code));
  assertEquals(starters.map(({ path }) => path).sort(), STARTERS);
  const launching = modules.filter(({ code }) =>
    importsOf(code).some(({ from, isType }) => !isType && from.endsWith("/launch.ts"))
  );
  assertEquals(launching.map(({ path }) => path), ["demo.ts"]);
});

Deno.test("only the tasks of broker, its jars, demo, benchmarks and checks may start processes", () => {
  const tasks = Object.entries(config.tasks);
  const having = (pattern: RegExp) =>
    tasks.filter(([, { command }]) => pattern.test(command)).map(([name]) => name);
  assertEquals(having(/--allow-run/), [
    "demo-program",
    "broker",
    "bench",
    "page-load",
    "jars",
    "ok",
  ]);
  assertEquals(having(/ -A\b|--allow-all/), ["test", "soak"]);
  assertEquals(having(/--allow-run(?!=)/), []);
  for (const [name, set] of Object.entries(config.permissions)) {
    assertEquals(Object.keys(set).filter((kind) => ["run", "ffi", "all"].includes(kind)), [], name);
  }
});

Deno.test("a task asks no question, and permits files by their paths", () => {
  for (const [name, { command }] of Object.entries(config.tasks)) {
    for (const [run] of command.matchAll(/\bdeno run [^&]*/g)) {
      if (/ -A /.test(run)) continue;
      assert(run.includes(" --no-prompt "), name);
      assertEquals(/--allow-(read|write|env|net|sys)(?!=)/.test(run), false, name);
    }
  }
  for (const [name, set] of Object.entries(config.permissions)) {
    const { read = [], write = [] } = set as { read?: unknown; write?: unknown };
    assert(Array.isArray(read) && Array.isArray(write), name);
  }
});

Deno.test("importsOf finds every form of import", () => {
  const code = `
import "./a.ts";
import b from "./b.ts";
import {
  c,
  type C,
} from "./c.ts";
import type { D } from "./d.ts";
export { e } from "./e.ts";
export * from "./f.ts";
const g = await import("./g.ts");
export const h = 'import "./h.ts"';
import data from "./deno.json" with { type: "json" };
`;
  assertEquals(importsOf(code), [
    ..."abc".split("").map((name) => ({ from: `./${name}.ts`, isType: false })),
    { from: "./d.ts", isType: true },
    ..."efg".split("").map((name) => ({ from: `./${name}.ts`, isType: false })),
  ]);
});
