import { assert } from "@std/assert";
import type { LiveStatus } from "../lib/http/live_view.ts";
import type { Verdict } from "../lib/lag/verdict.ts";
import { STATES, VERDICTS } from "./words.js";

Deno.test("VERDICTS and STATES have words for all that the server may send", () => {
  // Without a word for one of them, this does not compile.
  const verdicts: Record<Verdict, { text: string }> = VERDICTS;
  const states: Record<LiveStatus, { word: string; title?: string }> = STATES;
  for (const { text } of Object.values(verdicts)) assert(text !== "");
  for (const [name, { word, title = "" }] of Object.entries(states)) {
    assert(word !== "");
    assert((title === "") === (name === "live"), `${name}: only "live" has no notice`);
  }
});
