/**
 * The order desk of dashboard.ts, by HTTP, on a real broker.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createTopic, placeTopic } from "../support/admin.ts";
import { proxiedCluster, type TestBroker, testCluster } from "../support/broker.ts";
import type { Running } from "../../lib/cli/launch.ts";
import { conform } from "../../lib/event_fields.ts";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { encodeOrder, type OrderPlaced } from "../../lib/order.ts";
import { orderGenerator } from "../../lib/order_generator.ts";
import { acceptedOrderSchema, type OrderWay, orderWaySchema } from "../../lib/order_way.ts";
import { inventoryEvents, orderEvents } from "../../lib/topics.ts";
import { readLedger } from "../support/ledger.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** An order that leaves out all that can be. */
const SMALL = { user_id: "user_1", items: [{ item_id: "burger", quantity: 2 }] };

/** A record of the orders. */
interface Stored {
  key: string;
  value: string;
  partition: number;
  offset: number;
}

/** A desk that runs, and what its topics hold. */
interface Desk extends AsyncDisposable {
  run: TestRun;
  url: string;
  /** Posts JSON, or a text or a stream as it is. */
  post(body: unknown, headers?: Record<string, string>): Promise<Answer>;
  stored(): Promise<Stored[]>;
  /** What it has written to stderr. */
  lines: string[];
  kill: Running["kill"];
  ended: Running["ended"];
}

interface Answer {
  status: number;
  headers: Headers;
  // deno-lint-ignore no-explicit-any
  body: any;
}

async function openDesk(broker?: TestBroker, args: string[] = []): Promise<Desk> {
  const run = await testRun("desk", broker);
  const lines: string[] = [];
  let url = "";
  const program = run.start("dashboard.ts", ["--listen", "127.0.0.1:0", ...args], (line) => {
    lines.push(line);
    url = /the page is at (\S+)\/$/.exec(line)?.[1] ?? url;
  });
  await eventually("the desk listens", () => url !== "");
  return {
    run,
    url,
    async post(body, headers = {}) {
      const response = await fetch(`${url}/orders`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" || body instanceof ReadableStream
          ? body
          : JSON.stringify(body),
      });
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    async stored() {
      const records: Stored[] = [];
      await readTopic(run.settings, {
        topic: orderEvents(run.prefix).name,
        group: `${run.prefix}check`,
        onRecord({ key, value, offset }, partition) {
          records.push({ key: `${key}`, value: `${value}`, partition, offset: Number(offset) });
        },
      }, run.signal);
      return records;
    },
    lines,
    kill: program.kill,
    get ended() {
      return program.ended;
    },
    [Symbol.asyncDispose]: () => run[Symbol.asyncDispose](),
  };
}

/** What an answer says of an order, to be compared with what is stored. */
function placeOf({ body: { order_id, partition, offset } }: Answer) {
  return { key: order_id, partition, offset };
}

/** The bytes that a server sends to these, until it closes the connection or has sent the pattern. */
async function exchange(url: string, sent: string, until: RegExp): Promise<string> {
  const { hostname, port } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(sent));
  let text = "";
  const chunk = new Uint8Array(4_096);
  for (let read; !until.test(text) && (read = await connection.read(chunk)) !== null;) {
    text += new TextDecoder().decode(chunk.subarray(0, read));
  }
  return text;
}

/** A body in JSON whose last byte comes when it may. */
function slowly(body: unknown, ending: Promise<void>): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return new ReadableStream({
    async start(controller) {
      controller.enqueue(bytes.subarray(0, -1));
      await ending;
      controller.enqueue(bytes.subarray(-1));
      controller.close();
    },
  });
}

const HEAD = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

