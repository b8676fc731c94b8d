import { assertEquals, assertRejects } from "@std/assert";
import { API, exchange, type Message, type Verdict } from "./kafka_messages.ts";

function request(api: number, correlationId: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(12 + bodyBytes).fill(correlationId);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 8 + bodyBytes);
  view.setInt16(4, api);
  view.setInt16(6, 3);
  view.setInt32(8, correlationId);
  return bytes;
}

function response(correlationId: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(8 + bodyBytes).fill(correlationId);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 4 + bodyBytes);
  view.setInt32(4, correlationId);
  return bytes;
}

const joined = (parts: Uint8Array[]) => [...parts.flatMap((part) => [...part])];

for (const size of [1, 3, 7, 16, 1_000]) {
  Deno.test(`exchange drops the responses of one API and passes the rest, in chunks of ${size}`, async () => {
    const seen: Message[] = [];
    const { requests, responses } = exchange((message) => {
      seen.push(message);
      return message.kind === "response" && message.api === API.EndTxn ? "drop" : "pass";
    });
    const run = async (filter: typeof requests, parts: Uint8Array[]) => {
      const bytes = joined(parts);
      const written: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        const chunk = Uint8Array.from(bytes.slice(at, at + size));
        await filter(chunk, (piece) => Promise.resolve(void written.push(piece.slice())));
      }
      return joined(written);
    };
    const sent = [request(0, 1, 5), request(26, 2, 0), request(12, 3, 40), request(26, 4, 1)];
    assertEquals(await run(requests, sent), joined(sent));
    const [first, second, third, fourth, unknown] = [
      ...[response(1, 0), response(2, 30), response(3, 1), response(4, 2), response(9, 3)],
    ] as const;
    const answers = [first, second, third, fourth, unknown];
    assertEquals(await run(responses, answers), joined([first, third, unknown]));
    assertEquals(
      seen.map(({ kind, api }) => `${kind} ${api}`),
      [
        ...["request 0", "request 26", "request 12", "request 26"],
        ...["response 0", "response 26", "response 12", "response 26", "response undefined"],
      ],
    );
  });
}

Deno.test("exchange holds a request until its verdict, and what follows it", async () => {
  const verdict = Promise.withResolvers<Verdict>();
  const { requests } = exchange(({ api }) => api === API.EndTxn ? verdict.promise : "pass");
  const sent = [request(0, 1, 5), request(26, 2, 0), request(12, 3, 40)];
  const written: Uint8Array[] = [];
  const filtered = requests(
    Uint8Array.from(joined(sent)),
    (piece) => Promise.resolve(void written.push(piece.slice())),
  );
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(joined(written), joined([sent[0]!]));
  verdict.resolve("pass");
  await filtered;
  assertEquals(joined(written), joined(sent));
});

Deno.test("exchange cuts the connection at a message, after those before it", async () => {
  const { requests } = exchange(({ api }) => api === API.EndTxn ? "cut" : "pass");
  const sent = [request(0, 1, 5), request(26, 2, 0)];
  const written: Uint8Array[] = [];
  await assertRejects(
    () =>
      requests(
        Uint8Array.from(joined(sent)),
        (piece) => Promise.resolve(void written.push(piece.slice())),
      ),
    Error,
    "the connection is cut",
  );
  assertEquals(joined(written), joined([sent[0]!]));
});

Deno.test("exchange passes what is not of Kafka, as TLS is not", async () => {
  const { requests } = exchange(() => "drop");
  const hello = new Uint8Array(64).fill(7);
  hello.set([0x16, 3, 1]);
  const written: Uint8Array[] = [];
  for (const part of [hello.subarray(0, 5), hello.subarray(5)]) {
    await requests(part, (piece) => Promise.resolve(void written.push(piece.slice())));
  }
  assertEquals(joined(written), [...hello]);
});
