/**
 * Programs that answer by HTTP.
 *
 * @module
 */
import type { Running, Script } from "../../lib/cli/launch.ts";
import { type Metric, parsePrometheusText } from "./prometheus_text.ts";
import { eventually, type TestRun } from "./run.ts";

/** A program that listens. */
export interface Listening extends Running {
  /** Where, without a slash at its end. */
  url: string;
  /** The status and the text of an answer. */
  get(path: string): Promise<{ status: number; text: string }>;
  /** The status and the first line of an answer, such as `200 ok`. */
  probe(path: "/livez" | "/readyz"): Promise<string>;
  /** What `/metrics` has now. */
  metrics(): Promise<Map<string, Metric>>;
}

/** Starts a program at any free port and waits until it listens. */
export async function startListening(
  run: TestRun,
  script: Script,
  args: string[] = [],
): Promise<Listening> {
  let url: string | undefined;
  const program = run.start(script, ["--listen", "127.0.0.1:0", ...args], (line) => {
    url ??= / at (http:\/\/[\d.]+:\d+)/.exec(line)?.[1];
  });
  await eventually(`${script} listens`, () => url !== undefined);
  const get = async (path: string) => {
    const response = await fetch(`${url}${path}`);
    return { status: response.status, text: await response.text() };
  };
  return {
    ...{ pid: program.pid, kill: program.kill, url: url!, get },
    get ended() {
      return program.ended;
    },
    async probe(path) {
      const { status, text } = await get(path);
      return `${status} ${text.split("\n")[0]}`;
    },
    metrics: async () => parsePrometheusText((await get("/metrics")).text),
  };
}

/** The samples of a metric: the values of their labels, and their values, as sorted text. */
export function valuesOf(metrics: Map<string, Metric>, name: string): string[] {
  return (metrics.get(name)?.samples ?? []).map(({ name: sample, labels, value }) =>
    [sample.slice(name.length + 1), ...Object.values(labels), value].filter((each) => each !== "")
      .join(" ")
  ).sort();
}
