/**
 * Brokers that are killed and come back: all three programs go on by themselves.
 *
 * @module
 */
import { outlive } from "../support/outlive.ts";

Deno.test("producer, inventory and analytics outlive kill -9 of the only broker", () =>
  outlive({ nodes: 1, orders: 20_000, ordersPerSecond: 2_000, victims: [1, 1] }));

Deno.test("producer, inventory and analytics outlive kill -9 of brokers one by one", () =>
  outlive({ nodes: 3, orders: 60_000, ordersPerSecond: 2_000, victims: [1, 2, 3] }));
