/**
 * Free ports, for brokers that tests start and for the demo's page.
 *
 * @module
 */
import { HOST, type NodeSpec } from "./config.ts";

/** Nodes on free ports, below the ephemeral range, which any connection may take. */
export function freeNodes(count: number): NodeSpec[] {
  const ports = freePorts(2 * count);
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    port: ports[2 * index]!,
    controllerPort: ports[2 * index + 1]!,
  }));
}

/** Different free ports on loopback. */
export function freePorts(count: number): number[] {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries++) {
    if (tries > 1_000) throw new Error(`looking for ${count} free ports: found only ${ports.size}`);
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (isFree({ hostname: HOST, port })) ports.add(port);
  }
  return [...ports];
}

/** Whether nothing listens at an address. */
export function isFree(address: { hostname: string; port: number }): boolean {
  try {
    Deno.listen(address).close();
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    return false;
  }
}
