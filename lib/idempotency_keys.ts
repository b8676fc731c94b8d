/**
 * Keys under which a request may be sent again without being done again, for a bounded number of keys
 * and a bounded time.
 *
 * @module
 */

/** What a key stands for. */
interface Entry<T> {
  fingerprint: string;
  sinceMs: number;
  result: Promise<T>;
  isSettled: boolean;
}

/** The bounds. */
export interface KeyBounds {
  /** How many keys are kept; what is under way is kept in any case. */
  maxKeys: number;
  /** How long a key is kept, in milliseconds. */
  keptMs: number;
}

/** Does what has the same key once. */
export class IdempotencyKeys<T> {
  #bounds: KeyBounds;
  /** The oldest first. */
  #entries = new Map<string, Entry<T>>();

  /** Keeps keys within these bounds. */
  constructor(bounds: KeyBounds) {
    this.#bounds = bounds;
  }

  /**
   * The result of the first request with this key; runs it when there was none. A request that fails
   * has done nothing: its key is free again.
   *
   * @param request.fingerprint Of what is requested.
   * @param request.nowMs The time, from a clock that never goes back.
   * @returns `undefined` when the key stands for another request.
   */
  once(
    { key, fingerprint, nowMs }: { key: string; fingerprint: string; nowMs: number },
    run: () => Promise<T>,
  ): Promise<T> | undefined {
    const { maxKeys, keptMs } = this.#bounds;
    this.#forgetWhile(({ sinceMs }) => nowMs - sinceMs >= keptMs);
    const known = this.#entries.get(key);
    if (known !== undefined) return known.fingerprint === fingerprint ? known.result : undefined;
    this.#forgetWhile(() => this.#entries.size >= maxKeys);
    const entry = { fingerprint, sinceMs: nowMs, result: run(), isSettled: false };
    this.#entries.set(key, entry);
    entry.result.then(() => entry.isSettled = true, () => this.#entries.delete(key));
    return entry.result;
  }

  /** How many keys are kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Forgets keys, the oldest first, except those under way. */
  #forgetWhile(isDue: (oldest: Entry<T>) => boolean): void {
    for (const [key, entry] of this.#entries) {
      if (!isDue(entry)) return;
      if (entry.isSettled) this.#entries.delete(key);
    }
  }
}
