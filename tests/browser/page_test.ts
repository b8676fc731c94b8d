/**
 * The page in a real browser, on a real broker: its figures, its states, hostile text, a small screen,
 * the keyboard, and what axe-core says.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { connect, disconnect } from "../../lib/kafka/client.ts";
import { idempotentProducer } from "../../lib/kafka/producers.ts";
import { deadLetters, orderEvents } from "../../lib/topics.ts";
import { testCluster } from "../support/broker.ts";
import { testBrowser, violations } from "../support/chromium.ts";
import { browserTest, startDashboard, text, until } from "../support/dashboard_page.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** The lines of the report that the page shows too, as the page shows them. */
async function reported(file: string): Promise<Record<string, string>> {
  const lines = (await Deno.readTextFile(file)).split("\n");
  const value = (name: string) => lines.find((line) => line.startsWith(name))!.split(": ")[1]!;
  return {
    total: value("Total Orders"),
    "failure-rate": value("Failure Rate").replace("%", ""),
    average: value("Average Orders per Minute"),
    current: value("Current Orders per Minute"),
  };
}

async function publish(run: TestRun, values: string[]): Promise<void> {
  const messages = values.map((value, index) => ({
    ...{ partition: index % 6, key: `key-${index}`, value },
  }));
  await send(run, { topic: orderEvents(run.prefix).name, messages });
}

async function send(
  run: TestRun,
  records: {
    topic: string;
    messages: { partition: number; value: string; headers?: Record<string, string> }[];
  },
): Promise<void> {
  const producer = idempotentProducer(run.settings);
  await connect(producer, run.settings);
  await producer.send({ ...records, acks: -1 });
  await disconnect(producer);
}

browserTest(
  "the page shows the digits of metrics_output.txt, and new orders by itself",
  async () => {
    await using run = await testRun("page-figures");
    await using browser = await testBrowser();
    const dashboard = await startDashboard(run);
    const page = await browser.open(dashboard.url);
    await until(page, "state", "No topics");
    assertStringIncludes(await text(page, "notice"), "deno task produce");

    const orders = ["--span", "30m", "--start", "2024-01-15T10:30:00Z", "--seed"];
    await run.json("producer.ts", ["--count", "1777", ...orders, "1"]);
    await until(page, "state", "Not counted");
    run.start("inventory.ts");
    run.start("analytics.ts", ["--output", run.file]);

    for (const total of ["1,777", "2,777"]) {
      await until(page, "total", total);
      await eventually(
        "the report has them too",
        async () =>
          (await Deno.readTextFile(run.file)).includes(`Total Orders: ${total.replace(",", "")}\n`),
      );
      for (const [id, digits] of Object.entries(await reported(run.file))) {
        await until(page, id, new RegExp(`^${digits.replace(/\B(?=(\d{3})+(?!\d))/g, ",?")}$`));
      }
      if (total === "1,777") {
        await run.json("producer.ts", ["--count", "1000", ...orders, "2"]);
      }
    }
    assertEquals(await text(page, "state"), "Live");
    assertMatch(await text(page, "current-note"), /^15 Jan 2024 \d\d:\d\d UTC, /);
    await eventually("both groups are shown", async () => {
      const names = await page.locator("#groups .group bdi").allInnerTexts();
      return names.join() === `${run.prefix}analytics,${run.prefix}inventory`;
    });
    await eventually(
      "the stock is shown",
      async () => await page.locator("#stock-rows tr").count() > 5,
    );

    await page.locator("#bars summary").click();
    await page.locator("#ranges").getByText("All").click();
    await eventually("the bars add up to all orders", async () => {
      const counts = await page.locator("#bar-rows td:nth-of-type(3)").allInnerTexts();
      return counts.reduce((sum, each) => sum + Number(each.replace(",", "")), 0) === 2_777;
    });
    const before = await text(page, "bar-length");
    await page.getByTitle("Zoom in").click();
    await until(page, "bar-length", /, zoomed$/);
    assert(!before.includes("zoomed"));
  },
);

