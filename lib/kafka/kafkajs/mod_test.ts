import { assertEquals } from "@std/assert";

const KAFKA = new URL("..", import.meta.url);
const ROOT = new URL("../..", KAFKA);

/** The modules under a folder, as paths from `ROOT`. */
function modules(folder: URL): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const at = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) return /^(\..*|node_modules|peers)$/.test(name) ? [] : modules(at);
    return name.endsWith(".ts") ? [at.href.slice(ROOT.href.length)] : [];
  });
}

/** A worker imports the module of its name. As text, which the compiler leaves alone: it is quick. */
const IMPORT_FIRST = "data:text/javascript," + encodeURIComponent(
  `import(name).then(() => postMessage(""), (error) => postMessage(String(error)))`,
);

/** Imports a module where nothing else is loaded, and returns the error, or `""`. */
async function importFirst(module: string): Promise<string> {
  const { href } = new URL(module, ROOT);
  const worker = new Worker(IMPORT_FIRST, { type: "module", name: href });
  try {
    return await new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
  } finally {
    worker.terminate();
  }
}

Deno.test("each module of lib/kafka can be the first that a program imports", async () => {
  for (const module of modules(KAFKA)) {
    if (!module.endsWith("_test.ts")) assertEquals(await importFirst(module), "", module);
  }
});

Deno.test("only lib/kafka/kafkajs/ imports values of kafkajs, and only lib/kafka/ its types", () => {
  const wrong = modules(ROOT).flatMap((module) => {
    if (module.startsWith("lib/kafka/kafkajs/")) return [];
    const code = Deno.readTextFileSync(new URL(module, ROOT));
    return [...code.matchAll(/^(?:import|export)\b[^;]*?["'](?:npm:)?kafkajs["'@/][^;]*;/gm)]
      .filter(([line]) => !(line.startsWith("import type") && module.startsWith("lib/kafka/")))
      .map(([line]) => `${module}: ${line}`);
  });
  assertEquals(wrong, []);
});
