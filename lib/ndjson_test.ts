import { assertEquals } from "@std/assert";
import { readLines } from "./ndjson.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const MAX_BYTES = 100;

async function linesOf(...chunks: (string | Uint8Array)[]) {
  const bytes = chunks.map((chunk) => typeof chunk === "string" ? encoder.encode(chunk) : chunk);
  return await Array.fromAsync(
    readLines(ReadableStream.from(bytes), MAX_BYTES),
    ({ bytes, ...rest }) => ({ ...rest, text: bytes && decoder.decode(bytes) }),
  );
}

Deno.test("readLines numbers lines, with or without an end of the last one", async () => {
  const expected = [{ number: 1, text: "a" }, { number: 2, text: "" }, { number: 3, text: "b" }];
  assertEquals(await linesOf("a\n\nb\n"), expected);
  assertEquals(await linesOf("a\r\n\r\nb"), expected);
  assertEquals(await linesOf(), []);
});

Deno.test("readLines puts together what arrives in pieces, also within a character", async () => {
  const bytes = encoder.encode("grün\nrot");
  const pieces = [...bytes].map((byte) => new Uint8Array([byte]));
  assertEquals(await linesOf(...pieces), [{ number: 1, text: "grün" }, { number: 2, text: "rot" }]);
});

Deno.test("readLines leaves out white space around a line and a byte order mark", async () => {
  assertEquals(await linesOf("\ufeff{}\n \t{ }\t \r\n  \n"), [
    { number: 1, text: "{}" },
    { number: 2, text: "{ }" },
    { number: 3, text: "" },
  ]);
});

Deno.test("readLines names lines that are too long, and goes on", async () => {
  const long = "x".repeat(MAX_BYTES + 1);
  assertEquals(await linesOf("a\n", long, "\nb\n"), [
    { number: 1, text: "a" },
    { number: 2, text: undefined, problem: "too large: 101 bytes, and at most 100 are accepted" },
    { number: 3, text: "b" },
  ]);
});
