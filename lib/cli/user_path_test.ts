import { assertEquals } from "@std/assert";
import { userPath } from "./user_path.ts";

Deno.test("userPath starts where the user stands, and leaves absolute paths alone", () => {
  assertEquals(userPath("orders.ndjson", "/home/anna"), "/home/anna/orders.ndjson");
  assertEquals(userPath("../orders.ndjson", "/home/anna"), "/home/orders.ndjson");
  assertEquals(userPath("/tmp/orders.ndjson", "/home/anna"), "/tmp/orders.ndjson");
});
