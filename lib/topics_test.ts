import { assert } from "@std/assert";
import { isThrowAwayGroup } from "./topics.ts";

Deno.test("isThrowAwayGroup knows views, replays in memory and checks from real groups", () => {
  const uuid = "7b3fd7c5-9a0e-4ac6-8a55-5d2f6e8f2f10";
  assert(isThrowAwayGroup(`a-analytics-view-${uuid}`, "a-"));
  assert(isThrowAwayGroup(`a-analytics-verify-${uuid}`, "a-"));
  assert(isThrowAwayGroup("a-reconciliation", "a-"));
  assert(!isThrowAwayGroup("a-analytics", "a-"));
  assert(!isThrowAwayGroup("my-reconciliation", "a-"));
});
