/**
 * The bounds of the order desk.
 *
 * @module
 */

/** The bounds of the order desk. */
export const DESK_BOUNDS = {
  /** The largest body, in bytes: an order of 1,000 items with ids of up to 15 characters. */
  maxBodyBytes: 65_536,
  /** How long a body may take to come, in milliseconds. */
  bodyLimitMs: 10_000,
  /** How many requests may be under way, and how many orders may wait for their acknowledgement. */
  maxWaiting: 500,
  /** How long a request waits for the acknowledgement, in milliseconds. */
  answerLimitMs: 10_000,
  /** How many values of Idempotency-Key are remembered, for how long, and how long each may be. */
  maxKeys: 10_000,
  keptKeysMs: 600_000,
  maxKeyCharacters: 200,
  /** How many viewers may watch orders. */
  maxViewers: 200,
  /** How many orders can be watched, and for how long, in milliseconds. */
  maxOrders: 1_000,
  followedMs: 120_000,
} as const;
