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
  /** Its size as it is stored, in bytes; known of records that were fetched. */
  size?: number;
  /**
   * Whether it is so large that only its beginning was kept, or not all of its headers.
   *
   * @default false
   */
  isCut?: boolean;
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
