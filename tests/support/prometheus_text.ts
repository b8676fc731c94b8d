/**
 * Reading the text format of Prometheus, strictly, and judging names as `promtool check metrics` does
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * @module
 */

/** A metric with all its samples. */
export interface Metric {
  type: string;
  help: string;
  samples: Sample[];
}

/** A line with a value. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
const VALUE = /^ (NaN|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

/**
 * Parses a whole text.
 *
 * @throws {Error} With the first line that breaks the format.
 */
export function parsePrometheusText(text: string): Map<string, Metric> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const metrics = new Map<string, Metric>();
  const seen = new Set<string>();
  let current: [string, Metric] | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string) => new Error(`${why}: ${line}`);
    if (line === "") continue;
    const [, keyword, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      if (metrics.has(name)) throw fail("a metric twice");
      current = [name, { type: "", help: rest, samples: [] }];
      metrics.set(...current);
    } else if (keyword === "TYPE") {
      if (current?.[0] !== name) throw fail("a type without help");
      if (!/^(counter|gauge|histogram)$/.test(rest)) throw fail("unknown type");
      current[1].type = rest;
    } else if (line.startsWith("#")) throw fail("unknown comment");
    else {
      const sample = parseSample(line);
      if (sample === undefined) throw fail("not a sample");
      if (current === undefined || baseName(sample.name, current[1]) !== current[0]) {
        throw fail("a sample of another metric");
      }
      const labels = Object.entries(sample.labels).sort();
      const series = JSON.stringify([sample.name, labels]);
      if (seen.has(series)) throw fail("a series twice");
      seen.add(series);
      current[1].samples.push(sample);
    }
  }
  return metrics;
}

function parseSample(line: string): Sample | undefined {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) return undefined;
  let rest = line.slice(name.length);
  const labels: Record<string, string> = {};
  if (rest.startsWith("{")) {
    do {
      rest = rest.slice(1);
      const label = LABEL.exec(rest);
      if (label === null || label[1]! in labels) return undefined;
      labels[label[1]!] = label[2]!.replace(/\\(.)/g, (_, each) => each === "n" ? "\n" : each);
      rest = rest.slice(label[0].length);
    } while (rest.startsWith(","));
    if (!rest.startsWith("}")) return undefined;
    rest = rest.slice(1);
  }
  const value = VALUE.exec(rest)?.[1];
  return value === undefined
    ? undefined
    : { name, labels, value: Number(value.replace("Inf", "Infinity")) };
}

function baseName(name: string, { type }: Metric): string {
  return type === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") : name;
}

/** Units that are not base units, and abbreviations. */
const OTHER_UNITS =
  /_(ms|milliseconds|minutes|hours|days|kilobytes|megabytes|bits|percent|sec|secs|s|b)(_|$)/;

/** What is wrong with names, help and buckets; empty when all is well. */
export function lintMetrics(metrics: ReadonlyMap<string, Metric>): string[] {
  return [...metrics].flatMap(([name, { type, help, samples }]) => {
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
    return [
      [!/^[a-z][a-z0-9_]*$/.test(name), "not in snake_case"],
      [(type === "counter") !== name.endsWith("_total"), "counters end with _total, others do not"],
      [/_(count|sum|bucket)$/.test(name), "ends like a part of a histogram"],
      [OTHER_UNITS.test(name), "not in a base unit"],
      [name.includes(`_${type}`), "has its type in its name"],
      [help === "" || help.endsWith("."), "help is missing, or ends with a full stop"],
      [[...labels].some((label) => name.split("_").includes(label)), "has a label in its name"],
      [type === "histogram" && !hasRisingBuckets(samples), "buckets do not add up"],
    ].filter(([isWrong]) => isWrong).map(([, problem]) => `${name}: ${problem}`);
  });
}

function hasRisingBuckets(samples: readonly Sample[]): boolean {
  const buckets = samples.filter(({ name }) => name.endsWith("_bucket"));
  const count = samples.find(({ name }) => name.endsWith("_count"))?.value;
  return buckets.at(-1)?.labels.le === "+Inf" && buckets.at(-1)?.value === count &&
    buckets.every(({ value, labels }, index) => {
      const before = buckets[index - 1];
      return before === undefined ||
        before.value <= value && bound(before.labels.le) < bound(labels.le);
    });
}

function bound(le: string | undefined): number {
  return Number(le?.replace("Inf", "Infinity"));
}
