/**
 * `deno task up --secure` as a user starts it, and the logins that it makes, with this project's programs
 * and with Kafka's own tools.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exists } from "../../dev_broker/files.ts";
import { USERS } from "../../dev_broker/secure.ts";
import { type Checkout, checkoutWithBlank, prepareBroker } from "../support/checkout.ts";
import { eventually } from "../support/run.ts";
import { describeGroup, kafkaConsumerGroups } from "../support/kafka_tools.ts";

Deno.test("up --secure makes a broker on which each program works with its own login", async (t) => {
  await using checkout = await checkoutWithBlank();
  const brokers = await prepareBroker(checkout, { secure: true });
  const secure = `${checkout.root}/.kafka/secure`;
  const good = async (task: string, args: string[] = []) => {
    const { exitCode, stdout, stderr } = await checkout.run(task, args);
    assertEquals(exitCode, 0, `${task}: ${stderr}`);
    return stdout;
  };
  try {
    let lines: string[] = [];
    await t.step("it prints how each program is started", async () => {
      lines = (await good("up", ["--secure"])).trim().split("\n");
      assertEquals(lines.length, USERS.length);
    });

    await t.step("nobody else can read its secrets, and none is on a command line", async () => {
      assertEquals((await Deno.stat(secure)).mode! & 0o777, 0o700);
      const files = [...Deno.readDirSync(secure)].map(({ name }) => `${secure}/${name}`);
      for (const path of [...files, `${checkout.root}/.kafka/node-1/server.properties`]) {
        assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600, path);
      }
      const passwords = [(await Deno.readTextFile(`${secure}/broker.password`)).trim()];
      for (const user of USERS) {
        const text = await Deno.readTextFile(`${secure}/${user}.properties`);
        passwords.push(/password="(.+)"/.exec(text)![1]!);
      }
      assertEquals(new Set(passwords).size, USERS.length + 1);
      const { stdout } = await new Deno.Command("ps", { args: ["-ww", "-eo", "args"] }).output();
      const shown = new TextDecoder().decode(stdout);
      assert(!passwords.some((password) => shown.includes(password)));
    });

    for (const line of lines) {
      await t.step(line, async () => {
        const [, , task, ...args] = line.split(" ");
        if (task === "dashboard") {
          return await placeOrder(checkout, [...args, "--brokers", brokers]);
        }
        const ends = ["inventory", "analytics"].includes(task!) ? ["--until-end"] : [];
        await good(task!, [...args, ...ends, "--brokers", brokers]);
      });
    }

    await t.step("Kafka's own tools take the same files", async () => {
      const config = (user: string) => ["--command-config", `${secure}/${user}.properties`];
      const partitions = await describeGroup(brokers, "analytics", config("lag"));
      assertEquals(partitions.map(({ lag }) => lag), Array(6).fill("0"));
      // Its exit code is 0.
      const refused = ["--describe", "--group", "g", ...config("producer")];
      assertStringIncludes(
        await kafkaConsumerGroups(brokers, refused),
        "GroupAuthorizationException",
      );
    });

    await t.step("it keeps its state when it is started again", async () => {
      const before = await Deno.readTextFile(`${secure}/lag.properties`);
      await good("restart");
      assertStringIncludes(await good("ps"), "ready");
      assertEquals(await Deno.readTextFile(`${secure}/lag.properties`), before);
      await good("lag", ["--command-config", `${secure}/lag.properties`, "--brokers", brokers]);
    });

    await t.step("a client without a login is told that it needs TLS", async () => {
      const { exitCode, stderr } = await checkout.run("lag", ["--brokers", brokers]);
      assertEquals(exitCode, 1);
      assertStringIncludes(stderr, `${brokers} expects TLS`);
    });
  } finally {
    await good("down", ["-v"]);
  }
  assert(!await exists(secure));
});

/** Starts the dashboard, which does not end by itself, and places an order at its desk. */
async function placeOrder(checkout: Checkout, args: string[]): Promise<void> {
  const dashboard = checkout.start("dashboard", ["--listen", "127.0.0.1:0", ...args], {});
  await dashboard.process.stdin.close();
  const url = () => /the page is at (\S+)\//.exec(dashboard.stderr())?.[1];
  await eventually("the desk is open", () => url() !== undefined);
  const response = await fetch(`${url()}/orders`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user_id: "user_1", items: [{ item_id: "burger", quantity: 1 }] }),
  });
  assertEquals(response.status, 202, await response.text());
  dashboard.process.kill("SIGTERM");
  assertEquals((await dashboard.ended).exitCode, 143);
}
