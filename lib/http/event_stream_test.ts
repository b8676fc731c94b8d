import { assertEquals, assertRejects } from "@std/assert";
import { EventStream } from "./event_stream.ts";

async function nextEvent(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const { value } = await reader.read();
  return new TextDecoder().decode(value);
}

Deno.test("EventStream drops a viewer that takes nothing while eight events wait, and no other", async () => {
  const events = new EventStream();
  events.send("state", 0);
  const slow = events.response();
  const reader = events.response().body!.getReader();
  assertEquals(await nextEvent(reader), "retry: 2000\n\n");
  assertEquals(await nextEvent(reader), "event: state\ndata: 0\n\n");
  // Two wait for the slow one already.
  for (let number = 1; number <= 7; number++) {
    assertEquals([events.viewers, events.dropped], [2, 0], `before event ${number}`);
    events.send("state", number);
    assertEquals(await nextEvent(reader), `event: state\ndata: ${number}\n\n`);
  }
  assertEquals([events.viewers, events.dropped], [1, 1]);
  await assertRejects(() => slow.text(), Error, "does not take its events");

  events.close();
  assertEquals((await reader.read()).done, true);
  assertEquals([events.viewers, events.dropped], [0, 1]);
});

Deno.test("EventStream forgets a viewer that has gone, and does not count it as dropped", async () => {
  const events = new EventStream();
  const { body } = events.response();
  assertEquals(events.viewers, 1);
  await body!.cancel();
  events.send("state", 1);
  assertEquals([events.viewers, events.dropped], [0, 0]);
});
