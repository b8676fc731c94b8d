/**
 * Flags, variables of the environment and files with any text: what reads them gives a value or an error
 * for the user, and does not crash or hang. No broker is needed.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { printableText } from "../../lib/cli/output.ts";
import { brokerList, parseFlags, UsageError } from "../../lib/cli/flags.ts";
import { cutMiddle, displayWidth, folded, table } from "../../lib/cli/text.ts";
import { durationMs } from "../../lib/duration.ts";
import { parseMenu } from "../../lib/menu.ts";
import { readLines } from "../../lib/ndjson.ts";
import { parseOffsetTarget } from "../../lib/offset_target.ts";
import { parseJaasConfig, parseProperties } from "../../lib/properties.ts";
import {
  SECURITY_VARIABLES,
  securityConfig,
  settingsOfEnvironment,
} from "../../lib/security_config.ts";
import { StateRows } from "../../lib/state_rows.ts";
import { parseOpeningStock, stockLevels, stockTable } from "../../lib/stock_levels.ts";
import { formatTimestamp, parseTimestampMs } from "../../lib/timestamp.ts";
import { visible, visibleLines } from "../../lib/visible_text.ts";
import { fuzz, hostileText, mutated, mutations } from "../support/fuzz.ts";
import { FLAGS } from "../support/program_flags.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const RUNS = 3_000;
const NOW = Date.UTC(2024, 0, 15, 12);

/** What has no glyph, or ends a line. */
// deno-lint-ignore no-control-regex
const STEERING = /[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/u;

/**
 * Calls a parser; `undefined` when it refuses the text with an error for the user.
 *
 * An error of the language, such as a `TypeError`, is a crash.
 */
function attempt<T>(parse: () => T, kind: ErrorConstructor = Error): T | undefined {
  try {
    return parse();
  } catch (error) {
    const isForUser = error instanceof kind && (kind !== Error || error.constructor === Error);
    if (!isForUser || (error as Error).message === "") throw error;
    return undefined;
  }
}

/** A text, with parts of it changed, or any other text. */
function textsLike(...valid: string[]): fc.Arbitrary<string> {
  const changed = fc.tuple(fc.constantFrom(...valid), mutations)
    .map(([text, changes]) => decoder.decode(mutated(encoder.encode(text), changes)));
  return fc.oneof(changed, hostileText, fc.constantFrom(...valid));
}

Deno.test("parseFlags gives options or a UsageError, for the flags of every program", async () => {
  const names = [...new Set(Object.values(FLAGS).flatMap(Object.keys))]
    .map((name) => "--" + name.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase()));
  const word = fc.oneof(
    hostileText,
    textsLike("127.0.0.1:9092", "1h30m", "2024-01-15T10:30:00Z", "10", "0.05", "-1h", "1_000"),
    fc.constantFrom(...names),
    fc.tuple(fc.constantFrom(...names), hostileText).map(([name, value]) => `${name}=${value}`),
  );
  const inputs = fc.record({
    program: fc.constantFrom(...Object.keys(FLAGS)),
    words: fc.array(word, { maxLength: 6 }),
    env: fc.dictionary(fc.constantFrom("KAFKA_BROKERS", "TOPIC_PREFIX"), word),
  });
  let accepted = 0;
  await fuzz({ kind: "command line", runs: RUNS }, inputs, ({ program, words, env }) => {
    const flags = FLAGS[program]!;
    const result = attempt(
      () => parseFlags(flags, words, (name) => env[name]),
      UsageError as ErrorConstructor,
    );
    if (result === undefined) return;
    accepted++;
    assertEquals(Object.keys(result.options).sort(), Object.keys(flags).sort());
  });
  assert(accepted > RUNS / 20, `${accepted} are accepted`);
});

