/**
 * A service that is observed; see observe_service.ts.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import type { Instruments } from "../instruments.ts";
import { ServiceStatus } from "../kafka/service_status.ts";
import type { ListenAddress } from "../listen_address.ts";
import { processInstruments } from "../telemetry/process_instruments.ts";
import { serviceInstruments } from "../telemetry/service_instruments.ts";
import { type HttpServer, problem, serveHttp } from "./listen.ts";
import { isTelemetryOn, type Observation, type Observed } from "./observe_service.ts";
import { probeResponse } from "./probe_routes.ts";

/** Starts to listen and to export. */
export async function openService(observation: Observation): Promise<Observed> {
  const { listen, group, orders } = observation;
  const status = new ServiceStatus(group);
  const { instruments, distributions } = serviceInstruments(status, orders);
  const all = {
    instruments: [...instruments, ...processInstruments(config.version)],
    distributions,
  };
  if (isTelemetryOn()) {
    const { exportInstruments, exportTransactions } = await import(
      "../telemetry/open_telemetry.ts"
    );
    exportInstruments(all, config.version);
    exportTransactions(status, config.version);
  }
  const server = listen && serve({ ...observation, listen, status, all });
  return {
    status,
    async [Symbol.asyncDispose]() {
      await server?.close();
    },
  };
}

function serve(
  { listen, allowedHosts, note, status, all }: Observation & {
    listen: ListenAddress;
    status: ServiceStatus;
    all: Instruments;
  },
): HttpServer {
  // The service starts meanwhile.
  const prometheus = import("../telemetry/prometheus.ts")
    .then(({ PrometheusText }) => new PrometheusText(all));
  const source = {
    liveness: () => status.liveness(),
    readiness: () => status.readiness(),
    metrics: async () => (await prometheus).scrape(),
  };
  const server = serveHttp(
    listen,
    (request) => probeResponse(source, request) ?? problem(404, "there is nothing here"),
    {
      allowedHosts,
      onError: (error) => note(`answering a request: ${(error as Error).message}`),
    },
  );
  note(`probes and metrics are at ${server.url}: /livez, /readyz, /metrics`);
  return server;
}
