import { assertEquals } from "@std/assert";
import { minuteSeries } from "../minute_series.ts";
import { EventStream, MAX_PAGE_VIEWERS } from "./event_stream.ts";
import type { LiveView } from "./live_view.ts";
import { PageRoutes } from "./page_routes.ts";

/** The page of a service whose first orders are of minute 1,000 and whose newest are of 1,100. */
function page(): PageRoutes {
  const count = (total: number) => ({ total, failed: 1 });
  const series = minuteSeries({ minutes: new Map([[1_000, count(5)], [1_100, count(7)]]) });
  return new PageRoutes({ series } as LiveView, {} as EventStream);
}

async function minutes(query: string) {
  const response = page().answer(new Request(`http://localhost/api/minutes?${query}`))!;
  return { status: response.status, ...await response.json() };
}

Deno.test("/api/minutes counts a range back from the newest minute, whether it has orders or not", async () => {
  assertEquals(await minutes("range=15m"), {
    ...{ status: 200, from: 1_086 * 60, to: 1_101 * 60, bucket_minutes: 1 },
    ...{ start: [1_100 * 60], placed: [6], failed: [1] },
  });
  assertEquals((await minutes("range=1d")).from, (1_101 - 1_440) * 60);
});

Deno.test("/api/minutes has all from the first minute to the newest", async () => {
  const { from, to, placed } = await minutes("range=all&points=2");
  assertEquals([from, to], [1_000 * 60, 1_101 * 60]);
  assertEquals(placed, [4, 6]);
});

Deno.test("/api/minutes has the minutes between two times, and answers what it cannot read", async () => {
  const { start, from, to } = await minutes(`from=${999 * 60}&to=${1_001 * 60 + 59}`);
  assertEquals([start, from, to], [[1_000 * 60], 999 * 60, 1_002 * 60]);
  for (
    const query of ["from=60", "from=x&to=1", "from=60&to=0", "range=2h", "points=1", "points=1e9"]
  ) {
    assertEquals((await minutes(query)).status, 400, query);
  }
});

Deno.test("/api/events takes so many viewers and refuses one more until another has gone", async () => {
  const events = new EventStream();
  const routes = new PageRoutes({} as LiveView, events);
  const watch = () => routes.answer(new Request("http://localhost/api/events"))!;
  const viewers = Array.from({ length: MAX_PAGE_VIEWERS }, watch);
  assertEquals(viewers.every(({ status }) => status === 200), true);
  const { status, headers } = watch();
  assertEquals([status, headers.get("retry-after")], [429, "10"]);
  await viewers[7]!.body!.cancel();
  assertEquals(watch().status, 200);
  events.close();
});

Deno.test("the page has all the files that its files name", async () => {
  const answers = async (path: string) => {
    const response = page().answer(new Request(`http://localhost${path}`));
    return response?.status === 200 ? await response.text() : undefined;
  };
  const seen = new Map<string, string | undefined>();
  const visit = async (path: string) => {
    if (seen.has(path)) return;
    const text = await answers(path);
    seen.set(path, text);
    const named = text?.matchAll(/(?:src|href)="(\/[^"]+)"|from "\.(\/[^"]+)"/g) ?? [];
    for (const [, link, module] of named) await visit((link ?? module)!);
  };
  await visit("/");
  assertEquals([...seen].filter(([, text]) => text === undefined).map(([path]) => path), []);
  assertEquals(
    ["/app.js", "/charts.js", "/uplot.js", "/style.css"].filter((each) => !seen.has(each)),
    [],
  );
});