browserTest("the page shows hostile text harmlessly, also on a small screen", async () => {
  await using run = await testRun("page-hostile");
  await using browser = await testBrowser();
  run.start("analytics.ts", ["--output", "none"]);
  run.start("inventory.ts");
  const order = (fields: Record<string, unknown>) =>
    JSON.stringify({
      ...{ event_type: "OrderPlaced", order_id: "plain", user_id: "user", status: "placed" },
      items: [{ item_id: "burger", quantity: 1, price: 1 }],
      ...{ total_amount: 1, timestamp: "2024-01-15T10:30:00Z", ...fields },
    });
  await run.json("producer.ts", ["--count", "1"]);
  await publish(run, [
    order({ order_id: `<img src=/missing onerror="document.title='run'">` }),
    order({ order_id: "\u202eturned\u0007\u001b[31m" }),
    order({ items: [{ item_id: "W".repeat(256), quantity: 9_007_199_254_740_991, price: 1 }] }),
    order({ user_id: "x".repeat(10_000), total_amount: 1e300 }),
    order({ total_amount: 1e300, order_id: "ü".repeat(256) }),
    `<script>document.title='run'</script>${"y".repeat(10_000)}`,
  ]);
  const dashboard = await startDashboard(run);
  const letters = (page: Page) => page.locator("#letter-rows tr").count();
  const watching = await browser.open(dashboard.url);
  await eventually("both groups have set two aside", async () => await letters(watching) === 4);
  const hostile = ["topic", "group", "reason"].map((name) => [
    `dlq.${name}`,
    `\u202e<b>${name.repeat(10_000)}`,
  ]);
  const headers = {
    ...Object.fromEntries(hostile),
    ...{ "dlq.partition": "1", "dlq.offset": "7" },
  };
  const foreign = [{ partition: 0, value: "not ours", headers }];
  await send(run, { topic: deadLetters(run.prefix).name, messages: foreign });
  for (const width of [360, 1_280]) {
    const page = await browser.open(dashboard.url, { viewport: { width, height: 800 } });
    await eventually("the dead letters are shown", async () => await letters(page) === 5);
    await eventually(
      "the stock is shown",
      async () => await page.locator("#stock-rows tr").count() > 1,
    );
    const shown = await page.locator("main").innerText();
    assertStringIncludes(shown, "<img src=/missing");
    assertStringIncludes(shown, "\\u202eturned\\u0007");
    assert(!shown.includes("\u202e"));
    assertStringIncludes(shown, "1.00e+300");
    assertStringIncludes(shown, "\\u202e<b>reasonreason");
    assert(shown.length < 10_000, "long text is cut");
    assertEquals(await page.locator("main img, main script").count(), 0);
    assertEquals(await page.title(), "Order Stream");
    const scrollWidth = await page.evaluate("document.documentElement.scrollWidth");
    assertEquals(scrollWidth, width, "nothing sticks out");
    await page.context().close();
  }
});

