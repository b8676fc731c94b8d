/**
 * The page of the service: orders, failures, lag, stock and dead letters, live in a browser; and the
 * order desk, where orders are placed and watched on their way.
 *
 * It reads what the services keep and counts nothing itself. Many viewers cost one reader of Kafka. An
 * order is accepted when all in-sync replicas have it.
 *
 * ```sh
 * deno task dashboard
 * deno task dashboard --listen 127.0.0.1:9000
 * deno task dashboard --menu menu.json
 * ```
 *
 * Permissions: the set `dashboard` of deno.json, of whose files it keeps none.
 *
 * @module
 */
import { keepFileAccess, readFlagFile } from "./lib/cli/file_access.ts";
import { COMMON_FLAGS, flag, nonEmpty, type Options } from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printWarning } from "./lib/cli/output.ts";
import { readSecurity } from "./lib/cli/security.ts";
import { ALLOW_HOST_FLAG, groupName } from "./lib/cli/service_flags.ts";
import { aborted } from "./lib/async.ts";
import { EventStream } from "./lib/http/event_stream.ts";
import { DESK_BOUNDS } from "./lib/http/desk_bounds.ts";
import { OrderDesk } from "./lib/http/order_desk.ts";
import { problem, serveHttp } from "./lib/http/listen.ts";
import { LiveProbes } from "./lib/http/live_probes.ts";
import { LiveView } from "./lib/http/live_view.ts";
import { PageRoutes } from "./lib/http/page_routes.ts";
import { OrderStore } from "./lib/kafka/order_store.ts";
import { OrderWays } from "./lib/kafka/order_ways.ts";
import { pageState } from "./lib/http/page_state.ts";
import { probeResponse } from "./lib/http/probe_routes.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";
import { listenAddress } from "./lib/listen_address.ts";
import { MENU, parseMenu } from "./lib/menu.ts";
import { parseOpeningStock } from "./lib/stock_levels.ts";

/** The flags of the program. */
export const flags = {
  listen: flag({
    value: "HOST:PORT",
    default: "127.0.0.1:8080",
    help: "where the page is; other machines reach it at 0.0.0.0",
  }, listenAddress),
  allowHost: ALLOW_HOST_FLAG,
  analyticsGroup: flag({
    value: "NAME",
    default: "analytics",
    help: "the group whose metrics are shown",
  }, groupName),
  inventoryGroup: flag({
    value: "NAME",
    default: "inventory",
    help: "the group whose stock levels are shown",
  }, groupName),
  stock: flag({
    value: "FILE",
    example: "opening_stock.json",
    help: "units before the first order, as inventory takes them, to show what is available",
  }, nonEmpty("a file")),
  menu: flag({
    value: "FILE",
    help: 'JSON array of {"item_id", "name", "price"}, what the order desk offers',
    example: "menu.json",
  }, nonEmpty("a file")),
  ...COMMON_FLAGS,
};

/** Serves the page until the signal is aborted. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  const secured = { ...options, ...readSecurity(options) };
  const opening = options.stock === undefined
    ? undefined
    : await readFlagFile("--stock", options.stock, parseOpeningStock);
  const menu = options.menu === undefined
    ? MENU
    : await readFlagFile("--menu", options.menu, parseMenu);
  keepFileAccess({});
  const settings = kafkaSettings("order-stream-dashboard", secured, printNote);
  const { topicPrefix } = options;
  const groups = {
    analyticsGroup: topicPrefix + options.analyticsGroup,
    inventoryGroup: topicPrefix + options.inventoryGroup,
  };

  const events = new EventStream();
  const view = new LiveView({
    ...{ settings, topicPrefix, opening, ...groups },
    onState(state) {
      events.send("state", pageState(state));
      probes.update(state);
    },
  }, signal);
  const { metrics, stock } = view.reader;
  const probes = new LiveProbes({
    ...{ ...groups, metrics, stock },
    viewers: () => ({ connected: events.viewers, dropped: events.dropped }),
  }, settings);
  await probes.export();
  const page = new PageRoutes(view, events);
  const store = new OrderStore(settings, {
    topicPrefix,
    // As long as its key is kept, the outcome of an order is of interest.
    sendLimitMs: DESK_BOUNDS.keptKeysMs,
  }, signal);
  const { cluster } = view.reader;
  const desk = new OrderDesk({
    menu,
    store,
    ways: (viewers) =>
      new OrderWays(
        settings,
        {
          ...{ topicPrefix, ...groups, cluster, ...DESK_BOUNDS, ...viewers },
          onTopic: () => store.prepare(),
        },
        signal,
      ),
  });
  const server = serveHttp(
    options.listen,
    (request) =>
      probeResponse(probes, request) ?? desk.answer(request) ?? page.answer(request) ??
        problem(404, "there is nothing here"),
    {
      allowedHosts: options.allowHost.map((name) => name.toLowerCase()),
      onError: (error) => printWarning(`answering a request: ${(error as Error).message}`),
    },
  );
  printNote(`the page is at ${server.url}/`);
  await aborted(signal);
  events.close();
  // Orders that are on their way get their answers.
  await Promise.all([desk.close(), server.close()]);
  await Promise.all([store.close(), view.closed]);
}

if (import.meta.main) {
  main({
    usage: "deno task dashboard",
    summary:
      "Shows the service live in a browser: orders, failures, lag, stock and dead letters; " +
      "and takes orders, in the browser and with POST /orders.",
    flags,
    notes: `An order is answered with 202 once all in-sync replicas have it. With the header
Idempotency-Key it can be sent again without being stored twice, while the desk
runs: the last ${DESK_BOUNDS.maxKeys} keys are kept, for ${
      DESK_BOUNDS.keptKeysMs / 60_000
    } minutes. /openapi.yaml describes all.`,
    examples: [
      "deno task dashboard",
      "deno task dashboard --listen 127.0.0.1:9000 --stock opening_stock.json",
    ],
    run,
  });
}
