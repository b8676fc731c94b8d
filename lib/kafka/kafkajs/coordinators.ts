/**
 * Remembering which broker coordinates a transactional id.
 *
 * @module
 */

/** kafkajs's cluster, as far as it is used here: only as a key. */
type Cluster = object;

/** `findGroupCoordinatorMetadata` of kafkajs's cluster. */
export type FindCoordinator = (
  this: Cluster,
  of: { groupId: string; coordinatorType: number },
) => Promise<unknown>;

/** `refreshMetadata` of kafkajs's cluster. */
export type RefreshMetadata = (this: Cluster) => Promise<void>;

/** The methods to put in place. */
export interface Coordinators {
  /** Asks a broker. */
  findGroupCoordinatorMetadata: FindCoordinator;
  /** Called by everybody who has found that something has moved. */
  refreshMetadata: RefreshMetadata;
}

/** The type of coordinators of transactional ids. */
const TRANSACTION = 1;
/** Whoever does not notice that a coordinator has moved finds the new one after so long. */
const MAX_AGE_MS = 1_000;

/**
 * Makes the methods of the originals, which ask anew for every request: three times in a
 * transaction.
 */
export function rememberingCoordinators(original: Coordinators): Coordinators {
  const known = new WeakMap<Cluster, Map<string, { found: unknown; atMs: number }>>();
  return {
    async findGroupCoordinatorMetadata(of) {
      // Of a group somebody may read, and only the present coordinator has the present offsets.
      if (of.coordinatorType !== TRANSACTION) {
        return original.findGroupCoordinatorMetadata.call(this, of);
      }
      const ofCluster = known.get(this) ?? new Map();
      known.set(this, ofCluster);
      const entry = ofCluster.get(of.groupId);
      if (entry !== undefined && performance.now() - entry.atMs < MAX_AGE_MS) return entry.found;
      const found = await original.findGroupCoordinatorMetadata.call(this, of);
      ofCluster.set(of.groupId, { found, atMs: performance.now() });
      return found;
    },
    refreshMetadata() {
      known.delete(this);
      return original.refreshMetadata.call(this);
    },
  };
}
