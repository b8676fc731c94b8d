/** Timers that are recorded instead of set, and run by the test; until the end of the scope. */
export function heldTimers() {
  const { setTimeout } = globalThis;
  const timers: { fire: () => void; delayMs: number }[] = [];
  globalThis.setTimeout =
    ((fire: () => void, delayMs: number) =>
      timers.push({ fire, delayMs })) as unknown as typeof setTimeout;
  return {
    timers,
    /** Ends when everything is done that waits for no timer. */
    idle: () => new Promise((resolve) => setTimeout(resolve, 0)),
    [Symbol.dispose]: () => void (globalThis.setTimeout = setTimeout),
  };
}
