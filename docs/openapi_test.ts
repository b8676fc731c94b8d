import { assert, assertEquals } from "@std/assert";
import { parse } from "yaml";
import { conform } from "../lib/event_fields.ts";
import { DESK_BOUNDS } from "../lib/http/desk_bounds.ts";
import { EventStream } from "../lib/http/event_stream.ts";
import { OrderDesk } from "../lib/http/order_desk.ts";
import { PageRoutes } from "../lib/http/page_routes.ts";
import { PROBE_PATHS } from "../lib/http/probe_routes.ts";
import { parseMenu } from "../lib/menu.ts";
import { readOrderRequest } from "../lib/order_request.ts";
import { acceptedOrderSchema } from "../lib/order_way.ts";
import { openApiYaml } from "./openapi.ts";

const { paths, components: { schemas } } = parse(openApiYaml());

/** The routes only: nothing is asked of what is behind them. */
const ROUTES = [
  new OrderDesk({ menu: [], store: undefined as never, ways: () => undefined as never }),
  new PageRoutes(undefined as never, new EventStream()),
];

Deno.test("docs/openapi.yaml is what deno task docs writes", async () => {
  const url = new URL("openapi.yaml", import.meta.url);
  assertEquals(await Deno.readTextFile(url), openApiYaml(), "run deno task docs");
});

Deno.test("openApiYaml has every path that the dashboard answers, and no other", () => {
  const answered = [
    ...ROUTES.flatMap((routes) => routes.paths),
    ...[...PROBE_PATHS, "/openapi.yaml"],
  ];
  assertEquals(Object.keys(paths).sort(), answered.sort());
});

Deno.test("openApiYaml has every status with which an order is answered", () => {
  const code = ["order_desk.ts", "request_body.ts"].map((name) =>
    Deno.readTextFileSync(new URL(`../lib/http/${name}`, import.meta.url))
  ).join("");
  const statuses = [...code.matchAll(/\bproblem\(\s*(\d{3})/g)].map(([, status]) => status!);
  const known = paths["/orders"].post.responses;
  // 404 and 405 are about the paths themselves.
  const expected = new Set(statuses).difference(new Set(["404", "405"])).add("202");
  assertEquals(Object.keys(known).sort(), [...expected].sort());
  for (const status of ["429", "503", "504"]) assert("Retry-After" in known[status].headers);
});

Deno.test("openApiYaml's examples are what the dashboard reads and writes", () => {
  const { requestBody, responses } = paths["/orders"].post;
  const order = requestBody.content["application/json"].example;
  const menu = paths["/api/menu"].get.responses["200"].content["application/json"].example;
  const prices = new Map(
    parseMenu(JSON.stringify(menu)).map(({ item_id, price }) => [item_id, price]),
  );
  const body = new TextEncoder().encode(JSON.stringify(order));
  assert("order" in readOrderRequest(body, { prices, newId: "order_1", nowMs: 0 }));
  const place = responses["202"].content["application/json"].example;
  assertEquals(conform(acceptedOrderSchema, place), place);
});

Deno.test("openApiYaml has the bounds that the desk checks", () => {
  const { OrderRequest: order, OrderWay: way, MenuItem: item } = schemas;
  assertEquals(order.required.sort(), ["items", "user_id"]);
  assertEquals(order.properties.items.maxItems, 1_000);
  assertEquals(order.properties.items.items.required.sort(), ["item_id", "quantity"]);
  assertEquals(way.properties.state.enum, ["following", "done", "given up"]);
  assertEquals(item.properties.price.multipleOf, 0.01);
  const [{ schema: key }] = paths["/orders"].post.parameters;
  const pattern = new RegExp(key.pattern);
  assert(pattern.test("k".repeat(DESK_BOUNDS.maxKeyCharacters)));
  assert(!pattern.test("k".repeat(DESK_BOUNDS.maxKeyCharacters + 1)) && !pattern.test("a b"));
});
