import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { type Figures, speedChart, withFigures } from "./publish.ts";

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, root));
const published: Figures = JSON.parse(read("docs/bench.json"));

/** Undoes what `deno fmt` does: line breaks, blanks, and the width of table columns. */
function unformatted(text: string): string {
  return text.replace(/\s+/g, "").replace(/-{3,}/g, "---");
}

Deno.test("README.md shows the figures of docs/bench.json", () => {
  const readme = read("README.md");
  assertEquals(unformatted(readme), unformatted(withFigures(readme, published)));
});

Deno.test("docs/bench.svg is the chart of docs/bench.json", () => {
  assertEquals(unformatted(read("docs/bench.svg")), unformatted(speedChart(published)!));
});

const README =
  "before\n<!-- from docs/bench.json -->\nold\n<!-- end of docs/bench.json -->\nafter\n";
const machine = { date: "2026-01-02T03:04:05Z", cpu: "CPU", cores: 2, deno: "2.9.6", broker: "K" };

function rate(median: number) {
  return { median, min: median, max: median };
}

function figures(orders: number, ratio = 2.04): Figures["jobs"] {
  return (["produce", "analytics", "inventory"] as const).map((job) => ({
    job,
    orders,
    clients: [
      { client: "ours", ordersPerSecond: rate(orders) },
      { client: "theirs", ordersPerSecond: rate(orders / 2), ratio: { median: ratio } },
      ...(job === "produce" ? [{ client: "tool", ordersPerSecond: rate(orders * 2) }] : []),
    ],
  }));
}

Deno.test("withFigures replaces the published text and leaves the rest of the README", () => {
  const jobs = [...figures(10_000, 0.144), ...figures(500_000)];
  const foreign = figures(500_000).slice(1);
  const text = withFigures(README, { machine, options: { pairs: 5 }, jobs, foreign });
  assertEquals(text.includes("old"), false);
  assertEquals([text.slice(0, 6), text.slice(-6)], ["before", "after\n"]);
  const tables = text.split(/\n{2,}/).filter((part) => part.startsWith("|"))
    .map((table) => table.split("\n"));
  const jobTable = (ours: string, theirs: string) => [
    "| client | produce | analytics, catching up | inventory, exactly once |",
    "| --- | --- | --- | --- |",
    `| ours | ${ours} | ${ours} | ${ours} |`,
    `| theirs | ${theirs} | ${theirs} | ${theirs} |`,
  ];
  assertEquals(tables, [
    jobTable("500,000/s", "250,000/s, 2.0 times"),
    [
      "| client | analytics, catching up | inventory, exactly once |",
      "| --- | --- | --- |",
      "| ours | 500,000/s | 500,000/s |",
      "| theirs | 250,000/s, 2.0 times | 250,000/s, 2.0 times |",
    ],
    jobTable("10,000/s", "5,000/s, 0.14 times"),
  ]);
  assertStringIncludes(text, "Measured on 2026-01-02: CPU, 2 cores; Deno 2.9.6; K.");
});

Deno.test("withFigures refuses figures without one of the jobs, and a README without a place", () => {
  const jobs = figures(10_000);
  const rest = { machine, options: { pairs: 5 } };
  assertThrows(
    () => withFigures(README, { ...rest, jobs: jobs.slice(0, 2) }),
    Error,
    "no figures for inventory",
  );
  assertThrows(() => withFigures("", { ...rest, jobs }), Error, "in README.md");
});

Deno.test("speedChart draws each job at its largest size, and nothing without figures", () => {
  const jobs = [...figures(500_000), ...figures(10_000)];
  const svg = speedChart({ machine, jobs })!;
  assertEquals([...svg.matchAll(/: ([\d,]+) orders</g)].map((match) => match[1]), [
    "500,000",
    "500,000",
    "500,000",
  ]);
  assertEquals(svg.match(/<rect class="ours"/g)?.length, 3);
  assertEquals(speedChart({ machine, jobs: [] }), undefined);
});
