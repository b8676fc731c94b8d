/**
 * The style of all JSON that the programs print: one object a line, names in snake_case, times in ISO
 * 8601 with a zone.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";

/** A line of JSON. */
export type JsonLine = Record<string, unknown>;

/** What the lines hold; fails when a line breaks the style. */
export function jsonLines(text: string): JsonLine[] {
  return text.split("\n").slice(0, -1).map((line) => {
    assertMatch(line, /^\{.*\}$/, "a line is one object");
    const object: JsonLine = JSON.parse(line);
    requireStyle(object, line);
    return object;
  });
}

/** The lines of stderr with `--json`: each has a time, a level and a message. */
export function messageLines(text: string): JsonLine[] {
  return jsonLines(text).map((line) => {
    assertEquals(Object.keys(line).slice(0, 3), ["time", "level", "message"]);
    assert(["info", "warning", "error"].includes(String(line.level)), String(line.level));
    return line;
  });
}

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

function requireStyle(value: unknown, line: string): void {
  if (typeof value === "string" && /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^ ]*$/.test(value)) {
    assertMatch(value, ISO, line);
  }
  if (typeof value !== "object" || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    // The names of headers are those of the records.
    if (!Array.isArray(value) && !/^dlq\./.test(name)) {
      assertMatch(name, /^\d{4}-/.test(name) ? ISO : /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/, line);
    }
    requireStyle(inner, line);
  }
}
