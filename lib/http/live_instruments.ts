/**
 * What the page shows, as instruments: of whole groups, from the rows and offsets that it reads.
 *
 * A group and an item have a series each, and there may be any number of them: only so many are
 * exported, and how many are not is exported too.
 *
 * @module
 */
import { type Instrument, type Sample, single } from "../instruments.ts";
import type { Progress } from "../state_rows.ts";
import type { LiveGroup, LiveState } from "./live_view.ts";

/** The most groups that have series. */
const MAX_GROUPS = 50;
/** The most partitions that have series, of all these groups together. */
const MAX_GROUP_PARTITIONS = 2_000;
/** The most items that have series. */
const MAX_ITEMS = 500;

/** Rows of a service, as far as they are read. */
export interface FollowedRows {
  /** Whether they hold all that was committed when the reading began. */
  readonly isComplete: boolean;
  /** The rows. */
  readonly rows: {
    readonly version: number;
    partitions(): { readonly progress: Progress | undefined }[];
  };
}

/** Where the values come from. */
export interface LiveSource {
  /** The groups of the two services, prefix included. */
  analyticsGroup: string;
  inventoryGroup: string;
  /** The rows of the two services. */
  metrics: FollowedRows;
  stock: FollowedRows;
  /** The last state; `undefined` before the first. */
  state(): LiveState | undefined;
  /** Whether the last state has all orders that were counted when the reading began. */
  hasAllOrders(): boolean;
  /** Pages that are open now, and pages that were dropped because they did not take their events. */
  viewers(): { connected: number; dropped: number };
}

/** The instruments of the dashboard. */
export function liveInstruments(source: LiveSource): Instrument[] {
  const { metrics, stock, viewers } = source;
  const shownGroups = () => boundedGroups(groupsOf(source));
  const items = () => stock.isComplete ? source.state()?.stock ?? [] : [];
  return [
    {
      name: "order_stream_orders_total",
      help: "Orders that the analytics group has counted, by status",
      kind: "counter",
      unit: "{order}",
      labels: ["status"],
      read() {
        const counted = source.state()?.metrics;
        // Less than all of them would look like orders that come in now.
        if (counted === undefined || !source.hasAllOrders()) return [];
        const { total_orders: total, failed_orders: failed } = counted;
        return [
          { value: total - failed, labels: { status: "placed" } },
          { value: failed, labels: { status: "failed" } },
        ];
      },
    },
    {
      name: "order_stream_dead_letters_total",
      help: "Records that a group could not read as orders",
      kind: "counter",
      unit: "{record}",
      labels: ["group"],
      read: () => [
        ...deadLetters(source.analyticsGroup, metrics),
        ...deadLetters(source.inventoryGroup, stock),
      ],
    },
    {
      name: "order_stream_stock_units",
      help: "Units of an item that orders have reserved or released",
      kind: "gauge",
      unit: "{unit}",
      labels: ["item", "action"],
      read: () =>
        items().slice(0, MAX_ITEMS).flatMap(({ item_id: item, ...units }) => [
          { value: units.reserved_units, labels: { item, action: "reserve" } },
          { value: units.released_units, labels: { item, action: "release" } },
        ]),
    },
    {
      name: "order_stream_stock_available_units",
      help: "Units of an item that are available; below 0 when it is oversold",
      kind: "gauge",
      unit: "{unit}",
      labels: ["item"],
      read: () =>
        items().slice(0, MAX_ITEMS).flatMap(({ item_id: item, available_units: value }) =>
          value === undefined ? [] : [{ value, labels: { item } }]
        ),
    },
    {
      name: "order_stream_consumer_lag_records",
      help: "Records that a group has not processed yet",
      kind: "gauge",
      unit: "{record}",
      labels: ["group", "partition"],
      read: () =>
        shownGroups().flatMap(({ group, partitions }) =>
          partitions.flatMap(({ partition, lag_records: value }) =>
            value === null ? [] : [{ value, labels: { group, partition: String(partition) } }]
          )
        ),
    },
    {
      name: "order_stream_consumer_lag_seconds",
      help: "Age of the oldest record that a group has not processed yet",
      kind: "gauge",
      unit: "s",
      labels: ["group"],
      read: () =>
        shownGroups().flatMap(({ group, lag_seconds: value }) =>
          value === null ? [] : [{ value, labels: { group } }]
        ),
    },
    {
      name: "order_stream_consumer_members",
      help: "Members of a group",
      kind: "gauge",
      unit: "{member}",
      labels: ["group"],
      read: () =>
        shownGroups().flatMap(({ group, members: value }) =>
          value === null ? [] : [{ value, labels: { group } }]
        ),
    },
    {
      name: "order_stream_dashboard_left_out",
      help: "Groups and items that have no series here because there are too many",
      kind: "gauge",
      unit: "1",
      labels: ["label"],
      read: () => [
        {
          value: groupsOf(source).length - shownGroups().length,
          labels: { label: "group" },
        },
        { value: Math.max(0, items().length - MAX_ITEMS), labels: { label: "item" } },
      ],
    },
    {
      name: "order_stream_dashboard_viewers",
      help: "Pages that are open",
      kind: "gauge",
      unit: "{viewer}",
      labels: [],
      read: () => single(viewers().connected),
    },
    {
      name: "order_stream_dashboard_dropped_viewers_total",
      help: "Pages that were disconnected because they did not take their events",
      kind: "counter",
      unit: "{viewer}",
      labels: [],
      read: () => single(viewers().dropped),
    },
  ];
}

/** All groups, those of the two services first: they must not be left out. */
function groupsOf({ state, analyticsGroup, inventoryGroup }: LiveSource): LiveGroup[] {
  const own = [analyticsGroup, inventoryGroup];
  const groups = state()?.groups ?? [];
  return [
    ...groups.filter(({ group }) => own.includes(group)),
    ...groups.filter(({ group }) => !own.includes(group)),
  ];
}

function boundedGroups(groups: readonly LiveGroup[]): LiveGroup[] {
  let partitions = 0;
  return groups.slice(0, MAX_GROUPS).filter((group) => {
    partitions += group.partitions.length;
    return partitions <= MAX_GROUP_PARTITIONS;
  });
}

function deadLetters(group: string, { isComplete, rows }: FollowedRows): Sample[] {
  if (!isComplete) return [];
  const value = rows.partitions().reduce(
    (sum, { progress }) => sum + (progress?.malformed ?? 0),
    0,
  );
  return [{ value, labels: { group } }];
}
