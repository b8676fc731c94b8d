/**
 * Instruments in the text format of Prometheus.
 *
 * Loading prom-client takes a third of a second: import this module only where it is used.
 *
 * @module
 */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Distribution, Instrument, Instruments } from "../instruments.ts";

/** The instruments of a program, for one scrape after another. */
export class PrometheusText {
  readonly #registry = new Registry();

  /** Registers all of them. */
  constructor({ instruments, distributions }: Instruments) {
    for (const each of instruments) this.#add(each);
    for (const each of distributions) this.#record(each);
  }

  /** All values now. */
  async scrape(): Promise<{ text: string; contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  #add({ name, help, kind, labels: labelNames, read }: Instrument): void {
    const options = { name, help, labelNames, registers: [this.#registry] };
    const clear = (metric: Counter | Gauge) => {
      metric.reset();
      // Without labels a reset leaves a 0, and a value that is not known is not 0.
      if (labelNames.length === 0) metric.remove();
    };
    if (kind === "counter") {
      new Counter({
        ...options,
        collect() {
          clear(this);
          for (const { value, labels = {} } of read()) this.inc(labels, value);
        },
      });
    } else {
      new Gauge({
        ...options,
        collect() {
          clear(this);
          for (const { value, labels = {} } of read()) this.set(labels, value);
        },
      });
    }
  }

  #record({ name, help, labels, bounds, subscribe }: Distribution): void {
    const histogram = new Histogram({
      ...{ name, help, buckets: [...bounds], labelNames: Object.keys(labels) },
      registers: [this.#registry],
    });
    histogram.zero(labels);
    subscribe((value) => histogram.observe(labels, value));
  }
}
