/**
 * Who answers on a port: nothing, something else, or a Kafka broker.
 *
 * An open port says little: a broker accepts connections before it serves them, and another program
 * may sit there. So these functions speak the two requests that need no client: ApiVersions, which
 * every broker answers first, and Metadata, which names the brokers that are ready for work.
 *
 * Permissions: `--allow-net` for the address.
 *
 * @module
 */

/** What was found on a port. */
export type Answer = "kafka" | "something else" | "nothing";

const API_VERSIONS = 18;
const METADATA = 3;
const PRODUCE = 0;
const MAX_ANSWER_BYTES = 1 << 20;

/**
 * Tells whether nothing listens on a port, a Kafka broker, or something else.
 *
 * A Kafka controller counts as something else: it knows no produce request.
 */
export async function answersKafka(
  host: string,
  port: number,
  timeoutMs = 1_000,
): Promise<Answer> {
  const listener = await listenerAt(host, port, timeoutMs);
  return listener === "kafka" || listener === "nothing" ? listener : "something else";
}

/**
 * What listens on a port: as {@linkcode Answer}, but `silent` when it has sent nothing, and `tls` for a
 * listener that expects TLS.
 */
export type Listener = "kafka" | "tls" | "silent" | "stranger" | "nothing";

/** Tells what listens on a port, by its answer to the one request that needs no login. */
export async function listenerAt(
  host: string,
  port: number,
  timeoutMs = 1_000,
): Promise<Listener> {
  const answer = await ask({ host, port, timeoutMs }, { api: API_VERSIONS, version: 0 })
    .catch(unlessDenied("nothing" as const));
  if (typeof answer === "string") return answer;
  // int32 correlation id, int16 error code, int32 count, then int16 key, min and max of each API.
  if (answer.byteLength < 10 || answer.getInt16(4) !== 0) return "stranger";
  const apis = answer.getInt32(6);
  if (answer.byteLength !== 10 + apis * 6) return "stranger";
  const keys = Array.from({ length: apis }, (_, index) => answer.getInt16(10 + index * 6));
  return keys.includes(PRODUCE) ? "kafka" : "stranger";
}

/** A cluster by the word of one of its brokers. */
export interface ClusterView {
  /** The id that all brokers of the cluster share. */
  clusterId: string;
  /** The node ids of the brokers that are ready for work. */
  nodeIds: number[];
}

/** Asks the broker on this port for its cluster; `undefined` when it does not answer. */
export async function viewCluster(
  host: string,
  port: number,
  timeoutMs = 1_000,
): Promise<ClusterView | undefined> {
  // No topics, and do not create any.
  const body = Uint8Array.of(0, 0, 0, 0, 0);
  const answer = await ask({ host, port, timeoutMs }, { api: METADATA, version: 4, body })
    .catch(unlessDenied("silent" as const));
  if (!(answer instanceof DataView)) return undefined;
  let at = 8;
  const int16 = () => answer.getInt16((at += 2) - 2);
  const int32 = () => answer.getInt32((at += 4) - 4);
  const text = () => {
    const start = at + 2;
    at = start + Math.max(0, int16());
    return new TextDecoder().decode(answer.buffer.slice(start, at));
  };
  // int32 correlation id, int32 throttle time, int32 count, then of each broker: int32 id,
  // string host, int32 port, nullable string rack; then nullable string cluster id.
  try {
    const nodeIds = Array.from({ length: int32() }, () => {
      const id = int32();
      text();
      int32();
      text();
      return id;
    });
    return { clusterId: text(), nodeIds };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Takes an error for this answer, except a missing permission: it says nothing about the port. */
function unlessDenied<T>(answer: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return answer;
  };
}

/** What came back instead of an answer. */
type Unusable = "tls" | "silent" | "stranger";

/** The beginning of an alert, with which TLS ends a connection, as the size of an answer. */
const TLS_ALERT = 0x1503;

/** Sends one request. Throws if nothing listens. */
async function ask(
  { host, port, timeoutMs }: { host: string; port: number; timeoutMs: number },
  { api, version, body = new Uint8Array() }: { api: number; version: number; body?: Uint8Array },
): Promise<DataView | Unusable> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    const connection = await Deno.connect({ hostname: host, port, signal: controller.signal });
    const close = () => {
      try {
        connection.close();
      } catch {
        // It is closed already.
      }
    };
    controller.signal.addEventListener("abort", close);
    try {
      const correlationId = 1 + Math.floor(Math.random() * 0x7fff_fffe);
      await writeAll(connection, request({ api, version, correlationId, body }));
      const bytes = new DataView((await readExactly(connection, 4)).buffer).getInt32(0);
      if (bytes >>> 16 === TLS_ALERT) return "tls";
      if (bytes < 4 || bytes > MAX_ANSWER_BYTES) return "stranger";
      const answer = new DataView((await readExactly(connection, bytes)).buffer);
      return answer.getInt32(0) === correlationId ? answer : "stranger";
    } catch {
      return "silent";
    } finally {
      close();
    }
  } finally {
    clearTimeout(timer);
  }
}

function request(
  { api, version, correlationId, body }: {
    api: number;
    version: number;
    correlationId: number;
    body: Uint8Array;
  },
): Uint8Array {
  const bytes = new Uint8Array(14 + body.length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, bytes.length - 4);
  view.setInt16(4, api);
  view.setInt16(6, version);
  view.setInt32(8, correlationId);
  view.setInt16(12, -1); // no client id
  bytes.set(body, 14);
  return bytes;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += await connection.write(bytes.subarray(written));
  }
}

async function readExactly(connection: Deno.Conn, count: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count;) {
    const read = await connection.read(bytes.subarray(filled));
    if (read === null) throw new Error("the connection ended before the answer");
    filled += read;
  }
  return bytes;
}
