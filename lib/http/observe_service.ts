/**
 * Makes a service observable where that is asked for: by HTTP with `--listen`, through OpenTelemetry
 * with `OTEL_DENO=true`. Services that are not asked load none of it.
 *
 * @module
 */
import type { ServiceStatus } from "../kafka/service_status.ts";
import type { ListenAddress } from "../listen_address.ts";

/** Who may look at what. */
export interface Observation {
  /** Where to listen; `undefined` for nowhere. */
  listen: ListenAddress | undefined;
  /** Names under which it is reached, besides addresses and `localhost`. */
  allowedHosts: readonly string[];
  /** The consumer group, prefix included. */
  group: string;
  /** The orders that this instance has processed and committed. */
  orders: () => { placed: number; failed: number };
  /** Takes a line for the user. */
  note: (line: string) => void;
}

/** A service that may be observed. */
export interface Observed extends AsyncDisposable {
  /** For the service to keep; `undefined` when nobody is interested. */
  status?: ServiceStatus;
}

/**
 * Starts to listen and to export, as far as it is asked for; disposing of it ends both.
 *
 * @throws {Error} When the address cannot be listened at.
 */
export async function observeService(observation: Observation): Promise<Observed> {
  if (observation.listen === undefined && !isTelemetryOn()) {
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const { openService } = await import("./open_service.ts");
  return openService(observation);
}

/** Whether Deno exports through OpenTelemetry: it registers itself at a place that its API defines. */
export function isTelemetryOn(): boolean {
  return Symbol.for("opentelemetry.js.api.1") in globalThis;
}
