import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse } from "yaml";
import { isTimestamp } from "../lib/event_fields.ts";
import { parseInventoryEvent } from "../lib/inventory_event.ts";
import { randomBytes } from "node:crypto";
import { deadLetter } from "../lib/kafka/dead_letter.ts";
import { DEFAULT_LIMIT } from "../lib/kafka/message_limits.ts";
import { minuteTable } from "../lib/metrics_table.ts";
import { parseOrderText } from "../lib/order.ts";
import { StateRows } from "../lib/state_rows.ts";
import { stockTable } from "../lib/stock_levels.ts";
import { asyncApiYaml } from "./asyncapi.ts";

const { messages } = parse(asyncApiYaml()).components;

Deno.test("docs/asyncapi.yaml is what deno task docs writes", async () => {
  const url = new URL("asyncapi.yaml", import.meta.url);
  assertEquals(await Deno.readTextFile(url), asyncApiYaml(), "run deno task docs");
});

Deno.test("asyncApiYaml's examples are read by the programs", () => {
  const example = (name: string) => JSON.stringify(messages[name].examples[0].payload);
  assertEquals(parseOrderText(example("order")).kind, "order");
  const event = new TextEncoder().encode(example("inventoryEvent"));
  assertEquals(parseInventoryEvent(event).kind, "event");
  const minutes = new StateRows(minuteTable);
  minutes.apply({ key: "0/2026-02-17T14:33Z", value: example("minuteRow") });
  minutes.apply({ key: "0/progress", value: example("progressRow") });
  const stock = new StateRows(stockTable);
  stock.apply({ key: "0/burger", value: example("itemRow") });
  assertEquals([minutes.version, stock.version], [2, 1]);
});

Deno.test("asyncApiYaml has the bounds that the programs check", () => {
  const { order_id: id, items, total_amount: total, status } = messages.order.payload.properties;
  assertEquals([id.minLength, id.maxLength, total.minimum], [1, 256, 0]);
  assertEquals([items.minItems, items.maxItems], [1, 1_000]);
  assertEquals(items.items.properties.quantity.minimum, 1);
  assertEquals(status.enum, ["placed", "failed"]);
});

Deno.test("asyncApiYaml's pattern takes each form of a timestamp that is read", () => {
  const pattern = new RegExp(messages.order.payload.properties.timestamp.pattern);
  for (const time of ["10:30", "10:30:00", "10:30:00.123456"]) {
    for (const zone of ["", "Z", "+01", "-0130", "+01:30"]) {
      const text = `2024-01-15T${time}${zone}`;
      assert(isTimestamp(text), text);
      assertMatch(text, pattern);
    }
  }
  assert(!pattern.test("2024-01-15 10:30"));
});

Deno.test("asyncApiYaml names the headers of a dead letter", () => {
  const record = { key: null, value: null, headers: {}, offset: "7" };
  const origin = { topic: "orders", partition: 0, group: "inventory", reason: "not JSON" };
  const namesOf = (value: Buffer | null) =>
    Object.keys(
      deadLetter({ ...record, value }, { topic: "dlq", ...DEFAULT_LIMIT }, origin).headers!,
    );
  const { required, properties } = messages.deadLetter.headers;
  assertEquals(namesOf(null), required);
  // Bytes that do not compress.
  assertEquals(namesOf(randomBytes(2_000_000)).sort(), Object.keys(properties).sort());
});
