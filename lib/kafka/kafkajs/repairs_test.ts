import { assertThrows } from "@std/assert";
import { applyFixes, type Require } from "./repairs.ts";

/** A `require` that knows these modules only. */
function fakeRequire(modules: Record<string, unknown>, loaded: string[] = []): Require {
  return Object.assign((name: string) => modules[name], {
    resolve: (name: string) => name,
    cache: Object.fromEntries(loaded.map((name) => [name, { exports: modules[name] }])),
  });
}

Deno.test("applyFixes refuses another version of kafkajs and names both", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.5" } };
  assertThrows(
    () => applyFixes(fakeRequire(modules)),
    Error,
    "the fixes are for kafkajs 2.2.4, not for 2.2.5",
  );
});

Deno.test("applyFixes refuses to come after kafkajs", () => {
  const modules = { "kafkajs/package.json": { version: "2.2.4" }, "kafkajs": {} };
  assertThrows(
    () => applyFixes(fakeRequire(modules, ["kafkajs"])),
    Error,
    "kafkajs was loaded before its fixes",
  );
});

Deno.test("applyFixes says which function it does not find", () => {
  const packageJson = { version: "2.2.4" };
  assertThrows(
    () => applyFixes(fakeRequire({ "kafkajs/package.json": packageJson })),
    Error,
    "kafkajs/src/network/requestQueue exports no function to replace",
  );
  const modules = {
    "kafkajs/package.json": packageJson,
    "kafkajs/src/network/requestQueue": class {},
  };
  assertThrows(
    () => applyFixes(fakeRequire(modules)),
    Error,
    'kafkajs/src/network/requestQueue has no method "waitForPendingRequests"',
  );
});
