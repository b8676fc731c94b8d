/**
 * Server-sent events through a real connection.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { EventStream } from "../../lib/http/event_stream.ts";
import { serveHttp } from "../../lib/http/listen.ts";
import { eventually } from "../support/run.ts";

/** Large, so that the buffers of the connection are soon full. */
const LARGE = "x".repeat(1_000_000);

Deno.test("EventStream drops a viewer that never reads and ends its connection, others get all", async () => {
  const events = new EventStream();
  const errors: string[] = [];
  const server = serveHttp(
    { hostname: "127.0.0.1", port: 0 },
    () => events.response(),
    { onError: (error) => errors.push((error as Error).message) },
  );
  const { hostname, port, host } = new URL(server.url);
  using slow = await Deno.connect({ hostname, port: Number(port) });
  await slow.write(new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
  const { body } = await fetch(server.url);
  await eventually("both are connected", () => events.viewers === 2);

  let received = 0;
  const reading = body!.pipeTo(
    new WritableStream({
      write: (chunk) => {
        received += chunk.length;
      },
    }),
  );
  let sent = 0;
  await eventually("the slow one is dropped", async () => {
    const before = received;
    events.send("large", LARGE);
    sent++;
    await eventually("the other one gets it", () => received >= before + LARGE.length);
    return events.dropped === 1;
  });
  assertEquals(events.viewers, 1);
  assert(sent > 8, "a few events may wait");

  const chunk = new Uint8Array(1_048_576);
  let left = 0;
  // An end without the last chunk, or a reset.
  for (let read; (read = await slow.read(chunk).catch(() => null)) !== null;) left += read;
  assert(left < sent * LARGE.length);

  events.close();
  await reading;
  assert(received >= sent * LARGE.length);
  await server.close();
  assertEquals(errors, ["the viewer does not take its events"]);
});
