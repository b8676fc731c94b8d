import { assertEquals } from "@std/assert";
import { watchOutage } from "./outage.ts";

function watchers(count: number) {
  const notes: string[] = [];
  const settings = {
    brokers: [],
    clientId: "test",
    timeoutMs: 30_000,
    verbose: false,
    note: (line: string) => notes.push(line),
  };
  return { notes, clients: Array.from({ length: count }, () => watchOutage(settings)) };
}

const SILENT = "no broker answers, waiting up to 30 s";
const OVER = "the brokers answer again";

Deno.test("watchOutage reports an outage once, and its end when all clients have an answer", () => {
  const { notes, clients: [first, second] } = watchers(2);
  first!.noticed();
  second!.noticed();
  first!.noticed();
  assertEquals(notes, [SILENT]);
  first!.over();
  assertEquals(notes, [SILENT]);
  second!.over();
  assertEquals(notes, [SILENT, OVER]);
});

Deno.test("watchOutage does not wait for the answer to a client that was closed", () => {
  const { notes, clients: [first, second] } = watchers(2);
  first!.noticed();
  second!.noticed();
  first!.closed();
  second!.over();
  assertEquals(notes, [SILENT, OVER]);
  first!.over();
  assertEquals(notes, [SILENT, OVER]);
});
