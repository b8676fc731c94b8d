import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { original, repaired } from "../../../tests/support/kafkajs.ts";
import { Pieces } from "./frame_request.ts";

Deno.test("a request is framed as the original does, in one piece or in several", async () => {
  const before = original("protocol/request");
  const after = repaired("protocol/request");
  const Encoder = original("protocol/encoder");
  for (const bytes of [0, 1, 500, 70_000]) {
    const body = Buffer.alloc(bytes, "b");
    const request = (encode: () => unknown) => ({
      correlationId: 4711,
      clientId: bytes === 1 ? null : "order-stream-producer@höst-1",
      request: { apiKey: 0, apiVersion: 7, encode: () => Promise.resolve(encode()) },
    });
    const whole = request(() => new Encoder().writeBuffer(body));
    const split = request(() => new Pieces([body.subarray(0, 7), body.subarray(7)]));
    const { buffer } = await before(whole);
    assertEquals((await after(whole)).buffer, buffer);
    assertEquals((await after(split)).buffer, buffer);
  }
});
