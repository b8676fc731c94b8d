/**
 * The page of dashboard.ts in a browser, for tests.
 *
 * @module
 */
import type { Page } from "playwright-core";
import type { Running } from "../../lib/cli/launch.ts";
import { withoutBrowser } from "./chromium.ts";
import { optionalTest } from "./optional_tests.ts";
import { eventually, type TestRun } from "./run.ts";

/** A dashboard that runs. */
export interface Dashboard extends Running {
  url: string;
  /** What it has written to stderr. */
  lines: string[];
}

/** Starts a dashboard and waits until it listens. */
export async function startDashboard(
  run: TestRun,
  { listen = "127.0.0.1:0", args = [] }: { listen?: string; args?: string[] } = {},
): Promise<Dashboard> {
  const lines: string[] = [];
  let url: string | undefined;
  const program = run.start("dashboard.ts", ["--listen", listen, ...args], (line) => {
    lines.push(line);
    url ??= /the page is at (\S+)/.exec(line)?.[1];
  });
  await eventually("the dashboard listens", () => url !== undefined);
  return { ...program, url: url!, lines };
}

/** A test that is left out where there is no browser. */
export function browserTest(name: string, test: () => Promise<void>): void {
  optionalTest(name, withoutBrowser, test);
}

/** The text of the element with this id, as it is shown. */
export function text(page: Page, id: string): Promise<string> {
  return page.locator(`#${id}`).innerText();
}

/** Waits until the element with this id shows a text. */
export async function until(page: Page, id: string, expected: string | RegExp): Promise<void> {
  let shown = "";
  try {
    await eventually(`#${id} shows ${expected}`, async () => {
      shown = await text(page, id);
      return typeof expected === "string" ? shown === expected : expected.test(shown);
    });
  } catch (error) {
    throw new Error(`#${id} shows ${shown} instead of ${expected}`, { cause: error });
  }
}
