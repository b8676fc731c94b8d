/**
 * A network between a broker and its clients that can be slow, silent, cut or unreachable, and that can
 * lose or hold single requests and responses.
 *
 * @module
 */
import { HOST } from "../../dev_broker/config.ts";
import { Pulse } from "../../lib/async.ts";
import { type Exchange, exchange, type Message, type Verdict } from "./kafka_messages.ts";

/** The most that is passed on at once, in bytes. */
const CHUNK_BYTES = 16_384;

type Direction = "up" | "down";

/** Sees what passes; a connection is known by its number. */
export interface ProxyWatcher {
  /** Bytes from a client to the broker. */
  sent(connection: number, bytes: Uint8Array): void;
  /** The broker has ended a connection that its client had not. */
  endedByBroker(connection: number): void;
}

/** Passes on what clients and a broker send to each other, over one link that all connections share. */
export class Proxy implements Disposable {
  /** The speed of the link to the broker and from it. */
  bytesPerSecond: Record<Direction, number> = { up: Infinity, down: Infinity };
  /** How long everything takes in each direction, in milliseconds. */
  delayMs = 0;
  /** Sees what passes from now on. */
  watcher: ProxyWatcher | undefined;
  /** Decides on each request and response that begins from now on; a promise holds it. */
  rule: ((message: Message) => Verdict | Promise<Verdict>) | undefined;
  readonly port: number;
  #targetPort: number;
  #listener: Deno.Listener | undefined;
  #connections = new Set<Deno.Conn>();
  #accepted = 0;
  #freeAtMs: Record<Direction, number> = { up: 0, down: 0 };
  #isSilent = false;
  #changed = new Pulse();

  /** Starts to listen, on a free port unless one is given. */
  constructor(targetPort: number, port = 0) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: HOST, port });
    this.port = (this.#listener.addr as Deno.NetAddr).port;
    this.#accept(this.#listener);
  }

  /** Whether connections are accepted and nothing passes; what came meanwhile passes afterwards. */
  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent;
    this.#changed.fire();
  }

  /** The connections that are open, of clients and to the broker. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Closes all connections. */
  cut(): void {
    this.#connections.forEach(close);
    this.#connections.clear();
    this.#changed.fire();
  }

  /** Closes all connections and refuses new ones until {@linkcode listen}. */
  refuse(): void {
    this.#listener?.close();
    this.#listener = undefined;
    this.cut();
  }

  /** Accepts connections again. */
  listen(): void {
    this.#listener = Deno.listen({ hostname: HOST, port: this.port });
    this.#accept(this.#listener);
  }

  [Symbol.dispose](): void {
    this.refuse();
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    try {
      for await (const client of listener) this.#connect(client);
    } catch {
      // Closed while it was waiting.
    }
  }

  async #connect(client: Deno.Conn): Promise<void> {
    this.#connections.add(client);
    const number = this.#accepted++;
    try {
      const broker = await Deno.connect({ hostname: HOST, port: this.#targetPort });
      this.#connections.add(broker);
      const onSent = (bytes: Uint8Array) => this.watcher?.sent(number, bytes);
      const messages = exchange((message) => this.rule?.(message) ?? "pass");
      const ended = [
        this.#pass(client, broker, { direction: "up", filter: messages.requests, onSent }),
        this.#pass(broker, client, { direction: "down", filter: messages.responses }),
      ];
      const first = await Promise.race(ended.map((end, index) => end.then(() => index)));
      if (first === 1) this.watcher?.endedByBroker(number);
      await Promise.allSettled(ended.map((end) => end.finally(() => [client, broker].map(close))));
      this.#connections.delete(broker);
    } catch {
      close(client);
    }
    this.#connections.delete(client);
  }

  async #pass(
    from: Deno.Conn,
    to: Deno.Conn,
    { direction, filter, onSent }: {
      direction: Direction;
      filter: Exchange["requests"];
      onSent?: (bytes: Uint8Array) => void;
    },
  ): Promise<void> {
    let written: Promise<void> = Promise.resolve();
    for (;;) {
      const chunk = new Uint8Array(CHUNK_BYTES);
      const read = await from.read(chunk).catch(() => null);
      if (read === null) break;
      onSent?.(chunk.subarray(0, read));
      const takesMs = read / this.bytesPerSecond[direction] * 1_000;
      const freeAtMs = Math.max(performance.now(), this.#freeAtMs[direction]) + takesMs;
      this.#freeAtMs[direction] = freeAtMs;
      await until(freeAtMs);
      const arrivesAtMs = freeAtMs + this.delayMs;
      written = written.then(async () => {
        await until(arrivesAtMs);
        while (this.#isSilent && this.#connections.has(from)) await this.#changed.next();
        await filter(chunk.subarray(0, read), (bytes) => writeAll(to, bytes));
      });
      written.catch(() => [from, to].forEach(close));
      if (this.delayMs === 0) await written.catch(() => {});
    }
    await written.catch(() => {});
  }
}

async function until(ms: number): Promise<void> {
  const leftMs = ms - performance.now();
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
}

async function writeAll(to: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await to.write(bytes.subarray(written));
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It is closed already.
  }
}
