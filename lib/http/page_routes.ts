/**
 * What the page asks for.
 *
 * @module
 */
import { thinned, type ThinnedSeries } from "../minute_series.ts";
import { assetResponse } from "./assets.ts";
import { type EventStream, MAX_PAGE_VIEWERS } from "./event_stream.ts";
import { json, problem } from "./listen.ts";
import type { LiveView } from "./live_view.ts";

/** The ranges that the page offers, in minutes. */
const RANGES: Record<string, number> = { "15m": 15, "1h": 60, "1d": 1_440, "all": Infinity };
/** How many points a chart may ask for. */
const MAX_POINTS = 2_000;
const DEFAULT_POINTS = 400;
const RETRY_SECONDS = 10;

/** Orders by minute, and the range that was asked for, in seconds from `from` up to `to`. */
interface Chart extends ThinnedSeries {
  from: number;
  to: number;
}

/** Answers the page; `undefined` for another path. */
export class PageRoutes {
  #view: LiveView;
  #events: EventStream;
  /** The charts of the current version, by their queries: many viewers look at the same. */
  #charts = new Map<string, Chart>();
  #chartsVersion: unknown;

  constructor(view: LiveView, events: EventStream) {
    this.#view = view;
    this.#events = events;
  }

  /** The paths that it answers, besides the files of the page. */
  get paths(): string[] {
    return Object.keys(this.#routes);
  }

  answer(request: Request): Response | undefined {
    const { pathname, searchParams } = new URL(request.url);
    const known = this.#routes[pathname];
    if (known === undefined) {
      const asset = assetResponse(pathname);
      if (asset === undefined) return undefined;
      return isReading(request) ? asset : notAllowed();
    }
    return isReading(request) ? known(searchParams) : notAllowed();
  }

  #routes: Record<string, (query: URLSearchParams) => Response> = {
    "/api/events": () => this.#watch(),
    "/api/lag": () => json(this.#view.lagHistory),
    "/api/minutes": (query) => this.#minutes(query),
  };

  #watch(): Response {
    if (this.#events.viewers < MAX_PAGE_VIEWERS) return this.#events.response();
    return problem(429, `${MAX_PAGE_VIEWERS} viewers watch the page already`, {
      headers: { "retry-after": String(RETRY_SECONDS) },
    });
  }

  /** `?range=15m|1h|1d|all` counts back from the newest minute; `?from=…&to=…` are seconds. */
  #minutes(query: URLSearchParams): Response {
    const { series } = this.#view;
    const points = wholeNumber(query.get("points") ?? String(DEFAULT_POINTS));
    if (points === undefined || points < 2 || points > MAX_POINTS) {
      return problem(400, `points: expected a whole number from 2 to ${MAX_POINTS}`);
    }
    const newest = series.minutes.at(-1) ?? 0;
    const oldest = series.minutes[0] ?? 0;
    const length = RANGES[query.get("range") ?? "all"];
    const [from, to] = query.has("from")
      ? [query.get("from"), query.get("to")].map((text) => wholeNumber(text ?? ""))
      : [
        length === undefined
          ? undefined
          : (length === Infinity ? oldest : newest - length + 1) * 60,
        newest * 60,
      ];
    if (from === undefined || to === undefined || from > to) {
      return problem(400, "expected range=15m, 1h, 1d or all, or from and to in seconds");
    }
    if (this.#chartsVersion !== series) {
      this.#charts.clear();
      this.#chartsVersion = series;
    }
    const range = { from: Math.floor(from / 60), to: Math.floor(to / 60), points };
    const id = JSON.stringify(range);
    let chart = this.#charts.get(id);
    if (chart === undefined) {
      if (this.#charts.size > 100) this.#charts.clear();
      chart = { from: range.from * 60, to: (range.to + 1) * 60, ...thinned(series, range) };
      this.#charts.set(id, chart);
    }
    return json(chart);
  }
}

function isReading({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

function notAllowed(): Response {
  return problem(405, "this path is only read", { headers: { allow: "GET, HEAD" } });
}

function wholeNumber(text: string): number | undefined {
  return /^-?\d{1,12}$/.test(text) ? Number(text) : undefined;
}
