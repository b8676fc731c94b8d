import { assertThrows } from "@std/assert";
import { applyRepairs, type Require } from "./repairs.ts";

/** A `require` that knows these modules only. */
function fakeRequire(modules: Record<string, unknown>, loaded: string[] = []): Require {
  return Object.assign((name: string) => modules[name], {
    resolve: (name: string) => name,
    cache: Object.fromEntries(loaded.map((name) => [name, { exports: modules[name] }])),
  });
}

Deno.test("applyRepairs refuses another version of kafkajs and names both", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.5" } };
  assertThrows(
    () => applyRepairs(fakeRequire(modules)),
    Error,
    "the repairs are for kafkajs 2.2.4, not for 2.2.5",
  );
});

Deno.test("applyRepairs refuses to come after kafkajs", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.4" }, "kafkajs": {} };
  assertThrows(
    () => applyRepairs(fakeRequire(modules, ["kafkajs"])),
    Error,
    "kafkajs was loaded before its repairs",
  );
});

Deno.test("applyRepairs says which function it does not find", () => {
  const rest = {
    "kafkajs/package.json": { version: "2.2.4" },
    "kafkajs/src/protocol/requests/apiKeys": {},
  };
  assertThrows(
    () => applyRepairs(fakeRequire(rest)),
    Error,
    "kafkajs/src/network/requestQueue exports no function to replace",
  );
  const modules = { ...rest, "kafkajs/src/network/requestQueue": class {} };
  assertThrows(
    () => applyRepairs(fakeRequire(modules)),
    Error,
    'kafkajs/src/network/requestQueue has no method "waitForPendingRequests"',
  );
});
