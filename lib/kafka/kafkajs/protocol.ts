/**
 * What requests that kafkajs does not know are written with: its encoder, its decoder and its errors.
 *
 * @module
 */
import { createRequire } from "node:module";
import type { ErrorPlace } from "./named_errors.ts";

/** kafkajs's encoder, as far as it is used here. */
export interface Encoder {
  writeInt8(value: number): this;
  writeInt32(value: number): this;
  writeString(value: string): this;
  writeBoolean(value: boolean): this;
  writeUVarInt(value: number): this;
  writeUVarIntString(value: string): this;
  writeUVarIntBytes(value: Uint8Array): this;
  writeUVarIntArray(items: Encoder[]): this;
}

/** kafkajs's decoder, as far as it is used here. */
export interface Decoder {
  readBoolean(): boolean;
  readInt16(): number;
  readInt32(): number;
  readInt64(): { toString(): string };
  readBytes(length: number): { toString(encoding: "hex"): string };
  readString(): string | null;
  readArray<T>(read: (decoder: Decoder) => T): T[];
  readUVarIntString(): string | null;
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[];
  readTaggedFields(): void;
}

/** A request and the reader of its response, in the form that kafkajs's connections expect. */
export interface ProtocolRequest<Response, Result> {
  /** The request. */
  request: {
    apiKey: number;
    apiVersion: number;
    apiName: string;
    encode(): Promise<Encoder>;
  };
  /** Reads the response: `decode` the bytes, then `parse` throws its errors. */
  response: {
    decode(data: Uint8Array): Promise<Response>;
    parse(response: Response): Promise<Result>;
  };
}

/** The number of tagged fields, where there are none. */
export const NO_TAGS = 0;

const require = createRequire(import.meta.url);

/** An empty encoder. */
export function newEncoder(): Encoder {
  return new (require("kafkajs/src/protocol/encoder") as new () => Encoder)();
}

/** A decoder of the body of a response. */
export function newDecoder(data: Uint8Array): Decoder {
  return new (require("kafkajs/src/protocol/decoder") as new (data: Uint8Array) => Decoder)(data);
}

/**
 * A decoder of the body of a response to a request of a flexible version: its header ends with tagged
 * fields, its body begins with the throttle time, and both are read already.
 */
export function newBodyDecoder(data: Uint8Array): Decoder {
  const decoder = newDecoder(data);
  decoder.readTaggedFields();
  decoder.readInt32(); // throttle time
  return decoder;
}

/** @throws kafkajs's error for the code, unless the code stands for success. */
export function throwFailure(code: number, place: ErrorPlace = {}): void {
  const { failure, createErrorFromCode } = require("kafkajs/src/protocol/error") as {
    failure(code: number): boolean;
    createErrorFromCode(code: number): Error;
  };
  if (failure(code)) throw Object.assign(createErrorFromCode(code), place);
}
