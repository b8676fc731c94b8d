/**
 * Shifts the clock of a program that loads this first: `--preload=shifted_clock.ts?ms=86400000`.
 *
 * @module
 */
const shiftMs = Number(new URL(import.meta.url).searchParams.get("ms"));
const TrueDate = Date;
const now = () => TrueDate.now() + shiftMs;

globalThis.Date = new Proxy(TrueDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new TrueDate(now()).toString(),
  get: (target, name, receiver) => name === "now" ? now : Reflect.get(target, name, receiver),
});
