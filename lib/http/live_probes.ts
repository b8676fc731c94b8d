/**
 * Whether the page is up to date, and whether what gathers it still runs.
 *
 * @module
 */
import config from "../../deno.json" with { type: "json" };
import type { Instruments } from "../instruments.ts";
import type { PrometheusText } from "../telemetry/prometheus.ts";
import { processInstruments } from "../telemetry/process_instruments.ts";
import { type FollowedRows, liveInstruments, type LiveSource } from "./live_instruments.ts";
import type { LiveState, LiveStatus } from "./live_view.ts";
import { isTelemetryOn } from "./observe_service.ts";
import type { ProbeSource } from "./probe_routes.ts";

/** The age at which a state is too old for a page that is live, in milliseconds; a new one comes each second. */
const STALE_MS = 10_000;
/** The age at which the gathering has stopped, besides the time that silent brokers may take, in milliseconds. */
const STOPPED_MS = 60_000;

/** What is wrong; `undefined` when the page shows what there is. */
const REASONS: Record<LiveStatus, string | undefined> = {
  "connecting": "no broker has answered yet",
  "no-broker": "no broker answers",
  "catching-up": "what the services keep is still being read",
  "no-topics": undefined,
  "no-orders": undefined,
  "live": undefined,
};

/** Answers the probes of the dashboard. */
export class LiveProbes implements ProbeSource {
  readonly #instruments: Instruments;
  readonly #stoppedMs: number;
  #last: { state: LiveState | undefined; atMs: number } = {
    state: undefined,
    atMs: performance.now(),
  };
  /** Loading it takes longer than a page may. */
  #prometheus: Promise<PrometheusText> | undefined;

  readonly #metrics: FollowedRows;
  /** What the rows of analytics were when they were complete; the orders of a state may be older. */
  #completeVersion: number | undefined;

  /** @param options.timeoutMs How long brokers may take to answer. */
  constructor(
    source: Omit<LiveSource, "state" | "hasAllOrders">,
    { timeoutMs }: { timeoutMs: number },
  ) {
    this.#stoppedMs = STOPPED_MS + 2 * timeoutMs;
    this.#metrics = source.metrics;
    const live = liveInstruments({
      ...source,
      state: () => this.#last.state,
      hasAllOrders: () =>
        this.#completeVersion !== undefined &&
        (this.#last.state?.version ?? -1) >= this.#completeVersion,
    });
    this.#instruments = {
      instruments: [...live, ...processInstruments(config.version)],
      distributions: [],
    };
  }

  /** Takes what was gathered last. */
  update(state: LiveState): void {
    this.#last = { state, atMs: performance.now() };
    const { isComplete, rows } = this.#metrics;
    this.#completeVersion = isComplete ? this.#completeVersion ?? rows.version : undefined;
  }

  /** Exports through OpenTelemetry, where Deno does. */
  async export(): Promise<void> {
    if (!isTelemetryOn()) return;
    const { exportInstruments } = await import("../telemetry/open_telemetry.ts");
    exportInstruments(this.#instruments, config.version);
  }

  liveness() {
    const isGood = this.#ageMs() < this.#stoppedMs;
    const line = isGood ? "ok: gathering" : `nothing was gathered for ${this.#ageSeconds()} s`;
    return { isGood, lines: [line] };
  }

  readiness() {
    const { state } = this.#last;
    const reason = this.#ageMs() > STALE_MS
      ? `the brokers have not answered for ${this.#ageSeconds()} s`
      : state === undefined
      ? REASONS.connecting
      : state.message ?? REASONS[state.status];
    return reason === undefined
      ? { isGood: true, lines: [`ok: ${state!.status}`] }
      : { isGood: false, lines: [reason] };
  }

  async metrics() {
    this.#prometheus ??= import("../telemetry/prometheus.ts")
      .then(({ PrometheusText }) => new PrometheusText(this.#instruments));
    return (await this.#prometheus).scrape();
  }

  #ageMs(): number {
    return performance.now() - this.#last.atMs;
  }

  #ageSeconds(): number {
    return Math.round(this.#ageMs() / 1_000);
  }
}
