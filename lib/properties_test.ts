import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseJaasConfig, parseProperties } from "./properties.ts";

Deno.test("parseProperties reads what java.util.Properties reads", () => {
  const text = [
    "# a comment",
    "! another",
    "",
    "security.protocol=SASL_SSL",
    "  sasl.mechanism : PLAIN  ",
    "client.id a name",
    "path=C:\\\\keys\\\\ca.pem",
    "long=first \\",
    "    second \\",
    "\tthird",
    "with\\ blank\\:colon=1",
    "snowman=\\u2603",
    "empty",
    "equals==b=c",
    "backslashes=\\\\\\\\",
    "# not continued \\",
    "twice=1",
    "twice=2",
  ].join("\r\n");
  assertEquals(Object.fromEntries(parseProperties(text)), {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "PLAIN  ",
    "client.id": "a name",
    path: "C:\\keys\\ca.pem",
    long: "first second third",
    "with blank:colon": "1",
    snowman: "\u2603",
    empty: "",
    equals: "=b=c",
    backslashes: "\\\\",
    twice: "2",
  });
  assertEquals(parseProperties("").size, 0);
});

Deno.test("parseJaasConfig reads a module and its options, quoted or not", () => {
  const config = parseJaasConfig(
    'org.apache.kafka.common.security.scram.ScramLoginModule required\n username="al ice" ' +
      'password="p;\\"w\\\\" tokenauth=true ;',
  );
  assertEquals(config.module, "org.apache.kafka.common.security.scram.ScramLoginModule");
  assertEquals(Object.fromEntries(config.options), {
    username: "al ice",
    password: 'p;"w\\',
    tokenauth: "true",
  });
});

Deno.test("parseJaasConfig quotes nothing of what it refuses", () => {
  for (
    const text of [
      "",
      "secret",
      'Module username="secret";',
      'Module required username="secret"',
      'Module required username="secret',
      'Module required "secret";',
      'Module required username="a"; secret',
    ]
  ) {
    const error = assertThrows(() => parseJaasConfig(text), Error);
    assert(!error.message.includes("secret"), error.message);
  }
});
