/**
 * What an instance of a service measures.
 *
 * @module
 */
import type { Instruments } from "../instruments.ts";
import type { ServiceStatus } from "../kafka/service_status.ts";

/** The upper bounds of the buckets of transactions, in seconds: they expire after 15. */
const TRANSACTION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15];

/** The instruments, by what the instance has done since its start. */
export function serviceInstruments(
  status: ServiceStatus,
  orders: () => { placed: number; failed: number },
): Instruments {
  const { group, transactions, notOrders } = status;
  const counts = (values: Record<string, number>) =>
    Object.entries(values).map(([result, value]) => ({ value, labels: { group, result } }));
  return {
    instruments: [
      {
        name: "order_stream_processed_records_total",
        help: "Records that this instance has processed and committed, by what became of them",
        kind: "counter",
        unit: "{record}",
        labels: ["group", "result"],
        read: () =>
          counts({
            ...orders(),
            skipped: notOrders.skipped,
            dead_letter: notOrders.deadLetters,
          }),
      },
      {
        name: "order_stream_transactions_total",
        help: "Transactions of this instance, by how they ended",
        kind: "counter",
        unit: "{transaction}",
        labels: ["group", "result"],
        read: () => counts(transactions),
      },
      {
        name: "order_stream_assigned_partitions",
        help: "Partitions that the group has assigned to this instance",
        kind: "gauge",
        unit: "{partition}",
        labels: ["group", "state"],
        read() {
          const partitions = status.partitions();
          const open = partitions.filter(({ isOpen }) => isOpen).length;
          return [
            { value: open, labels: { group, state: "open" } },
            { value: partitions.length - open, labels: { group, state: "opening" } },
          ];
        },
      },
      {
        name: "order_stream_consumer_lag_records",
        help: "Records that the group has not processed yet, of the partitions of this instance",
        kind: "gauge",
        unit: "{record}",
        labels: ["group", "partition"],
        read: () =>
          status.partitions().flatMap(({ partition, lagRecords: value }) =>
            value === undefined ? [] : [{ value, labels: { group, partition: String(partition) } }]
          ),
      },
    ],
    distributions: [{
      name: "order_stream_transaction_duration_seconds",
      help: "How long transactions take that are committed",
      unit: "s",
      labels: { group },
      bounds: TRANSACTION_BOUNDS,
      subscribe: (take) =>
        status.onTransaction(({ isCommitted, seconds }) => isCommitted && take(seconds)),
    }],
  };
}
