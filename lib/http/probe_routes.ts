/**
 * What an orchestrator and Prometheus ask a program: `/livez`, `/readyz` and `/metrics`.
 *
 * @module
 */
import { problem } from "./listen.ts";

/** Where the answers come from. */
export interface ProbeSource {
  /** Whether the program would better be started again. */
  liveness(): { isGood: boolean; lines: string[] };
  /** Whether the program does its work. */
  readiness(): { isGood: boolean; lines: string[] };
  /** All values, in the text format of Prometheus. */
  metrics(): Promise<{ text: string; contentType: string }>;
}

/** The paths that {@linkcode probeResponse} answers. */
export const PROBE_PATHS = ["/livez", "/readyz", "/metrics"];

/** Answers the three paths; `undefined` for another one. */
export function probeResponse(
  source: ProbeSource,
  request: Request,
): Promise<Response> | Response | undefined {
  const answer = {
    "/livez": () => findingResponse(source.liveness()),
    "/readyz": () => findingResponse(source.readiness()),
    "/metrics": () => metricsResponse(source),
  }[new URL(request.url).pathname];
  if (answer === undefined) return undefined;
  if (request.method === "GET" || request.method === "HEAD") return answer();
  return problem(405, "this path is only read", { headers: { allow: "GET, HEAD" } });
}

function findingResponse({ isGood, lines }: { isGood: boolean; lines: string[] }): Response {
  return textResponse(`${lines.join("\n")}\n`, { status: isGood ? 200 : 503 });
}

async function metricsResponse(source: ProbeSource): Promise<Response> {
  const { text, contentType } = await source.metrics();
  return textResponse(text, { contentType });
}

function textResponse(
  text: string,
  { status = 200, contentType = "text/plain; charset=utf-8" }: {
    status?: number;
    contentType?: string;
  },
): Response {
  return new Response(text, {
    status,
    headers: { "content-type": contentType, "cache-control": "no-store" },
  });
}