Deno.test("KAFKA_BROKERS adds no host that is not written, and TOPIC_PREFIX no other character", async () => {
  const inputs = fc.tuple(
    textsLike("a:1", "kafka-1.example.com:9092, kafka-2:9093", "[::1]:9092,127.0.0.1:65535"),
    textsLike("test-", "a.b_C-9"),
  );
  let accepted = 0;
  await fuzz(
    { kind: "KAFKA_BROKERS and TOPIC_PREFIX", runs: RUNS },
    inputs,
    ([brokers, prefix]) => {
      const list = attempt(() => brokerList(brokers));
      for (const broker of list ?? []) {
        accepted++;
        assert(brokers.includes(broker), broker);
        assert(/^(\[[\da-fA-F:.]+\]|[\w.-]+):\d{1,5}$/.test(broker) && broker.length < 300, broker);
      }
      const isWhole = list === undefined ||
        list.join() === brokers.split(",").map((each) => each.trim()).filter((each) => each).join();
      assert(isWhole, brokers);
      const env: Record<string, string> = { TOPIC_PREFIX: prefix };
      const parsed = attempt(
        () => parseFlags(FLAGS.lag!, [], (name) => env[name]),
        UsageError as ErrorConstructor,
      );
      if (parsed !== undefined) assert(/^[\w.-]{0,150}$/.test(String(parsed.options.topicPrefix)));
    },
  );
  assert(accepted > RUNS / 10, `${accepted} are accepted`);
});

Deno.test("durations, times and offset targets are whole numbers that Kafka takes, or errors", async () => {
  const inputs = textsLike(
    ...["500ms", "1h30m", "-2d", "0.5ms", "-1.0001s", "99999d", "earliest", "latest", "1200"],
    ...["2024-01-15T10:30:00.123+02:00", "2024-02-30", "1969-12-31T23:59:59.999Z", "0000-01-01"],
  );
  let accepted = 0;
  await fuzz({ kind: "duration, time or target", runs: RUNS }, inputs, (text) => {
    const ms = attempt(() => durationMs(text));
    if (ms !== undefined) assert(Number.isSafeInteger(ms) && ms >= 0, `${text}: ${ms}`);
    const time = parseTimestampMs(text);
    if (!Number.isNaN(time)) assertEquals(parseTimestampMs(formatTimestamp(time)), time);
    const target = attempt(() => parseOffsetTarget(text, NOW));
    if (target === undefined) return;
    accepted++;
    if (target.kind === "offset") assert(target.offset >= 0n && target.offset < 2n ** 63n, text);
    // Kafka takes negative times for places such as the end.
    if (target.kind === "time") {
      assert(
        Number.isSafeInteger(target.timeMs) && target.timeMs > 0 && target.timeMs <= NOW,
        text,
      );
    }
  });
  assert(accepted > RUNS / 10, `${accepted} are accepted`);
});

Deno.test("menus and opening stocks are read, or refused with the place", async () => {
  const inputs = fc.oneof(
    textsLike(
      '[{"item_id":"burger","name":"Burger","price":9.99}]',
      '[{"item_id":"burger","units":500},{"item_id":"__proto__","units":0}]',
    ),
    fc.json(),
    fc.array(
      fc.record({
        item_id: hostileText,
        name: hostileText,
        price: fc.double(),
        units: fc.integer(),
      }),
    ).map((items) => JSON.stringify(items)),
  );
  const accepted = { menus: 0, stocks: 0 };
  await fuzz({ kind: "menu or opening stock", runs: RUNS }, inputs, (text) => {
    for (const { price } of attempt(() => parseMenu(text)) ?? []) {
      accepted.menus++;
      assert(price >= 0 && price <= 1e9);
    }
    const opening = attempt(() => parseOpeningStock(text));
    if (opening === undefined) return;
    accepted.stocks++;
    assertEquals(stockLevels(new StateRows(stockTable), opening).length, opening.size);
  });
  assert(accepted.menus > 50 && accepted.stocks > 50, JSON.stringify(accepted));
});