Deno.test("POST /orders stores an order and says where, or says what is wrong and stores nothing", async (t) => {
  await using desk = await openDesk();
  const { post, stored, url } = desk;

  const small = await post(SMALL);
  await t.step(
    "202 with id, partition and offset, for an order that leaves out what can be",
    async () => {
      assertEquals(small.status, 202, JSON.stringify(small.body));
      const { order_id, topic, accepted_ms } = small.body;
      assertMatch(order_id, /^order_[\da-f-]{36}$/);
      assertEquals(topic, orderEvents(desk.run.prefix).name);
      assert(accepted_ms > 0);
      assertEquals(conform(acceptedOrderSchema, small.body), small.body);
      assertEquals(small.headers.get("location"), `/orders/${order_id}/events`);
      const [record] = await stored();
      const { value, ...place } = record!;
      assertEquals(place, placeOf(small));
      const order = JSON.parse(value);
      assertEquals([order.total_amount, order.status, order.items[0].price], [20, "placed", 10]);
      assert(Math.abs(Date.parse(order.timestamp) - Date.now()) < 60_000);
    },
  );

  await t.step("202 for a complete order, which is stored as it is", async () => {
    const next = orderGenerator({ seed: 1, failureRate: 1, eventTimeMs: () => 0 });
    const order: OrderPlaced = { ...next(), order_id: "ö/<b>\u202e", total_amount: 99.999 };
    const answer = await post({ ...order, unknown: [1] });
    assertEquals([answer.status, answer.body.order_id], [202, order.order_id]);
    const found = (await stored()).find(({ key }) => key === order.order_id)!;
    assertEquals(found, { ...placeOf(answer), value: encodeOrder(order) });
  });

  const before = (await stored()).length;
  const refusals: [string, number, () => Promise<Answer>][] = [
    ["wrong fields", 400, () => post({ user_id: "", items: [{ item_id: "burger" }] })],
    ["not JSON", 400, () => post("{")],
    ["a list", 400, () => post([SMALL])],
    ["no body", 400, () => post("")],
    ["another type", 415, () => post(SMALL, { "content-type": "text/plain" })],
    [
      "another charset",
      415,
      () => post(SMALL, { "content-type": "application/json; charset=latin1" }),
    ],
    ["a compressed body", 415, () => post(SMALL, { "content-encoding": "gzip" })],
    ["a body that is too large", 413, () => post({ ...SMALL, note: "x".repeat(70_000) })],
    ["another page", 403, () => post(SMALL, { origin: "https://evil.example" })],
    ["a sandboxed page", 403, () => post(SMALL, { origin: "null" })],
    ["another site", 403, () => post(SMALL, { "sec-fetch-site": "cross-site" })],
    ["a key with blanks", 400, () => post(SMALL, { "idempotency-key": "a b" })],
    ["a long key", 400, () => post(SMALL, { "idempotency-key": "k".repeat(201) })],
    ["large headers", 431, () => post(SMALL, { "x-large": "x".repeat(20_000) })],
  ];
  for (const [what, status, send] of refusals) {
    await t.step(`${status} for ${what}`, async () => {
      const { status: found, headers, body } = await send();
      assertEquals([found, body.status], [status, status], body.detail);
      assertEquals(headers.get("content-type"), "application/problem+json");
    });
  }

  await t.step("400 names each wrong field", async () => {
    const { body } = await post({ items: [{ item_id: "caviar", quantity: 0 }], status: "<b>" });
    const fields = body.errors.map(({ field }: { field: string }) => field);
    assertEquals(fields, ["user_id", "items[0].quantity", "status"]);
  });

  await t.step("413 for a chunked body that is too large, before its end", async () => {
    const chunk = `${(16_384).toString(16)}\r\n${"x".repeat(16_384)}\r\n`;
    const sent = `${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(5)}`;
    assertMatch(await exchange(url, sent, /bytes/), /^HTTP\/1.1 413 /);
  });

  await t.step(
    "400 for a body that ends before its length, and 413 for a length that is too large",
    async () => {
      const text = JSON.stringify(SMALL);
      // Whatever is answered, the connection is closed by us: nothing may be stored.
      const { hostname, port } = new URL(url);
      const connection = await Deno.connect({ hostname, port: Number(port) });
      const sent = `${HEAD}Content-Length: ${text.length + 1}\r\n\r\n${text}`;
      await connection.write(new TextEncoder().encode(sent));
      connection.close();
      assertMatch(
        await exchange(url, `${HEAD}Content-Length: 99999999\r\n\r\n`, /bytes/),
        /^HTTP\/1.1 413 /,
      );
      // What follows a length that is too small is not part of the order.
      const short = `${HEAD}Content-Length: 5\r\n\r\n${text}`;
      assertMatch(await exchange(url, short, /detail/), /^HTTP\/1.1 400 /);
    },
  );

  await t.step("404 and 405 elsewhere", async () => {
    const statusOf = async (path: string, method = "GET") => {
      const response = await fetch(url + path, { method });
      await response.body?.cancel();
      return [response.status, response.headers.get("allow")];
    };
    assertEquals(await statusOf("/orders"), [405, "POST"]);
    assertEquals(await statusOf("/orders/x/events", "POST"), [405, "GET"]);
    assertEquals(await statusOf("/orders/unknown/events"), [404, null]);
    assertEquals(await statusOf("/orders/%ff/events"), [404, null]);
    assertEquals(await statusOf("/order"), [404, null]);
  });

  await t.step("the page itself may post, and clients that send neither header", async () => {
    const { host } = new URL(url);
    const same = { "sec-fetch-site": "same-origin", origin: `http://${host}` };
    assertEquals((await post(SMALL, same)).status, 202);
    assertEquals((await stored()).length, before + 1, "nothing of what was refused is stored");
  });
});

