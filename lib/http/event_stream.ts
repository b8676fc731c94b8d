/**
 * Server-sent events for many viewers at once (https://html.spec.whatwg.org/#server-sent-events).
 *
 * Each event is encoded once. A viewer that does not take its events is dropped once a few wait for
 * it, so that the memory is bounded; browsers connect again by themselves.
 *
 * @module
 */

/** How many may watch the page: each keeps a connection and a few events. */
export const MAX_PAGE_VIEWERS = 1_000;
/** How many events may wait for one viewer. */
const MAX_WAITING = 8;
/** How long a browser waits before it connects again, in milliseconds. */
const RETRY_MS = 2_000;

const encoder = new TextEncoder();

/** Sends the same events to all viewers. */
export class EventStream {
  #viewers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #last = new Map<string, Uint8Array>();
  #dropped = 0;

  /** How many are connected. */
  get viewers(): number {
    return this.#viewers.size;
  }

  /** How many were dropped because they did not take their events. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Sends an event to all; who connects later gets the last one of each name. */
  send(name: string, data: unknown): void {
    const bytes = encoder.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
    this.#last.set(name, bytes);
    for (const viewer of this.#viewers) this.#enqueue(viewer, bytes);
  }

  /** The answer for a new viewer. */
  response(): Response {
    let own: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        own = controller;
        this.#viewers.add(controller);
        controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
        for (const bytes of this.#last.values()) controller.enqueue(bytes);
      },
      cancel: () => {
        this.#viewers.delete(own);
      },
    }, { highWaterMark: MAX_WAITING });
    return new Response(body, {
      headers: {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        // nginx would otherwise keep events until its buffer is full.
        "x-accel-buffering": "no",
      },
    });
  }

  /** Ends the connections of all viewers. */
  close(): void {
    for (const viewer of this.#viewers) viewer.close();
    this.#viewers.clear();
  }

  #enqueue(viewer: ReadableStreamDefaultController<Uint8Array>, bytes: Uint8Array): void {
    if ((viewer.desiredSize ?? 0) > 0) return viewer.enqueue(bytes);
    this.#viewers.delete(viewer);
    this.#dropped++;
    viewer.error(new Error("the viewer does not take its events"));
  }
}
