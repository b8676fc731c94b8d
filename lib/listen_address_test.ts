import { assertEquals, assertThrows } from "@std/assert";
import { listenAddress } from "./listen_address.ts";

Deno.test("listenAddress takes HOST:PORT, and a port alone on loopback", () => {
  const addresses = ["8080", "0.0.0.0:80", "[::1]:0", "localhost:65535"].map(listenAddress);
  assertEquals(addresses.map(({ hostname, port }) => [hostname, port]), [
    ["127.0.0.1", 8080],
    ["0.0.0.0", 80],
    ["::1", 0],
    ["localhost", 65_535],
  ]);
  for (
    const text of ["", "localhost", ":80", "localhost:65536", "::1:80", "http://a:80", "a b:1"]
  ) {
    assertThrows(() => listenAddress(text), Error, "expected HOST:PORT");
  }
});
