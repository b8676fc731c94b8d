/**
 * A real browser for tests: the Chromium of this machine.
 *
 * @module
 */
import axe from "axe-core";
import { assertEquals } from "@std/assert";
import { type BrowserContextOptions, chromium, type Page } from "playwright-core";

const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** It is started without what it would ask the internet for. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-proxy-server",
];

const path = PLACES.find(isFile);

/** Why tests in a browser are left out here; `undefined` when they are not. */
export const withoutBrowser = path === undefined && Deno.env.get("CI") === undefined
  ? `no Chromium at ${PLACES.join(", ")}`
  : undefined;

/** A browser. Disposing of it closes it, and fails when a page has reported an error. */
export interface TestBrowser extends AsyncDisposable {
  /** Opens a page of its own. */
  open(url: string, options?: BrowserContextOptions): Promise<Page>;
}

/** Starts a browser. */
export async function testBrowser(): Promise<TestBrowser> {
  const browser = await chromium.launch({ args: ARGS, ...(path && { executablePath: path }) });
  const errors: string[] = [];
  return {
    async open(url, options = {}) {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 900 },
        reducedMotion: "reduce",
        ...options,
      });
      const page = await context.newPage();
      page.on("pageerror", (error) => errors.push(error.message));
      page.on("dialog", (dialog) => errors.push(`a dialog: ${dialog.message()}`));
      page.on("console", (message) => {
        // That a server or the brokers have gone away is no mistake of the page.
        const isAway = /net::ERR_|the server responded with a status of 503/.test(message.text());
        if (message.type() === "error" && !isAway) errors.push(message.text());
      });
      await page.goto(url);
      return page;
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      assertEquals(errors, [], "what the pages have reported");
    },
  };
}

/** What axe-core finds wrong with a page, as `rule: element`. The page must have been opened with `bypassCSP`. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate("axe.run(document)") as axe.AxeResults;
  return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
