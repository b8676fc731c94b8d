import { assertEquals, assertThrows } from "@std/assert";
import { lintMetrics, parsePrometheusText } from "../../tests/support/prometheus_text.ts";
import type { Instrument, Sample } from "../instruments.ts";
import { processInstruments } from "./process_instruments.ts";
import { PrometheusText } from "./prometheus.ts";

function instrument(labels: string[], samples: () => Sample[], changes = {}): Instrument {
  const rest = { name: "lag_records", help: "What is left", kind: "gauge", unit: "{record}" };
  return {
    ...rest as Pick<Instrument, "kind" | "name" | "help" | "unit">,
    labels,
    read: samples,
    ...changes,
  };
}

async function scrape(...instruments: Instrument[]) {
  const prometheus = new PrometheusText({ instruments, distributions: [] });
  return parsePrometheusText((await prometheus.scrape()).text);
}

Deno.test("PrometheusText escapes labels, whatever is in them", async () => {
  const items = [
    ...['"', "\\", "\n", 'a\\n"}', "\r\u2028\u0000", "<b>ü寿🍣", "", ' x{y="z"} 1 '],
    "toString",
  ];
  const samples = items.map((item, value) => ({ value, labels: { item } }));
  const metrics = await scrape(instrument(["item"], () => samples));
  assertEquals(
    metrics.get("lag_records")!.samples.map(({ labels, value }) => ({ value, labels })),
    samples,
  );
});

Deno.test("PrometheusText leaves out what is not known, and what is no longer there", async () => {
  let samples: Sample[] = [];
  const prometheus = new PrometheusText({
    instruments: [
      instrument([], () => samples.map(({ value }) => ({ value }))),
      instrument(["group"], () => samples, { name: "orders_total", kind: "counter" }),
    ],
    distributions: [],
  });
  const values = async () =>
    [...parsePrometheusText((await prometheus.scrape()).text).values()]
      .map((metric) => metric.samples.map(({ value }) => value));
  assertEquals(await values(), [[], []]);
  samples = [{ value: 7, labels: { group: "a" } }];
  assertEquals(await values(), [[7], [7]]);
  samples = [{ value: 0, labels: { group: "b" } }];
  assertEquals(await values(), [[0], [0]]);
  samples = [];
  assertEquals(await values(), [[], []]);
});

Deno.test("PrometheusText adds up the buckets of a distribution", async () => {
  let take = (_value: number) => {};
  const prometheus = new PrometheusText({
    instruments: [],
    distributions: [{
      ...{ name: "took_seconds", help: "How long it took", unit: "s", labels: { group: "a" } },
      bounds: [0.1, 1],
      subscribe: (each) => take = each,
    }],
  });
  const values = async () => {
    const { text, contentType } = await prometheus.scrape();
    assertEquals(contentType, "text/plain; version=0.0.4; charset=utf-8");
    const metrics = parsePrometheusText(text);
    assertEquals(lintMetrics(metrics), []);
    return metrics.get("took_seconds")!.samples.map(({ value }) => value);
  };
  assertEquals(await values(), [0, 0, 0, 0, 0]);
  [0.05, 0.5, 5, 0.05].forEach((value) => take(value));
  assertEquals(await values(), [2, 3, 4, 5.6, 4]);
});

Deno.test("processInstruments have values that can be true, and good names", async () => {
  const metrics = await scrape(...processInstruments("1.2.3"));
  assertEquals(lintMetrics(metrics), []);
  const value = (name: string) => metrics.get(name)!.samples[0]!.value;
  assertEquals(metrics.get("order_stream_build_info")!.samples[0]!.labels.version, "1.2.3");
  const isBetween = (name: string, min: number, max: number) =>
    assertEquals([name, value(name) > min && value(name) < max], [name, true]);
  isBetween("process_resident_memory_bytes", 1e7, 1e10);
  isBetween("process_cpu_seconds_total", 0.01, 1e5);
  isBetween("process_start_time_seconds", Date.now() / 1_000 - 1e5, Date.now() / 1_000);
});

Deno.test("parsePrometheusText and lintMetrics find what is wrong", () => {
  const head = "# HELP a_total Help\n# TYPE a_total counter\n";
  assertEquals(parsePrometheusText(`${head}a_total{b="c"} 1e-7\n`).get("a_total")!.samples, [
    { name: "a_total", labels: { b: "c" }, value: 1e-7 },
  ]);
  for (
    const line of [
      'a_total{b="c} 1',
      'a_total{b="\\x"} 1',
      'a_total{b="c"}1',
      "a_total x",
      "b 1",
      'a_total{b="c",b="d"} 1',
      "a_total 1\na_total 2",
      "# TYPE b counter",
      "# other",
    ]
  ) assertThrows(() => parsePrometheusText(`${head}${line}\n`), Error, undefined, line);
  assertThrows(() => parsePrometheusText(`${head}a_total 1`), Error, "does not end");
  const lint = (name: string, type: string, help = "Help", sample = "") =>
    lintMetrics(parsePrometheusText(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${sample}`))
      .length;
  assertEquals(
    [
      lint("a_total", "gauge"),
      lint("a", "counter"),
      lint("a_ms", "gauge"),
      lint("aB", "gauge"),
      lint("a_count", "gauge"),
      lint("a", "gauge", "Help."),
      lint("a_group", "gauge", "Help", 'a_group{group="b"} 1\n'),
      lint(
        "a",
        "histogram",
        "Help",
        'a_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_sum 1\na_count 1\n',
      ),
      lint("a_seconds", "gauge"),
    ],
    [1, 1, 1, 1, 1, 1, 1, 1, 0],
  );
});