Deno.test("POST /orders with an Idempotency-Key stores an order once", async () => {
  await using desk = await openDesk();
  const { post, stored } = desk;
  const key = { "idempotency-key": "k-1" };
  const atOnce = await Promise.all(Array.from({ length: 20 }, () => post(SMALL, key)));
  for (const { status, body } of atOnce) assertEquals([status, body], [202, atOnce[0]!.body]);
  assertEquals((await post(SMALL, key)).body, atOnce[0]!.body);
  const other = await post({ ...SMALL, user_id: "user_2" }, key);
  assertEquals(other.status, 422, JSON.stringify(other.body));
  assertEquals((await post(SMALL, { "idempotency-key": "k-2" })).status, 202);
  assertEquals((await post(SMALL)).status, 202);
  // A request that was refused leaves its key free.
  assertEquals((await post({}, { "idempotency-key": "k-3" })).status, 400);
  assertEquals((await post(SMALL, { "idempotency-key": "k-3" })).status, 202);
  const keys = (await stored()).map(({ key }) => key);
  assertEquals([keys.length, new Set(keys).size], [4, 4]);
});

Deno.test("POST /orders answers 413 when the topic does not take the order", async () => {
  await using desk = await openDesk();
  const { run, post, stored } = desk;
  await createTopic(run.settings, orderEvents(run.prefix).name, {
    topicSettings: { "max.message.bytes": "600" },
  });
  const items = Array.from({ length: 20 }, () => ({ item_id: "burger", quantity: 1 }));
  const large = await post({ ...SMALL, items });
  assertEquals(large.status, 413, JSON.stringify(large.body));
  assertEquals((await post(SMALL)).status, 202);
  assertEquals((await stored()).length, 1);
});

/** What the desk sends of an order's way, until it ends. */
async function* waysOf(url: string, orderId: string): AsyncGenerator<OrderWay> {
  const response = await fetch(`${url}/orders/${encodeURIComponent(orderId)}/events`);
  assertEquals(response.status, 200);
  let rest = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      if (line.startsWith("data: ")) yield conform(orderWaySchema, JSON.parse(line.slice(6)));
    }
  }
}

/** How far an order comes in the end. */
async function endOfWay(url: string, orderId: string): Promise<OrderWay> {
  return (await Array.fromAsync(waysOf(url, orderId))).at(-1)!;
}

