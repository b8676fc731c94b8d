/**
 * Faults of the disk that the report of analytics is on.
 *
 * @module
 */
import { assertStringIncludes } from "@std/assert";
import { canMount } from "../../support/mounts.ts";
import { eventually } from "../../support/run.ts";
import type { Outcome, Scene } from "../../support/scene.ts";
import type { Fault, Form } from "./fault.ts";

export const lostReport: Fault = {
  summary: "the report on a full disk, and its directory gone",
  nodes: 1,
  missing: () => canMount() ? undefined : "mounting a small disk takes privileges",
  run: loseReport,
  settles: true,
};

async function loseReport(scene: Scene, { isLong }: Form): Promise<Outcome> {
  const directory = await Deno.makeTempDir({ prefix: "order-stream-report-" });
  const path = `${directory}/report.txt`;
  await using _disk = await smallDisk(directory);
  await scene.begin();
  await scene.end("analytics", 0, "SIGTERM");
  const analytics = scene.add("analytics", { args: ["--output", path] });
  const total = async () => {
    const text = await Deno.readTextFile(path).catch(() => "");
    return Number(/^Total Orders: (\d+)$/m.exec(text)?.[1] ?? 0);
  };
  await eventually("there is a report", async () => await total() > 0);
  const warnings = () => analytics.lines.filter((line) => line.includes("cannot write")).length;
  for (let round = 0; round < (isLong ? 3 : 1); round++) {
    const warned = warnings();
    await fill(`${directory}/filler`);
    await eventually("it warns of the full disk", () => warnings() > warned);
    const before = await total();
    await Deno.remove(`${directory}/filler`);
    await eventually("the report is back", async () => await total() > before);
    await scene.recovered("the disk was full");
  }
  const warned = warnings();
  await Deno.remove(path);
  await unmount(directory);
  await Deno.remove(directory);
  await eventually("it warns of the directory", () => warnings() > warned);
  await Deno.mkdir(directory);
  await eventually("the report is back", async () => await total() > 0);
  await scene.recovered("the directory was gone");
  const outcome = await scene.settle();
  assertStringIncludes(await Deno.readTextFile(path), `Total Orders: ${outcome.orders}\n`);
  return outcome;
}

async function smallDisk(directory: string): Promise<AsyncDisposable> {
  await command("mount", ["-t", "tmpfs", "-o", "size=64k", "none", directory]);
  const remove = async () => {
    await unmount(directory).catch(() => {});
    await Deno.remove(directory, { recursive: true });
  };
  return { [Symbol.asyncDispose]: remove };
}

function unmount(directory: string): Promise<void> {
  return command("umount", ["-l", directory]);
}

/** Writes a file until the disk is full. */
async function fill(path: string): Promise<void> {
  await command("sh", ["-c", `cat /dev/zero >"$0" 2>/dev/null || true`, path]);
}

async function command(name: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args }).output();
  if (!success) throw new Error(`${name}: ${new TextDecoder().decode(stderr)}`);
}
