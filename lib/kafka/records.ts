/**
 * Records as they are read and written.
 *
 * @module
 */
import type { IHeaders } from "kafkajs";

/** A record as it was read. */
export interface SourceRecord {
  /** Its offset, in decimal. */
  offset: string;
  /** Its key, as written. */
  key: Buffer | null;
  /** Its value, as written; `null` is a tombstone. */
  value: Buffer | null;
  headers?: IHeaders;
  /** When it was sent, in milliseconds since the epoch, in decimal. */
  timestamp?: string;
}

/** A record to be written, its partition chosen. */
export interface TargetRecord {
  /** The topic's full name. */
  topic: string;
  partition: number;
  /** The key; `null` for none. */
  key: string | Buffer | null;
  /** The value; `null` is a tombstone. */
  value: string | Buffer | null;
  /** Headers, if any. */
  headers?: IHeaders;
}
