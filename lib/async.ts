/**
 * Waiting with an end: the functions of `@std/async`, by their names, order of arguments and options,
 * plus what a program that talks to brokers needs: a time limit for {@linkcode retry}, and a delay that
 * an abort ends without an error.
 *
 * @module
 */

/** Options of {@linkcode delay} and {@linkcode deadline}. */
export interface SignalOptions {
  /** Ends the wait when it is aborted. */
  signal?: AbortSignal | undefined;
}

/** Waits `ms` milliseconds; rejects with the signal's reason as soon as it is aborted. */
export async function delay(ms: number, { signal }: SignalOptions = {}): Promise<void> {
  await delayOrAbort(ms, signal);
  signal?.throwIfAborted();
}

/** Waits `ms` milliseconds, or until the signal is aborted; never rejects. */
export function delayOrAbort(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal?.aborted) done();
    else signal?.addEventListener("abort", done, { once: true });
  });
}

/**
 * The promise's result.
 *
 * @throws {DOMException} A `TimeoutError` when the promise has not settled within `ms` milliseconds.
 * @throws The signal's reason, as soon as it is aborted.
 */
export async function deadline<T>(
  promise: Promise<T>,
  ms: number,
  { signal }: SignalOptions = {},
): Promise<T> {
  promise.catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const cut = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new DOMException(`no answer within ${ms} ms`, "TimeoutError")),
      ms,
    );
    onAbort = () => reject(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, cut]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort!);
  }
}

/** Options of {@linkcode retry}. */
export interface RetryOptions extends SignalOptions {
  /**
   * The first wait between two attempts, in milliseconds.
   *
   * @default {1000}
   */
  minTimeout?: number;
  /**
   * The longest wait between two attempts, in milliseconds.
   *
   * @default {60000}
   */
  maxTimeout?: number;
  /**
   * By how much each wait is longer than the one before.
   *
   * @default {2}
   */
  multiplier?: number;
  /**
   * The share of a wait that is random, from 0 to 1: clients that fail together then try again one
   * after the other.
   *
   * @default {1}
   */
  jitter?: number;
  /**
   * No attempt is started after this many milliseconds.
   *
   * @default {Infinity}
   */
  limitMs?: number;
  /** Whether another attempt can help; every error counts as retriable by default. */
  isRetriable?: (error: unknown) => boolean;
  /** Called before each wait. */
  onRetry?: (error: unknown, attempt: number) => void | Promise<void>;
}

/**
 * Calls the function until it succeeds.
 *
 * @throws The error of the last attempt, once it is not retriable or the time is over.
 * @throws The signal's reason, as soon as it is aborted.
 */
export async function retry<T>(
  run: () => Promise<T>,
  {
    minTimeout = 1_000,
    maxTimeout = 60_000,
    multiplier = 2,
    jitter = 1,
    limitMs = Infinity,
    isRetriable = () => true,
    onRetry,
    signal,
  }: RetryOptions = {},
): Promise<T> {
  const startedMs = performance.now();
  for (let attempt = 0;; attempt++) {
    signal?.throwIfAborted();
    try {
      return await run();
    } catch (error) {
      signal?.throwIfAborted();
      const leftMs = limitMs - (performance.now() - startedMs);
      if (!isRetriable(error) || leftMs <= 0) throw error;
      await onRetry?.(error, attempt);
      const longestMs = Math.min(maxTimeout, minTimeout * multiplier ** attempt);
      const waitMs = longestMs * (1 - jitter * Math.random());
      await delay(Math.min(waitMs, leftMs), { signal });
    }
  }
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Something that happens again and again, and that others wait for. Take {@linkcode next} before
 * looking at the state that the waiting is about, so that nothing in between is missed.
 */
export class Pulse {
  #next = Promise.withResolvers<void>();

  /** Resolves the next time that it happens. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  /** It has happened. */
  fire(): void {
    const fired = this.#next;
    this.#next = Promise.withResolvers();
    fired.resolve();
  }
}