browserTest(
  "the page says when the server or the broker is away, and goes on by itself",
  async () => {
    await using cluster = await testCluster(1);
    await using run = await testRun("page-away", cluster);
    await using browser = await testBrowser();
    await run.json("producer.ts", ["--count", "300"]);
    await run.json("analytics.ts", ["--until-end", "--output", run.file]);
    const dashboard = await startDashboard(run);
    const page = await browser.open(dashboard.url);
    await until(page, "state", "Live");
    await until(page, "total", "300");

    await page.getByRole("button", { name: "Pause page" }).click();
    assertEquals(await text(page, "state"), "Paused");
    const updated = await text(page, "updated");
    await run.json("producer.ts", ["--count", "100"]);
    await run.json("analytics.ts", ["--until-end", "--output", run.file]);
    const other = await browser.open(dashboard.url);
    await until(other, "total", "400");
    assertEquals([await text(page, "total"), await text(page, "updated")], ["300", updated]);
    await page.getByRole("button", { name: "Resume page" }).click();
    await until(page, "total", "400");
    await until(page, "state", "Live");

    await cluster.kill(1);
    await until(page, "state", "No broker");
    assertStringIncludes(await text(page, "notice"), "deno task up");
    assertEquals([await text(page, "total"), await text(page, "arriving")], ["400", "–"]);
    await cluster.start(1);
    await until(page, "state", "Live");

    dashboard.kill("SIGKILL");
    await dashboard.ended;
    await until(page, "state", "Connection lost");
    assertEquals(await text(page, "total"), "400");
    await startDashboard(run, { listen: new URL(dashboard.url).host });
    await until(page, "state", "Live");
    await until(page, "total", "400");
  },
);

browserTest("the page can be used with the keyboard, and axe-core finds nothing", async () => {
  await using run = await testRun("page-access");
  await using browser = await testBrowser();
  await run.json("producer.ts", ["--count", "500", "--span", "30m"]);
  await publish(run, ["not an order"]);
  run.start("analytics.ts", ["--output", "none"]);
  run.start("inventory.ts");
  const stock = `${await Deno.makeTempDir()}/stock.json`;
  await Deno.writeTextFile(stock, `[{ "item_id": "burger", "units": 1 }]`);
  const dashboard = await startDashboard(run, { args: ["--stock", stock] });

  for (const [colorScheme, width] of [["light", 360], ["dark", 1_280]] as const) {
    const page = await browser.open(dashboard.url, {
      ...{ colorScheme, viewport: { width, height: 900 }, bypassCSP: true },
    });
    await eventually(
      "dead letters of both groups",
      async () => await page.locator("#letter-rows tr").count() === 2,
    );
    await eventually("oversold stock", async () => await page.locator("#stock .bad").count() > 0);
    for (const summary of await page.locator("summary").all()) await summary.click();
    for (const group of await page.locator("#groups .group").all()) await group.click();
    assertEquals(await violations(page), [], `${colorScheme}, ${width} pixels`);
    await page.context().close();
  }

  const page = await browser.open(dashboard.url);
  await eventually("the groups", async () => await page.locator("#groups .group").count() === 2);
  const focused: string[] = [];
  for (let key = 0; key < 20; key++) {
    await page.keyboard.press("Tab");
    const name = await page.evaluate(FOCUSED) as string | null;
    if (name === null) break;
    focused.push(name);
    if (name.startsWith("15 min")) await page.keyboard.press("ArrowRight");
    if (name.includes("analytics")) await page.keyboard.press("Enter");
  }
  const wanted = [
    "Pause page",
    "15 min",
    "Earlier",
    "Zoom out",
    "Zoom in",
    "Later",
    "Bars",
    "analytics",
  ];
  assertEquals(
    wanted.filter((name) => !focused.some((each) => each.includes(name))),
    [],
    focused.join(),
  );
  assertEquals(focused.filter((each) => !each.endsWith("outlined")), []);
  assertEquals(await page.getByRole("radio", { name: "1 hour" }).isChecked(), true);
  assertEquals(await page.locator("tr.partitions:visible").count(), 1);
  assertEquals(await page.locator("tr.partitions:visible tbody tr").count(), 6);
  await Deno.remove(stock);
});

/** The name of the element that has the focus, and whether that can be seen. */
const FOCUSED = `(() => {
  const focused = document.activeElement;
  if (focused === document.body) return null;
  const label = focused.closest("label");
  const shown = label === null ? focused : label.querySelector("span");
  const isOutlined = getComputedStyle(shown).outlineStyle !== "none";
  return [(label ?? focused).textContent.trim().replace(/\\s+/g, " "), isOutlined && "outlined"].join(" ");
})()`;