Deno.test("GET /orders/{order_id}/events follows an order until it is counted and its movements are there", async () => {
  await using desk = await openDesk();
  const { run, post, url } = desk;
  // Orders from before, and movements that are not those of the order.
  assertEquals((await run.json("producer.ts", ["--count", "500"])).total_orders, 500);
  const early = await post(SMALL);
  let last: OrderWay | undefined;
  for await (const way of waysOf(url, early.body.order_id)) {
    if (last === undefined) {
      assertEquals([way.counted_ms, way.moved_ms, way.state], [null, null, "following"]);
      run.start("analytics.ts", ["--output", run.file]);
    } else if (last.counted_ms === null) {
      assert(way.counted_ms !== null);
      assertEquals([way.moved_ms, way.state], [null, "following"]);
      run.start("inventory.ts");
    }
    last = way;
  }
  assertEquals(last?.state, "done");
  const reserved = { item_id: "burger", quantity: 2, action: "reserve" };
  assertEquals([last?.moved_ms === null, last?.movements], [false, [reserved]]);

  const items = ["burger", "fries", "a/b", "\u202e<script>"].map((item_id, index) => ({
    ...{ item_id, quantity: index + 1, price: 1 },
  }));
  for (const [status, action] of [["placed", "reserve"], ["failed", "release"]] as const) {
    const order = { ...SMALL, order_id: `${status} ö/?#%`, items, status };
    const { body, status: code } = await post(order, { traceparent: TRACE });
    assertEquals(code, 202);
    const last = await endOfWay(url, body.order_id);
    const { accepted_ms, counted_ms, moved_ms, movements, ...rest } = last;
    const { accepted_ms: acceptedMs, ...place } = body;
    assertEquals(rest, { ...place, state: "done" });
    assertEquals(accepted_ms, acceptedMs);
    assert(counted_ms! >= accepted_ms && moved_ms! >= accepted_ms, JSON.stringify(last));
    const expected = items.map(({ item_id, quantity }) => ({ item_id, quantity, action }));
    const byQuantity = movements.toSorted((a, b) => a.quantity - b.quantity);
    assertEquals(byQuantity, expected);
    console.log(`accepted ${accepted_ms} ms, counted ${counted_ms} ms, moved ${moved_ms} ms`);
    // Later viewers get the whole at once.
    assertEquals(await endOfWay(url, body.order_id), last);
  }
  const traces = await tracesOf(run);
  const isTraced = (name: string) => /^(placed|failed) /.test(name);
  assertEquals(traces.filter(({ orderId, trace }) => isTraced(orderId) && trace !== TRACE), []);
  assertEquals(traces.filter(({ trace }) => trace === TRACE).length, 2 * (1 + items.length));
  // An order without a trace begins one; those of the producer have none.
  const own = traces.filter(({ orderId }) => orderId === early.body.order_id);
  assertEquals(new Set(own.map(({ trace }) => trace)).size, 1);
  assertMatch(own[0]!.trace, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assertEquals(traces.filter(({ trace }) => trace === "undefined").length > 500, true);
});

/** The header of a trace, as a client sends it. */
const TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/** The header `traceparent` of each order and each movement. */
async function tracesOf(run: TestRun): Promise<{ orderId: string; trace: string }[]> {
  const found: { orderId: string; trace: string }[] = [];
  for (const { name: topic } of [orderEvents(run.prefix), inventoryEvents(run.prefix)]) {
    await readTopic(run.settings, {
      topic,
      group: `${run.prefix}check`,
      onRecord({ value, headers }) {
        const { order_id: orderId } = JSON.parse(`${value}`);
        found.push({ orderId, trace: String(headers?.traceparent) });
      },
    }, run.signal);
  }
  return found;
}

Deno.test("dashboard.ts ends on SIGTERM while an order is watched that no service reads", async () => {
  await using desk = await openDesk();
  const { body } = await desk.post(SMALL);
  const response = await fetch(`${desk.url}/orders/${body.order_id}/events`);
  const reader = response.body!.getReader();
  await reader.read();
  desk.kill("SIGTERM");
  const { exitCode, stderr } = await desk.ended;
  assertEquals(exitCode, 143, stderr);
  for (let chunk; !(chunk = await reader.read()).done;) assert(chunk.value.length > 0);
});

Deno.test("POST /orders answers 503 while the broker is stopped, and 202 when it is back", async () => {
  await using cluster = await testCluster(1);
  await using desk = await openDesk(cluster);
  const { post, stored } = desk;
  const accepted = [await post(SMALL)];
  assertEquals(accepted[0]!.status, 202);
  await cluster.stop(1);
  await eventually(
    "the desk knows that the broker is away",
    () => desk.lines.some((line) => line.startsWith("following orders: ")),
  );
  const away = await post(SMALL);
  assertEquals(away.status, 503, JSON.stringify(away.body));
  assertMatch(away.headers.get("retry-after")!, /^\d+$/);
  assertStringIncludes(away.body.detail, "not stored");
  await cluster.start(1);
  await eventually("orders are accepted again", async () => {
    const answer = await post(SMALL);
    if (answer.status === 202) accepted.push(answer);
    return answer.status === 202;
  });
  const ids = (await stored()).map(({ key }) => key).sort();
  assertEquals(ids, accepted.map(({ body }) => body.order_id).sort());
});

Deno.test("POST /orders answers 504, then 503, while a partition has too few in-sync replicas, and 408 for a body that does not come", async () => {
  await using cluster = await testCluster(3);
  await using desk = await openDesk(cluster);
  const { run, post, stored } = desk;
  const { name: topic } = orderEvents(run.prefix);
  await placeTopic(run.settings, topic, [[1, 2]], { "min.insync.replicas": "2" });
  await cluster.stop(2);
  const order = { ...SMALL, order_id: "order_1" };
  const key = { "idempotency-key": "k-1" };
  // Both have the same limit: a body that does not come is awaited meanwhile.
  const [unknown, late] = await Promise.all([
    post(order, key),
    exchange(desk.url, `${HEAD}Content-Length: 100\r\n\r\n{`, /did not come/),
  ]);
  assertEquals([unknown.status, unknown.body.order_id], [504, "order_1"]);
  assertMatch(late, /^HTTP\/1.1 408 /);
  const refused = await post(order);
  assertEquals(refused.status, 503, JSON.stringify(refused.body));
  assertStringIncludes(refused.body.detail, "fewer in-sync replicas");
  await cluster.start(2);
  let accepted: Answer | undefined;
  await eventually("the order is stored", async () => {
    accepted = await post(order, key);
    return accepted.status === 202;
  });
  const { value: _, ...place } = (await stored())[0]!;
  assertEquals(place, placeOf(accepted!));
  assertEquals((await post(order)).status, 202);
  assertEquals((await stored()).length, 2);
});

Deno.test("POST /orders answers 504 when the brokers are silent, and 429 when too many wait; each order is stored once", async () => {
  await using broker = await proxiedCluster(1);
  await using desk = await openDesk(broker);
  const { post, stored } = desk;
  assertEquals((await post(SMALL)).status, 202);
  // All but the ends of the bodies: the desk has to take the orders before it notices the silence.
  const ending = Promise.withResolvers<void>();
  const sent = Array.from({ length: 500 }, (_, index) => {
    const order = { ...SMALL, order_id: `order_${index}` };
    const headers = { "idempotency-key": `key-${index}` };
    return { order, headers, answer: post(slowly(order, ending.promise), headers) };
  });
  await eventually("500 wait", async () => (await post("not an order")).status === 429);
  const tooMany = await post(SMALL);
  assertEquals([tooMany.status, tooMany.headers.get("retry-after")], [429, "1"]);
  broker.proxies[0]!.isSilent = true;
  ending.resolve();
  for (const { answer } of sent) {
    const { status, body } = await answer;
    assertEquals(status, 504, JSON.stringify(body));
    assertStringIncludes(body.detail, "Idempotency-Key");
  }
  broker.proxies[0]!.isSilent = false;

  const again = new Map<string, Answer>();
  for (const { order, headers } of sent) {
    await eventually("the order is accepted", async () => {
      const answer = await post(order, headers);
      again.set(order.order_id, answer);
      return answer.status === 202;
    });
  }
  const records = await stored();
  assertEquals(records.length, 501);
  for (const { value: _, ...place } of records) {
    const answer = again.get(place.key);
    if (answer !== undefined) assertEquals(placeOf(answer), place);
  }
});

/** How many orders are placed at once, and in all. */
const LOAD = { atOnce: 50, orders: 5_000 };

Deno.test(`POST /orders stores each of ${LOAD.orders} orders once, ${LOAD.atOnce} at a time`, async () => {
  await using desk = await openDesk();
  const { run, post, stored } = desk;
  const next = orderGenerator({ seed: 3, failureRate: 0.05, eventTimeMs: (index) => index * 10 });
  const orders = Array.from({ length: LOAD.orders }, () => next())[Symbol.iterator]();
  await post(SMALL);
  const accepted: Answer[] = [];
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: LOAD.atOnce }, async () => {
    for (const order of orders) {
      const sentMs = performance.now();
      const answer = await post(order);
      latenciesMs.push(performance.now() - sentMs);
      assertEquals([answer.status, answer.body.order_id], [202, order.order_id]);
      accepted.push(answer);
    }
  }));
  const seconds = (performance.now() - startedMs) / 1_000;
  latenciesMs.sort((a, b) => a - b);
  const share = (part: number) => latenciesMs[Math.floor(latenciesMs.length * part)]!.toFixed(1);
  console.log(
    `${Math.round(LOAD.orders / seconds)} orders/s, p50 ${share(0.5)} ms, p99 ${share(0.99)} ms`,
  );
  const found = new Map((await stored()).map(({ value: _, ...place }) => [place.key, place]));
  for (const answer of accepted) assertEquals(found.get(answer.body.order_id), placeOf(answer));
  assertEquals((await readLedger(run, { inventory: false })).orders, LOAD.orders + 1);
});
