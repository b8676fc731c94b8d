/**
 * Putting the frame of a request together: its length, its header and its body.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** kafkajs's `Encoder`, as far as it is used here. */
interface HeaderEncoder {
  writeInt16(value: number): this;
  writeInt32(value: number): this;
  writeString(value: string | null): this;
  readonly buffer: Buffer;
}

/** The body of a request in pieces, which are copied once, into the frame. */
export class Pieces {
  /** @param list The pieces in their order; none may change before the request is sent. */
  constructor(readonly list: readonly Uint8Array[]) {}

  /** The pieces in one. */
  get buffer(): Buffer {
    return Buffer.concat(this.list);
  }
}

/** A request as kafkajs's connection sends it. */
interface Request {
  correlationId: number;
  clientId: string | null;
  request: {
    apiKey: number;
    apiVersion: number;
    encode(): Promise<Pieces | { readonly buffer: Buffer }>;
  };
}

/** Creates the function of kafkajs's protocol/request.js. */
export type FrameRequest = (request: Request) => Promise<{ buffer: Buffer }>;

/**
 * Frames requests in a buffer of the right size.
 *
 * The original copies the body twice, into zeroed buffers whose sizes are powers of two.
 */
export function framingOnce(Encoder: new () => HeaderEncoder): FrameRequest {
  return async ({ correlationId, clientId, request: { apiKey, apiVersion, encode } }) => {
    const body = await encode();
    const header = new Encoder()
      .writeInt32(0)
      .writeInt16(apiKey)
      .writeInt16(apiVersion)
      .writeInt32(correlationId)
      .writeString(clientId)
      .buffer;
    const pieces = [header, ...body instanceof Pieces ? body.list : [body.buffer]];
    const size = pieces.reduce((sum, { length }) => sum + length, 0);
    const buffer = Buffer.allocUnsafe(size);
    let at = 0;
    for (const piece of pieces) {
      buffer.set(piece, at);
      at += piece.length;
    }
    buffer.writeInt32BE(size - 4);
    return { buffer };
  };
}
