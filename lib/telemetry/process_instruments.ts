/**
 * What every program measures of itself.
 *
 * @module
 */
import process from "node:process";
import { type Instrument, single } from "../instruments.ts";

/** The version, the memory and the processor time of this process. */
export function processInstruments(version: string): Instrument[] {
  const startSeconds = (Date.now() - performance.now()) / 1_000;
  return [
    {
      name: "order_stream_build_info",
      help: "Always 1; the labels say which version runs, on which Deno",
      kind: "gauge",
      unit: "1",
      labels: ["version", "deno"],
      read: () => [{ value: 1, labels: { version, deno: Deno.version.deno } }],
    },
    {
      name: "process_start_time_seconds",
      help: "When the process was started, in seconds since the epoch",
      kind: "gauge",
      unit: "s",
      labels: [],
      read: () => single(startSeconds),
    },
    {
      name: "process_resident_memory_bytes",
      help: "Resident memory of the process",
      kind: "gauge",
      unit: "By",
      labels: [],
      read: () => single(Deno.memoryUsage().rss),
    },
    {
      name: "process_cpu_seconds_total",
      help: "Processor time of the process, of user and system together",
      kind: "counter",
      unit: "s",
      labels: [],
      read() {
        const { user, system } = process.cpuUsage();
        return single((user + system) / 1e6);
      },
    },
  ];
}
