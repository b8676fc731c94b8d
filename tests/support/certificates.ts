/**
 * Certificates for tests.
 *
 * @module
 */
import {
  type Authority,
  certificateAuthority as makeAuthority,
} from "../../dev_broker/certificates.ts";

export type { Certificate } from "../../dev_broker/certificates.ts";

/** Makes an authority; disposing of it deletes its files. */
export async function certificateAuthority(
  commonName: string,
): Promise<Authority & AsyncDisposable> {
  const directory = await Deno.makeTempDir({ prefix: "order-stream-certificates-" });
  return {
    ...await makeAuthority(commonName, { directory, days: 2 }),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}
