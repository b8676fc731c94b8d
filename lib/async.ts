/**
 * Bounded waits. {@linkcode delay}, {@linkcode deadline} and {@linkcode retry} have the signatures of
 * `@std/async`; retry also takes a time limit, and {@linkcode delayOrAbort} does not reject on abort.
 *
 * Limits are measured by {@linkcode awakeMs}: a program that was suspended (a container paused, a
 * machine migrated) finds its timers due before it has read what its sockets received. The time in
 * which it did not run counts for nothing.
 *
 * @module
 */

/** How often the clock is read while something waits, in milliseconds. */
const TICK_MS = 250;
/** The program was suspended when its clock was not read for this long, in milliseconds. */
const SUSPENDED_MS = 1_500;

let readMs = 0;
let suspendedMs = 0;
let holders = 0;
let ticker: ReturnType<typeof setInterval> | undefined;

/**
 * A clock in milliseconds that stands still while the program is suspended. Compare two readings only
 * if {@linkcode holdClock} was in force between them.
 */
export function awakeMs(): number {
  const nowMs = performance.now();
  const gapMs = nowMs - readMs;
  if (holders > 0 && gapMs > SUSPENDED_MS) suspendedMs += gapMs;
  readMs = nowMs;
  return nowMs - suspendedMs;
}

/** Keeps {@linkcode awakeMs} ticking until it is disposed of. */
export function holdClock(): Disposable {
  if (holders++ === 0) {
    readMs = performance.now();
    ticker = setInterval(awakeMs, TICK_MS);
  }
  return {
    [Symbol.dispose]() {
      if (--holders === 0) clearInterval(ticker);
    },
  };
}

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
export async function delayOrAbort(ms: number, signal?: AbortSignal): Promise<void> {
  for (let leftMs = ms; !signal?.aborted; leftMs -= MAX_TIMER_MS) {
    await wait(Math.min(leftMs, MAX_TIMER_MS), signal);
    if (leftMs <= MAX_TIMER_MS) return;
  }
}

/** Timers fire at once when they are set for longer than this, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, Math.max(0, ms));
    if (signal?.aborted) done();
    else signal?.addEventListener("abort", done, { once: true });
  });
}

/**
 * Returns the promise's result.
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
  using _clock = holdClock();
  const untilMs = awakeMs() + ms;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    const check = () => {
      if (awakeMs() < untilMs) wait();
      else reject(new DOMException(`no answer within ${ms} ms`, "TimeoutError"));
    };
    const wait = () => {
      timer = setTimeout(check, Math.min(Math.max(0, untilMs - awakeMs()), MAX_TIMER_MS));
    };
    wait();
    onAbort = () => reject(signal?.reason);
    if (signal?.aborted) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, expiry]);
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
   * The factor by which the wait grows.
   *
   * @default {2}
   */
  multiplier?: number;
  /**
   * The share of a wait that is random, from 0 to 1: clients that fail together do not retry in step.
   *
   * @default {1}
   */
  jitter?: number;
  /**
   * Gives up after this many milliseconds; one last attempt is made when they are over.
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
  using _clock = holdClock();
  const untilMs = awakeMs() + limitMs;
  for (let attempt = 0;; attempt++) {
    signal?.throwIfAborted();
    try {
      return await orAbort(run(), signal);
    } catch (error) {
      signal?.throwIfAborted();
      const leftMs = untilMs - awakeMs();
      if (!isRetriable(error) || leftMs <= 0) throw error;
      await onRetry?.(error, attempt);
      const longestMs = Math.min(maxTimeout, minTimeout * multiplier ** attempt);
      const waitMs = longestMs * (1 - jitter * Math.random());
      await delay(Math.min(waitMs, leftMs), { signal });
    }
  }
}

/** The promise's result; rejects with the signal's reason as soon as it is aborted. */
async function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  const result = await unlessAborted(promise.then((value) => ({ value })), signal);
  if (result === undefined) throw signal.reason;
  return result.value;
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The promise's result, or `undefined` as soon as the signal is aborted. */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  let onAbort: (() => void) | undefined;
  const cut = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, cut]);
  } finally {
    signal.removeEventListener("abort", onAbort!);
  }
}

/** Resolves after timers and the network had their turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/**
 * Answers single questions with few requests: what is asked while a request is under way goes into the
 * next one, which begins when that has ended. So no answer is older than its question.
 *
 * @param ask Sends the request for these keys; its error is that of all of them.
 */
export function batched<K, V>(ask: (keys: K[]) => Promise<V>): (key: K) => Promise<V> {
  let last: Promise<unknown> = Promise.resolve();
  let next: { keys: K[]; answer: Promise<V> } | undefined;
  return (key) => {
    if (next === undefined) {
      const keys: K[] = [];
      const answer = last.then(() => {
        next = undefined;
        return ask(keys);
      });
      next = { keys, answer };
      last = answer.catch(() => {});
    }
    next.keys.push(key);
    return next.answer;
  };
}

/**
 * A repeatable event. Call {@linkcode Pulse.next} before checking the state that it is about, or you
 * may miss a {@linkcode Pulse.fire}.
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
