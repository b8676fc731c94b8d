/**
 * Instruments for Deno's own exporter of OpenTelemetry, which `OTEL_DENO=true` switches on.
 *
 * @module
 */
import { type Meter, metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Distribution, Instrument, Instruments } from "../instruments.ts";
import type { ServiceStatus } from "../kafka/service_status.ts";

/** The name of the scope of everything that is exported. */
const SCOPE = "order-stream";

/** Hands the instruments to the exporter, with the names and labels that Prometheus gets. */
export function exportInstruments(
  { instruments, distributions }: Instruments,
  version: string,
): void {
  const meter = metrics.getMeter(SCOPE, version);
  for (const each of instruments) observe(meter, each);
  for (const each of distributions) record(meter, each);
}

function observe(meter: Meter, { name, help, kind, unit, read }: Instrument): void {
  const options = { description: help, unit };
  const instrument = kind === "counter"
    ? meter.createObservableCounter(name, options)
    : meter.createObservableGauge(name, options);
  instrument.addCallback((result) => {
    for (const { value, labels } of read()) result.observe(value, labels);
  });
}

function record(
  meter: Meter,
  { name, help, unit, labels, bounds, subscribe }: Distribution,
): void {
  const histogram = meter.createHistogram(name, {
    ...{ description: help, unit },
    advice: { explicitBucketBoundaries: [...bounds] },
  });
  subscribe((value) => histogram.record(value, labels));
}

/** Hands a span for each transaction of a service to the exporter. */
export function exportTransactions(status: ServiceStatus, version: string): void {
  const tracer = trace.getTracer(SCOPE, version);
  status.onTransaction(({ partition, records, isCommitted, seconds }) => {
    const endMs = Date.now();
    const span = tracer.startSpan("transaction", {
      kind: SpanKind.CONSUMER,
      startTime: endMs - seconds * 1_000,
      // https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
      attributes: {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": status.group,
        "messaging.destination.partition.id": String(partition),
        "messaging.batch.message_count": records,
      },
    });
    if (!isCommitted) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(endMs);
  });
}