Deno.test("rows of a state topic are taken in, passed over, or an error that names the row", async () => {
  const inputs = fc.tuple(
    textsLike(
      "0/burger",
      "12/progress",
      "01/x",
      " 1/x",
      "3/barrier",
      "1/\\progress",
      "-1/x",
      "1e3/x",
      "__proto__/x",
    ),
    fc.option(textsLike(
      '{"reserved":1,"released":2}',
      '{"next_offset":"12","malformed":0,"skipped":0}',
      `{"next_offset":"${"9".repeat(30)}","malformed":0,"skipped":9007199254740991}`,
    )),
  );
  await fuzz({ kind: "state row", runs: RUNS }, inputs, ([key, value]) => {
    const rows = new StateRows(stockTable);
    try {
      rows.apply({ key, value });
    } catch (error) {
      const { constructor, message } = error as Error;
      assert(constructor === Error && message.startsWith("the state row"), String(error));
      assert(message.length < 1_500, message);
    }
    const isKey = /^(0|[1-9]\d*)\//.test(key);
    assert(isKey || rows.partitions().length === 0, key);
    stockLevels(rows);
  });
  const row = { key: `0/${"x".repeat(200)}`, value: `{"reserved":"${"9".repeat(1_000_000)}"}` };
  const { message } = assertThrows(() => new StateRows(stockTable).apply(row), Error);
  assert(message.length < 1_500);
});

/** The settings of a properties file with everything that is supported. */
const PROPERTIES = `# a comment
security.protocol=SASL_SSL
sasl.mechanism : SCRAM-SHA-256
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\
  username="al\\u0069ce" password="se\\\\"cret";
ssl.truststore.type=PEM
ssl.truststore.location=/ca.pem
client.id=me
`;

Deno.test("properties files give settings or an error that does not quote a secret", async () => {
  const source = (text: string) => ({
    values: parseProperties(text),
    nameOf: (key: string) => key,
    readFile: (path: string) => `-----BEGIN CERTIFICATE-----\n${path}`,
  });
  let accepted = 0;
  await fuzz({ kind: "properties file", runs: RUNS }, textsLike(PROPERTIES), (text) => {
    try {
      const { security } = securityConfig(source(text));
      if (security.login !== undefined) accepted++;
    } catch (error) {
      const { constructor, message } = error as Error;
      assert(constructor === Error && message !== "", String(error));
      assert(!message.includes("cret"), message);
    }
  });
  assert(accepted > RUNS / 10, `${accepted} are accepted`);
  await fuzz({ kind: "JAAS setting", runs: RUNS }, textsLike('a.B required x="1" y=2;'), (text) => {
    attempt(() => parseJaasConfig(text));
  });
});

Deno.test("a name and a password in the environment arrive as they are", async () => {
  const secret = fc.oneof(hostileText, fc.string({ unit: "binary", minLength: 1 }));
  await fuzz(
    { kind: "login in the environment", runs: RUNS },
    fc.tuple(secret, secret),
    (login) => {
      const [username, password] = login;
      const env: Record<string, string> = {
        KAFKA_SECURITY_PROTOCOL: "SASL_SSL",
        KAFKA_SASL_MECHANISM: "PLAIN",
        KAFKA_SASL_USERNAME: username,
        KAFKA_SASL_PASSWORD: password,
      };
      const { security } = securityConfig({
        values: settingsOfEnvironment((name) => env[name], () => ""),
        nameOf: (key) => key,
        readFile: () => "",
      });
      assertEquals(security.login, { mechanism: "plain", username, password });
    },
  );
  const variables = fc.dictionary(
    fc.constantFrom(...Object.keys(SECURITY_VARIABLES)),
    textsLike(
      ...["SASL_SSL", "SSL", "PLAIN", "SCRAM-SHA-512", "/a/file"],
    ),
  );
  await fuzz({ kind: "secured environment", runs: RUNS }, variables, (env) => {
    attempt(() =>
      securityConfig({
        values: settingsOfEnvironment((name) => env[name], (path) => path),
        nameOf: (key) => key,
        readFile: (path) => path,
      })
    );
  });
});

