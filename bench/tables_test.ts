import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JobResult } from "./jobs.ts";
import { sharesOf } from "./limits.ts";
import { spreadOf } from "./measure.ts";
import { jobTable, table } from "./tables.ts";

function result(orders: number, perSecond: number): JobResult {
  const client = (name: string, rate: number) => ({
    client: name,
    ordersPerSecond: spreadOf([rate]),
    seconds: spreadOf([orders / rate]),
    workingOrdersPerSecond: spreadOf([2 * rate]),
    cpuSeconds: spreadOf([1]),
    ratio: undefined,
    dropped: [],
  });
  return {
    job: "produce",
    orders,
    clients: [
      client("ours", perSecond),
      { ...client("theirs", perSecond / 2), ratio: spreadOf([1.9, 2, 2.2]), dropped: ["it fell"] },
    ],
  };
}

Deno.test("table aligns its columns", () => {
  assertEquals(table(["", "n"], [["a", "10"], ["bcd", "5"]]), "      n\na    10\nbcd   5");
});

Deno.test("jobTable shows medians, ranges and why a run gave no figure", () => {
  const text = jobTable(result(10_000, 50_000));
  assertStringIncludes(text, "Produce: 10,000 orders");
  assertStringIncludes(text, "2.00 (1.90–2.20)");
  assertStringIncludes(text, "theirs: a run gave no figure: it fell");
});

Deno.test("jobTable shows a dash for a client without figures", () => {
  const { job, orders, clients } = result(10, 5);
  const none = { seconds: undefined, ordersPerSecond: undefined, cpuSeconds: undefined };
  const text = jobTable({ job, orders, clients: [{ ...clients[0]!, ...none }] });
  assertEquals(text.split("\n").at(-1)!.trim().split(/\s+/), ["ours", "–", "–", "–", "–"]);
});

Deno.test("sharesOf compares the median of our program with its steps in series", () => {
  const limits = {
    generate: 262_144,
    stringify: 1,
    encode: 262_144,
    jsonParse: 1,
    parse: 1,
    movements: 1,
    fetch: 1,
  };
  assertEquals(sharesOf(limits, [result(500_000, 50_000)]), [{
    job: "produce",
    steps: ["generate", "encode"],
    limit: 131_072,
    whole: 50_000,
    working: 100_000,
  }]);
});
