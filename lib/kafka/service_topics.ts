/**
 * The topics of a service that keeps state.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { deadLetters, orderEvents, STATE_TOPICS, type TopicSpec } from "../topics.ts";
import { withAdmin } from "./client.ts";
import { createMissingTopics, existingTopics } from "./create_topics.ts";
import { FinalError } from "./errors.ts";
import type { KafkaSettings } from "./settings.ts";

/** The topics of a service, all with their prefix. */
export interface ServiceTopics {
  orders: string;
  state: string;
  deadLetters: string;
  /** All topics that the service writes to. */
  outputs: string[];
  /** How many partitions the orders and the state had when the service last looked. */
  partitions: number;
  /** How many partitions each topic has, by its name. */
  partitionCounts: ReadonlyMap<string, number>;
}

/** A group that services of another kind use. */
export class GroupConflictError extends FinalError {
  /** Its name in messages and logs. */
  override name = "GroupConflictError";
}

/**
 * Creates the topics that are missing. Partition p of the state belongs to partition p of the orders:
 * a state topic that has fewer partitions gets more.
 *
 * @param options.group The consumer group, prefix included.
 * @param options.state The topic of the state, for a number of partitions.
 * @param options.others More topics of the service.
 * @throws {GroupConflictError} When the group is that of another kind of service.
 * @throws {Error} When the state topic has more partitions than the orders.
 */
export function prepareServiceTopics(
  settings: KafkaSettings,
  { topicPrefix, group, state, others = [] }: {
    topicPrefix: string;
    group: string;
    state: (partitions: number) => TopicSpec;
    others?: TopicSpec[];
  },
  signal: AbortSignal,
): Promise<ServiceTopics> {
  const orders = orderEvents(topicPrefix).name;
  const dead = deadLetters(topicPrefix).name;
  return withAdmin(settings, signal, async (admin) => {
    const specs = [orderEvents(topicPrefix), deadLetters(topicPrefix), ...others];
    const partitionCounts = await createMissingTopics(admin, specs, settings.note);
    const partitions = partitionCounts.get(orders)!;
    const stateSpec = state(partitions);
    await requireOwnGroup(admin, group, stateSpec.name);
    const found = (await createMissingTopics(admin, [stateSpec], settings.note)).get(
      stateSpec.name,
    )!;
    // Once more: another service may have been started at the same time.
    await requireOwnGroup(admin, group, stateSpec.name);
    if (found > partitions) {
      throw new FinalError(
        `topic ${stateSpec.name} has ${found} partitions and ${orders} only ${partitions}: it belongs ` +
          `to another topic of orders; delete ${stateSpec.name}, and the counting starts over`,
      );
    }
    if (found < partitions) {
      await createPartitions(admin, { orders, state: stateSpec.name, partitions }, settings.note);
    }
    return {
      ...{ orders, state: stateSpec.name, deadLetters: dead },
      outputs: [stateSpec.name, dead, ...others.map(({ name }) => name)],
      ...{ partitions, partitionCounts },
    };
  });
}

/** Services of two kinds in one group would share its partitions, and each would miss orders. */
async function requireOwnGroup(admin: Admin, group: string, stateTopic: string): Promise<void> {
  const kinds = Object.entries(STATE_TOPICS).map(([kind, stateOf]) => [kind, stateOf(group).name]);
  const topics = await existingTopics(admin, kinds.map(([, name]) => name!));
  for (const [kind, name] of kinds) {
    if (name === stateTopic || !topics.has(name!)) continue;
    throw new GroupConflictError(
      `group ${group} belongs to the service ${kind}: there is topic ${name}; use another --group, ` +
        "each group reads all orders",
    );
  }
}

/**
 * Gives the state topic as many partitions as the orders have, when a partition of the orders was added
 * while the service runs. Several instances may do so at once.
 *
 * @param options.partition The partition of the orders that is about to be processed.
 */
export async function addStatePartitions(
  settings: KafkaSettings,
  { topics, partition }: { topics: ServiceTopics; partition: number },
  signal: AbortSignal,
): Promise<void> {
  if (partition < topics.partitions) return;
  const { orders, state } = topics;
  await withAdmin(settings, signal, async (admin) => {
    const counts = await partitionCounts(admin, [orders, state]);
    const partitions = counts.get(orders)!;
    if (partitions <= partition) throw new Error(`partition ${partition} of ${orders} is unknown`);
    if (counts.get(state)! < partitions) {
      await createPartitions(admin, { orders, state, partitions }, settings.note);
    }
    topics.partitions = partitions;
  });
}

async function createPartitions(
  admin: Admin,
  { orders, state, partitions }: { orders: string; state: string; partitions: number },
  note: (line: string) => void,
): Promise<void> {
  try {
    await admin.createPartitions({ topicPartitions: [{ topic: state, count: partitions }] });
  } catch (error) {
    // Another instance may have been faster.
    if ((await partitionCounts(admin, [state])).get(state)! < partitions) throw error;
    return;
  }
  note(`topic ${state} now has ${partitions} partitions, as ${orders}`);
}

async function partitionCounts(admin: Admin, topics: string[]): Promise<Map<string, number>> {
  const found = await existingTopics(admin, topics);
  return new Map([...found].map(([name, { partitions }]) => [name, partitions.length]));
}
