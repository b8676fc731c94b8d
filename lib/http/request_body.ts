/**
 * Reading the body of a request within bounds, whatever its headers say of it.
 *
 * @module
 */
import { deadline } from "../async.ts";
import { joinedBytes } from "../joined_bytes.ts";
import { problem } from "./listen.ts";

/** The bounds. */
export interface BodyBounds {
  maxBytes: number;
  /** How long it may take to come, in milliseconds. */
  limitMs: number;
}

/** Whether a body is JSON in UTF-8, by the header Content-Type. */
export function isJson({ headers }: Request): boolean {
  if (headers.has("content-encoding")) return false;
  const type = headers.get("content-type") ?? "";
  return /^\s*application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?;?\s*$/i.test(type);
}

/** The bytes of a body, or the answer that says why it is not taken. */
export async function readBody(
  request: Request,
  { maxBytes, limitMs }: BodyBounds,
): Promise<Uint8Array | Response> {
  const tooLarge = () => problem(413, `the body has more than ${maxBytes} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return tooLarge();
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const read = async () => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for (let chunk; !(chunk = await reader.read()).done;) {
      bytes += chunk.value.length;
      if (bytes > maxBytes) return tooLarge();
      chunks.push(chunk.value);
    }
    return joinedBytes(chunks, bytes);
  };
  try {
    const body = await deadline(read(), limitMs);
    if (body instanceof Response) reader.cancel().catch(() => {});
    return body;
  } catch (error) {
    reader.cancel().catch(() => {});
    return (error as Error).name === "TimeoutError"
      ? problem(408, `the body did not come within ${limitMs / 1_000} s`)
      : problem(400, "the body ended early");
  }
}
