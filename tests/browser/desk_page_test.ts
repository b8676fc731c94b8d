/**
 * The order desk in a real browser, on a real broker, with mouse and keyboard only.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import { readTopic } from "../../lib/kafka/read_topic.ts";
import { inventoryEvents, orderEvents } from "../../lib/topics.ts";
import { testCluster } from "../support/broker.ts";
import { testBrowser } from "../support/chromium.ts";
import { browserTest, startDashboard, text, until } from "../support/dashboard_page.ts";
import { eventually, type TestRun, testRun } from "../support/run.ts";

/** What the steps of the placed order say, with the movements below the last one. */
async function steps(page: Page): Promise<string[]> {
  return (await page.locator(".desk-steps > li").allInnerTexts())
    .map((shown) => shown.replace(/\s+/g, " ").trim());
}

async function untilStep(page: Page, index: number, expected: RegExp): Promise<void> {
  await eventually(
    `step ${index} shows ${expected}`,
    async () => expected.test((await steps(page))[index] ?? ""),
  );
}

/** The milliseconds that a step shows. */
function msOf(step: string): number {
  const [, number, unit] = /after ([\d.]+) (ms|s)\b/.exec(step)!;
  return Number(number) * (unit === "s" ? 1_000 : 1);
}

/** Presses Tab until the element that has the focus is the wanted one. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press("Tab");
    if (name.test(await page.evaluate(FOCUSED) as string)) return;
  }
  throw new Error(`the Tab key does not lead to ${name}`);
}

/** The name of the element that has the focus. */
const FOCUSED = `(() => {
  const { labels, textContent, ariaLabel } = document.activeElement;
  return (ariaLabel ?? labels?.[0]?.textContent ?? textContent).trim();
})()`;

/** The events of a topic that are about an order. */
// deno-lint-ignore no-explicit-any
async function eventsOf(run: TestRun, topic: string, orderId: string): Promise<any[]> {
  const found: unknown[] = [];
  await readTopic(run.settings, {
    topic,
    group: `${run.prefix}check`,
    onRecord({ value }) {
      const event = JSON.parse(`${value}`);
      if (event.order_id === orderId) found.push(event);
    },
  }, run.signal);
  return found;
}

browserTest(
  "an order is placed in the page, and followed until its movements are there",
  async () => {
    await using run = await testRun("page-order");
    await using browser = await testBrowser();
    await run.json("producer.ts", ["--count", "100"]);
    const dashboard = await startDashboard(run);
    const page = await browser.open(dashboard.url);
    const desk = page.locator("#desk");

    await desk.getByRole("button", { name: /^Add Burger/ }).click();
    await desk.getByRole("button", { name: /^Add Pasta/ }).click();
    await desk.getByRole("button", { name: /^Add Pizza Funghi/ }).click();
    await desk.getByRole("button", { name: "Remove Pizza Funghi" }).click();
    await desk.getByRole("spinbutton", { name: "Quantity of Burger" }).click();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("3");
    assertEquals(await text(page, "desk-total"), "38.75");
    await desk.getByRole("button", { name: "Place order" }).click();

    await untilStep(page, 0, /^Accepted.* after [\d.]+ m?s$/);
    assertEquals(await page.evaluate(FOCUSED), "Order placed");
    assertEquals((await steps(page)).slice(1), [
      "Counted by analytics waiting",
      "Stock movements committed waiting",
    ]);
    run.start("analytics.ts", ["--output", "none"]);
    await untilStep(page, 1, /^Counted by analytics after [\d.]+ s$/);
    assertEquals((await steps(page))[2], "Stock movements committed waiting");
    await until(page, "total", "101");
    run.start("inventory.ts");
    await untilStep(page, 2, /reserve 3 × burger/);
    await untilStep(page, 2, /reserve 1 × pasta/);
    const [accepted, counted, moved] = (await steps(page)).map(msOf);
    assert(accepted! < counted! && counted! < moved!, `${accepted}, ${counted}, ${moved}`);

    const id = await page.locator("#desk code").innerText();
    const [order] = await eventsOf(run, orderEvents(run.prefix).name, id);
    assertEquals([order.user_id, order.total_amount, order.status], ["user_1", 38.75, "placed"]);
    const movements = await eventsOf(run, inventoryEvents(run.prefix).name, id);
    assertEquals(
      movements.map(({ item_id, quantity, action }) => `${action} ${quantity} ${item_id}`).sort(),
      ["reserve 1 pasta", "reserve 3 burger"],
    );
    assert((await page.locator("#latest-rows").innerText()).includes(id.slice(0, 12)));

    await page.reload();
    await until(page, "state", "Live");
    await eventually("the menu is there", () => desk.isVisible());
    await tabTo(page, /^Add Burger/);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Space");
    await tabTo(page, /^Customer id, any text/);
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("<b>kéy</b>");
    await page.keyboard.press("Enter");
    await untilStep(page, 1, /after/);
    await untilStep(page, 2, /after .*reserve 2 × burger/);
    const second = await page.locator("#desk code").innerText();
    const [typed] = await eventsOf(run, orderEvents(run.prefix).name, second);
    assertEquals([typed.user_id, typed.items], [
      "<b>kéy</b>",
      [{ item_id: "burger", quantity: 2, price: 10 }],
    ]);
    await until(page, "total", "102");
  },
);

browserTest(
  "an order is refused while the broker is away, and placed once it is back",
  async () => {
    await using cluster = await testCluster(1);
    await using run = await testRun("page-refused", cluster);
    await using browser = await testBrowser();
    await run.json("producer.ts", ["--count", "10"]);
    run.start("analytics.ts", ["--output", "none"]);
    const dashboard = await startDashboard(run);
    const page = await browser.open(dashboard.url);
    await until(page, "state", "Live");
    await page.getByRole("button", { name: /^Add Burger/ }).click();

    await cluster.stop(1);
    await until(page, "state", "No broker");
    await eventually(
      "the desk knows that the broker is away",
      () => dashboard.lines.some((line) => line.startsWith("following orders: ")),
    );
    const placing = page.getByRole("button", { name: "Place order" });
    const refusal = page.locator("#desk [role=alert]");
    await placing.click();
    await eventually("the page says why", async () => await refusal.innerText() !== "");
    assertMatch(await refusal.innerText(), /the order is not stored\. Try again in \d+ s\.$/);
    assertStringIncludes(await text(page, "desk-total"), "10.00");

    await cluster.start(1);
    await until(page, "state", "Live");
    await eventually("the order is placed", async () => {
      await placing.click();
      await eventually("the desk answers", async () => await placing.isVisible());
      return (await steps(page)).length > 0;
    });
    await untilStep(page, 1, /^Counted by analytics after/);
    await until(page, "total", "11");
    assertEquals(await refusal.innerText(), "");
  },
);
