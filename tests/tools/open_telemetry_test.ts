/**
 * What programs export through OpenTelemetry is what their /metrics say.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { collect, commandOf, type Script } from "../../lib/cli/launch.ts";
import { messageOf } from "../../lib/cli/output.ts";
import { valuesOf } from "../support/listening.ts";
import { type Collector, seriesText, startCollector } from "../support/otlp_collector.ts";
import { type Metric, parsePrometheusText } from "../support/prometheus_text.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** A program that exports. */
interface Exporting extends AsyncDisposable {
  /** Where it listens; `undefined` until it does. */
  url(): string | undefined;
}

/** Starts a program as its task does, with the variables of the exporter. */
function startExporting(
  run: TestRun,
  script: Script,
  { collector, args }: { collector: Collector; args: string[] },
): Exporting {
  let url: string | undefined;
  const child = new Deno.Command(Deno.execPath(), {
    args: [...commandOf(script, run.brokers), "--topic-prefix", run.prefix, ...args],
    env: collector.env(script),
    ...{ stdin: "null", stdout: "null", stderr: "piped" },
  }).spawn();
  const output = collect(child.stderr, (line) => {
    url ??= / at (http:\/\/[\d.]+:\d+)/.exec(messageOf(line))?.[1];
  });
  return {
    url: () => url,
    async [Symbol.asyncDispose]() {
      // Deno 2.9.6 may not end by itself while it exports: see docs/MONITORING.md.
      child.kill("SIGKILL");
      await Promise.all([child.status, output]);
    },
  };
}

async function scrape({ url }: Exporting): Promise<Map<string, Metric>> {
  return parsePrometheusText(await (await fetch(`${url()}/metrics`)).text());
}

/** What changes from one moment to the next. */
const CHANGING = /^process_(cpu|resident)/;

/** What is the same in both, as long as nothing happens; with the names that are in both. */
function comparable(values: Iterable<readonly [string, string[]]>): Record<string, string[]> {
  return Object.fromEntries(
    // Deno's exporter sends no instrument without values.
    [...values].filter(([name, list]) => !CHANGING.test(name) && list.length > 0).sort(),
  );
}

Deno.test("programs export the instruments of their /metrics", async (t) => {
  await using run = await testRun("otel");
  await using collector = startCollector();
  await run.json("producer.ts", ["--count", "300", "--failure-rate", "0.5"]);
  const listen = ["--listen", "127.0.0.1:0"];
  await using inventory = startExporting(run, "inventory.ts", { collector, args: listen });
  await using _analytics = startExporting(run, "analytics.ts", {
    collector,
    args: ["--output", "none"],
  });
  await using dashboard = startExporting(run, "dashboard.ts", { collector, args: listen });

  for (
    const [script, program] of Object.entries({
      "inventory.ts": inventory,
      "dashboard.ts": dashboard,
    })
  ) {
    await t.step(`${script}: names, labels and values agree`, async () => {
      await eventually(`${script} listens`, () => program.url() !== undefined);
      let of: [Record<string, string[]>, Record<string, string[]>] = [{}, {}];
      await eventually("the dashboard knows the orders, inventory has processed them", async () => {
        const metrics = await scrape(program);
        const orders = valuesOf(metrics, "order_stream_orders_total");
        const processed = valuesOf(metrics, "order_stream_processed_records_total");
        const total = [...orders, ...processed]
          .reduce((sum, text) => sum + Number(text.split(" ").at(-1)), 0);
        return total === 300;
      });
      await eventually(`${script} has exported what it has`, async () => {
        const metrics = await scrape(program);
        const exported = [...collector.metrics(script)].filter(([name]) => metrics.has(name));
        of = [
          comparable([...metrics].map(([name, { samples }]) => [
            name,
            samples.map((each) => seriesText(each.name, each.labels, each.value)).sort(),
          ])),
          comparable(exported),
        ];
        return JSON.stringify(of[0]) === JSON.stringify(of[1]);
      }).catch(() => {});
      assertEquals(of[1], of[0]);
      assert(Object.keys(of[0]).length >= 7);
      assert(collector.metrics(script).has("process_resident_memory_bytes"));
    });
  }

  await t.step(
    "analytics.ts exports without listening, with a span for each transaction",
    async () => {
      const group = `${run.prefix}analytics`;
      await eventually("all orders are exported", () => {
        const values = collector.metrics("analytics.ts").get(
          "order_stream_processed_records_total",
        );
        const counts = (values ?? []).map((text) => Number(text.split(" ").at(-1)));
        return counts.reduce((sum, count) => sum + count, 0) === 300;
      });
      const processed = () =>
        collector.spans("analytics.ts").filter(({ name }) => name === "transaction");
      await eventually("their transactions are exported", () =>
        processed().reduce(
          (sum, { attributes }) => sum + Number(attributes["messaging.batch.message_count"]),
          0,
        ) === 300);
      for (const { attributes, isError } of processed()) {
        assertEquals([attributes["messaging.consumer.group.name"], isError], [group, false]);
      }
    },
  );
});
