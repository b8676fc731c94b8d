/**
 * Remembering which broker coordinates a transactional id.
 *
 * @module
 */

/** kafkajs's cluster; only its identity is used here. */
type Cluster = object;

/** The methods of kafkajs's cluster that are replaced. */
export interface CoordinatorLookup {
  /** Asks a broker for the coordinator of a group or a transactional id. */
  findGroupCoordinatorMetadata(
    this: Cluster,
    of: { groupId: string; coordinatorType: number },
  ): Promise<unknown>;
  /** Called after every error that a moved leader or coordinator may have caused. */
  refreshMetadata(this: Cluster): Promise<void>;
}

/** The coordinator type of transactional ids. */
const TRANSACTION = 1;
/** How long a move of the coordinator can go unnoticed when no error reports it. */
const MAX_AGE_MS = 1_000;

/**
 * Creates the methods from the originals, which ask again for every request: three times in a
 * transaction.
 */
export function rememberingCoordinators(original: CoordinatorLookup): CoordinatorLookup {
  const known = new WeakMap<Cluster, Map<string, { found: unknown; atMs: number }>>();
  return {
    async findGroupCoordinatorMetadata(of) {
      // Offsets of a group may be read, and only the current coordinator has the current offsets.
      if (of.coordinatorType !== TRANSACTION) {
        return original.findGroupCoordinatorMetadata.call(this, of);
      }
      const byId = known.get(this) ?? new Map();
      known.set(this, byId);
      const entry = byId.get(of.groupId);
      if (entry !== undefined && performance.now() - entry.atMs < MAX_AGE_MS) return entry.found;
      const found = await original.findGroupCoordinatorMetadata.call(this, of);
      byId.set(of.groupId, { found, atMs: performance.now() });
      return found;
    },
    refreshMetadata() {
      known.delete(this);
      return original.refreshMetadata.call(this);
    },
  };
}
