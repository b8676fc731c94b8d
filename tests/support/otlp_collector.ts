/**
 * A collector of OpenTelemetry that keeps what programs export last, as OTLP over HTTP in JSON
 * (https://opentelemetry.io/docs/specs/otlp/).
 *
 * @module
 */

/** A collector that listens. */
export interface Collector extends AsyncDisposable {
  /** The variables with which a program exports to it, under the name of a service. */
  env(service: string): Record<string, string>;
  /**
   * The metrics that a service has exported last, by their names: their series as sorted text. A
   * histogram has its buckets added up, as Prometheus has them.
   */
  metrics(service: string): Map<string, string[]>;
  /** The attributes of the spans of a service, and whether they ended well. */
  spans(service: string): { name: string; attributes: Record<string, unknown>; isError: boolean }[];
}

// deno-lint-ignore no-explicit-any
type Json = any;

/** Starts one at any free port. */
export function startCollector(): Collector {
  const metrics = new Map<string, Map<string, string[]>>();
  const spans = new Map<string, ReturnType<Collector["spans"]>>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const body: Json = await request.json();
    const { pathname } = new URL(request.url);
    for (const { resource, scopeMetrics } of body.resourceMetrics ?? []) {
      if (pathname !== "/v1/metrics") throw new Error(`metrics at ${pathname}`);
      const names = new Map<string, string[]>();
      // Deno has scopes too, for V8 and HTTP.
      const own = scopeMetrics.filter((each: Json) => each.scope.name === "order-stream");
      for (const metric of own.flatMap((each: Json) => each.metrics)) {
        names.set(metric.name, valuesOfMetric(metric));
      }
      // The last export, when a program ends, has no values of instruments that are read.
      const service = serviceOf(resource);
      metrics.set(service, new Map([...metrics.get(service) ?? [], ...names]));
    }
    for (const { resource, scopeSpans } of body.resourceSpans ?? []) {
      const list = spans.getOrInsert(serviceOf(resource), []);
      for (const { name, attributes, status } of scopeSpans.flatMap((scope: Json) => scope.spans)) {
        list.push({ name, attributes: attributesOf(attributes), isError: status?.code === 2 });
      }
    }
    return Response.json({});
  });
  return {
    env: (service) => ({
      OTEL_DENO: "true",
      OTEL_SERVICE_NAME: service,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRIC_EXPORT_INTERVAL: "500",
    }),
    metrics: (service) => metrics.get(service) ?? new Map(),
    spans: (service) => spans.get(service) ?? [],
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function serviceOf(resource: Json): string {
  return String(attributesOf(resource.attributes)["service.name"]);
}

function attributesOf(attributes: Json[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, Object.values(value)[0]]),
  );
}

function valuesOfMetric({ name, sum, gauge, histogram }: Json): string[] {
  if (sum !== undefined && !(sum.isMonotonic && sum.aggregationTemporality === 2)) {
    throw new Error(`${name} is not a counter since the start`);
  }
  const points: Json[] = (sum ?? gauge ?? histogram).dataPoints;
  return points.flatMap((point) => {
    const labels = attributesOf(point.attributes);
    if (histogram === undefined) {
      return [seriesText(name, labels, Number(point.asDouble ?? point.asInt))];
    }
    let count = 0;
    const buckets = [...point.explicitBounds, "+Inf"].map((le, index) =>
      seriesText(`${name}_bucket`, { ...labels, le }, count += Number(point.bucketCounts[index]))
    );
    return [
      ...buckets,
      seriesText(`${name}_count`, labels, Number(point.count)),
      seriesText(`${name}_sum`, labels, point.sum),
    ];
  }).sort();
}

/** A series as text, whatever the order of its labels. */
export function seriesText(name: string, labels: Record<string, unknown>, value: number): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1);
  return `${name}{${pairs.map(([label, each]) => `${label}=${each}`).join()}} ${value}`;
}