Deno.test("readLines gives the same lines however the bytes are cut, and no line that is too long", async () => {
  const lines = fc.array(
    fc.oneof(
      hostileText.map((text) => encoder.encode(text)),
      fc.uint8Array({ maxLength: 80 }),
      fc.constantFrom("\n", "\r\n", "\ufeff{}", '{"a":1}').map((text) => encoder.encode(text)),
    ),
    { maxLength: 10 },
  );
  const maxBytes = 50;
  const read = (chunks: Uint8Array[]) =>
    Array.fromAsync(readLines(ReadableStream.from(chunks), maxBytes));
  await fuzz(
    { kind: "NDJSON", runs: RUNS },
    fc.tuple(lines, fc.integer({ min: 1, max: 60 })),
    async ([parts, size]) => {
      const whole = Uint8Array.from(parts.flatMap((part) => [...part]));
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < whole.length; at += size) chunks.push(whole.slice(at, at + size));
      const found = await read(chunks);
      assertEquals(found, await read([whole]));
      const ends = whole.filter((byte) => byte === 10).length;
      assertEquals(found.length, ends + (whole.length > 0 && whole.at(-1) !== 10 ? 1 : 0));
      for (const { bytes, problem } of found) {
        assert(bytes === undefined ? problem !== undefined : bytes.length <= maxBytes);
      }
    },
  );
});

Deno.test("a line without an end takes no memory", async () => {
  async function* endless() {
    for (let count = 0; count < 20_000; count++) yield new Uint8Array(65_536).fill(120);
  }
  const before = Deno.memoryUsage().rss;
  const [line] = await Array.fromAsync(readLines(endless(), 1_000_000));
  assertEquals(line!.bytes, undefined);
  assert(Deno.memoryUsage().rss - before < 300_000_000);
});

Deno.test("what is printed steers no terminal, and tables keep their columns", async () => {
  await fuzz(
    { kind: "text from elsewhere", runs: RUNS },
    fc.array(hostileText, { minLength: 3, maxLength: 3 }),
    (texts) => {
      for (const text of texts) {
        assert(!STEERING.test(visible(text)), visible(text));
        assert(!STEERING.test(printableText(text).replace(/[\n\t]/g, "")), text);
        assertEquals(visible(visible(text)), visible(text));
        // In JSON it is the same text.
        const json = visible(JSON.stringify({ text }));
        assertEquals([JSON.parse(json), JSON.parse(visibleLines(JSON.stringify({ text })))], [{
          text,
        }, { text }]);
        for (const columns of [1, 7, 80]) {
          const shown = visible(text);
          assert(displayWidth(cutMiddle(shown, columns)) <= columns);
          assertEquals(folded(shown, columns).join(""), shown);
        }
      }
      const lines = table(["A", "B", "C"], [texts], { left: [0, 1, 2] }).split("\n");
      assertEquals(lines.length, 2);
      assertEquals(STEERING.test(lines.join("")), false);
    },
  );
});

Deno.test("long texts are read or refused in bounded time", () => {
  const digits = "1".repeat(200_000);
  attempt(() => durationMs(digits));
  attempt(() => durationMs(`${digits}.`));
  attempt(() => parseOffsetTarget(digits, NOW));
  attempt(() => parseOffsetTarget(`-${digits}`, NOW));
  attempt(() => brokerList(`${digits}:`.repeat(10)));
  for (const program of Object.values(FLAGS)) {
    for (
      const name of ["--count", "--rate", "--throttle", "--from", "--to", "--group", "--brokers"]
    ) {
      const parse = () => parseFlags(program, [name, `${digits}x`]);
      attempt(parse, UsageError as ErrorConstructor);
    }
  }
  parseProperties(`a=${"\\".repeat(1_000_001)}x`);
  parseProperties(`${" ".repeat(1_000_000)}a${" \\\n".repeat(100_000)}`);
  attempt(() => parseJaasConfig(`${"a".repeat(1_000_000)} required ${" ".repeat(1_000_000)}`));
  attempt(() => parseJaasConfig(`a required ${'b="'.repeat(300_000)}`));
  parseTimestampMs(`2024-01-15T10:30:00.${digits}`);
  cutMiddle(visible("\x1b漢".repeat(20_000)), 80);
  visible("e" + "\u0301".repeat(1_000_000));
  attempt(() => parseMenu("[".repeat(1_000_000)));
  attempt(() => parseOpeningStock('[{"item_id":"a","units":'.repeat(100_000)));
  attempt(() => parseFlags(FLAGS.lag!, [`--${digits}`]), UsageError as ErrorConstructor);
});
