import { assert } from "@std/assert";
import { isTemporaryGroup } from "./topics.ts";

Deno.test("isTemporaryGroup knows views, replays in memory and checks from real groups", () => {
  const uuid = "7b3fd7c5-9a0e-4ac6-8a55-5d2f6e8f2f10";
  assert(isTemporaryGroup(`a-analytics-view-${uuid}`, "a-"));
  assert(isTemporaryGroup(`a-analytics-verify-${uuid}`, "a-"));
  assert(isTemporaryGroup("a-reconciliation", "a-"));
  assert(!isTemporaryGroup("a-analytics", "a-"));
  assert(!isTemporaryGroup("my-reconciliation", "a-"));
});
