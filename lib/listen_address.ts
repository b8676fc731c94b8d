/**
 * Where a program listens, as it is typed.
 *
 * @module
 */

/** Where a program listens. */
export interface ListenAddress {
  /** A name or an address, without brackets. */
  hostname: string;
  /** 0 takes any that is free. */
  port: number;
}

/** Parses `HOST:PORT` or `PORT`; port 0 takes any free one. */
export function listenAddress(text: string): ListenAddress {
  const match = /^(?:(\[[\da-f:.]+\]|[\w.-]+):)?(\d{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw new Error("expected HOST:PORT such as 127.0.0.1:8080");
  }
  return { hostname: (match[1] ?? "127.0.0.1").replace(/[[\]]/g, ""), port };
}
