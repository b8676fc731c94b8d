import { assert, assertEquals, assertThrows } from "@std/assert";
import { KAFKA_VERSION } from "./config.ts";
import { checksumProblems, checksumsText, JARS_LIST, parseChecksums } from "./jars.ts";
import { changedJars } from "./renew_jars.ts";

const A = "a".repeat(64);
const B = "b".repeat(64);

Deno.test("parseChecksums reads what checksumsText writes, and refuses other lines", () => {
  const text = `${A}  one-1.0.jar\n${B}  two-2.0.jar\n`;
  assertEquals(checksumsText(new Map([["two-2.0.jar", B], ["one-1.0.jar", A]])), text);
  assertEquals([...parseChecksums(text)], [["one-1.0.jar", A], ["two-2.0.jar", B]]);
  for (
    const line of [`${A.slice(1)}  x.jar`, `${A}  ../x.jar`, `${A}  one-1.0.jar`, "x.jar", " "]
  ) {
    assertThrows(() => parseChecksums(`${text}${line}\n`), Error, `unexpected line "${line}"`);
  }
});

Deno.test("checksumProblems names every jar that is wrong, missing or additional", () => {
  const listed = new Map([["same", A], ["wrong", A], ["missing", A]]);
  const found = new Map([["same", A], ["wrong", B], ["additional", B]]);
  assertEquals(checksumProblems(listed, found), [
    "additional is not listed",
    "missing is missing",
    `wrong has the SHA-256 ${B}, listed is ${A}`,
  ]);
  assertEquals(checksumProblems(listed, new Map(listed)), []);
});

Deno.test("changedJars names jars that were listed with another checksum, not new ones", () => {
  const before = new Map([["same", A], ["changed", A], ["gone", A]]);
  assertEquals(changedJars(before, new Map([["same", A], ["changed", B], ["new", B]])), [
    "changed",
  ]);
});

Deno.test("dev_broker/jars.sha256 lists the versions of dev_broker/pom.xml", async () => {
  const pom = await Deno.readTextFile(new URL("pom.xml", import.meta.url));
  const names = [...parseChecksums(await Deno.readTextFile(JARS_LIST)).keys()];
  const log4j = /<log4j\.version>(.+)<\/log4j\.version>/.exec(pom)?.[1];
  for (const name of [`kafka_2.13-${KAFKA_VERSION}.jar`, `kafka-tools-${KAFKA_VERSION}.jar`]) {
    assert(names.includes(name), `${name}: run deno task jars`);
  }
  const versionsOf = (family: RegExp) =>
    new Set(
      names.filter((name) => family.test(name)).map((name) => /-([\d.]+)\.jar$/.exec(name)?.[1]),
    );
  assertEquals(versionsOf(/^kafka[-_]/), new Set([KAFKA_VERSION]));
  assertEquals(versionsOf(/^log4j-/), new Set([log4j]));
});
