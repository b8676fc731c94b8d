import { assertEquals } from "@std/assert";
import { netPermission } from "./net_permission.ts";

const LOOPBACK = "127.0.0.1,localhost,[::1]";

Deno.test("netPermission allows loopback and the brokers that are named, nothing else", () => {
  assertEquals(netPermission(undefined), LOOPBACK);
  assertEquals(netPermission(""), LOOPBACK);
  assertEquals(netPermission("kafka1:9092, kafka2:9093"), `${LOOPBACK},kafka1:9092,kafka2:9093`);
  assertEquals(netPermission("kafka1,*,*:9092,:9092,a b:1,evil/x:1"), LOOPBACK);
});
