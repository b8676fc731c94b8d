/**
 * dashboard.ts on the real broker: what it sends.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import type { PageState } from "../../lib/http/page_state.ts";
import { eventually, testRun } from "../support/run.ts";

/** The states that a viewer gets, until one is taken. */
async function firstState(
  url: string,
  isTaken: (state: PageState) => boolean,
): Promise<PageState> {
  const { body } = await fetch(`${url}/api/events`);
  let text = "";
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    const events = (text + chunk).split("\n\n");
    text = events.pop()!;
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      const state = data === undefined ? undefined : JSON.parse(data) as PageState;
      if (state !== undefined && isTaken(state)) return state;
    }
  }
  throw new Error("the stream has ended");
}

Deno.test("dashboard.ts is live only once it shows all that is counted, of a year of minutes too", async () => {
  await using run = await testRun("dashboard-year");
  await run.json("producer.ts", ["--count", "300000", "--span", "365d", "--seed", "3"]);
  const report = await run.json("analytics.ts", ["--until-end", "--output", "none"]);
  let url: string | undefined;
  run.start("dashboard.ts", ["--listen", "127.0.0.1:0"], (line) => {
    url ??= /the page is at (\S+)\//.exec(line)?.[1];
  });
  await eventually("the dashboard listens", () => url !== undefined);
  const { metrics } = await firstState(url!, ({ status }) => status === "live");
  for (const name of ["total_orders", "failed_orders", "average_orders_per_minute"] as const) {
    assertEquals(metrics[name], report[name], name);
  }
});
