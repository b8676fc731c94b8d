/**
 * What a data directory is used for: its broker.json.
 *
 * Permissions: `--allow-read` and `--allow-write` for the data directory.
 *
 * @module
 */
import type { NodeSpec } from "./config.ts";
import { ifThere } from "./files.ts";

/** What a data directory is used for. */
export type BrokerState =
  /** Docker Compose runs the broker; its data is in a volume. */
  | { engine: "docker"; secure?: boolean }
  | JavaState;

/** Java runs the broker. */
export interface JavaState {
  /** Which of the two this is. */
  engine: "java";
  /** The id that all nodes of the cluster share. */
  clusterId: string;
  /** The maximum heap of a node, as in `-Xmx`. */
  heap: string;
  /** The nodes of the cluster. */
  nodes: NodeSpec[];
  /**
   * Whether it has TLS, logins and access control.
   *
   * @default {false}
   */
  secure?: boolean;
}

/** The path of broker.json in a data directory. */
export function stateFile(dataDir: string): string {
  return `${dataDir}/broker.json`;
}

/**
 * Reads broker.json; `undefined` when there is none.
 *
 * @throws {Error} When it is not what {@linkcode writeState} writes.
 */
export async function readState(dataDir: string): Promise<BrokerState | undefined> {
  const text = await ifThere(Deno.readTextFile(stateFile(dataDir)));
  if (text === undefined) return undefined;
  let state;
  try {
    state = JSON.parse(text);
  } catch (error) {
    throw new Error(`reading "${stateFile(dataDir)}": expected JSON`, { cause: error });
  }
  const isOurs = state?.engine === "docker" ||
    state?.engine === "java" && Array.isArray(state.nodes) &&
      state.nodes.every((node: Partial<NodeSpec> | null) => Number.isSafeInteger(node?.id));
  if (isOurs) return state;
  throw new Error(`reading "${stateFile(dataDir)}": "deno task up" did not write it`);
}

/** Writes broker.json, by a rename: a reader never sees half of it. */
export async function writeState(dataDir: string, state: BrokerState): Promise<void> {
  await Deno.mkdir(dataDir, { recursive: true });
  const unfinished = `${stateFile(dataDir)}.unfinished`;
  await Deno.writeTextFile(unfinished, JSON.stringify(state, null, 2) + "\n");
  await Deno.rename(unfinished, stateFile(dataDir));
}
