import { assert, assertEquals } from "@std/assert";
import { isSameOrigin } from "./listen.ts";
import { isJson, readBody } from "./request_body.ts";

const BOUNDS = { maxBytes: 10, limitMs: 60_000 };

function post(body: BodyInit, headers: Record<string, string> = {}): Request {
  return new Request("http://localhost/", { method: "POST", body, headers });
}

Deno.test("isJson takes application/json in UTF-8, however it is written, and nothing else", () => {
  const isTaken = (type: string) => isJson(post("", { "content-type": type }));
  for (
    const type of [
      ...["application/json", "Application/JSON ; charset=UTF-8", "application/json;charset=utf-8"],
      'application/json; charset="utf-8"',
    ]
  ) assert(isTaken(type), type);
  for (
    const type of [
      ...["text/plain", "application/json; charset=latin1", "application/jsonp", "text/json"],
      ...[
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json, text/plain",
      ],
    ]
  ) assert(!isTaken(type), type);
  assert(!isJson(post(new Uint8Array())), "none");
  assert(!isJson(post("", { "content-type": "application/json", "content-encoding": "br" })));
});

Deno.test("isSameOrigin refuses other pages, and takes the page and what is no browser", () => {
  const isTaken = (headers: Record<string, string>) =>
    isSameOrigin(new Headers({ host: "localhost:8080", ...headers }));
  for (
    const headers of [
      {},
      { origin: "http://localhost:8080" },
      { origin: "https://localhost:8080", "sec-fetch-site": "same-origin" },
      { "sec-fetch-site": "none" },
    ]
  ) assert(isTaken(headers), JSON.stringify(headers));
  for (
    const headers of [
      { origin: "http://localhost:8081" },
      { origin: "http://localhost" },
      { origin: "http://localhost:8080.evil.example" },
      { origin: "null" },
      { origin: "" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "cross-site", origin: "http://localhost:8080" },
    ]
  ) assert(!isTaken(headers), JSON.stringify(headers));
});

Deno.test("readBody reads up to its bound, of any number of pieces, and cancels what exceeds it", async () => {
  const text = async (request: Request) => {
    const body = await readBody(request, BOUNDS);
    return body instanceof Response ? body.status : new TextDecoder().decode(body);
  };
  assertEquals(await text(post("0123456789")), "0123456789");
  assertEquals(await text(post("0123456789a")), 413);
  assertEquals(await text(new Request("http://localhost/", { method: "POST" })), "");
  const pieces = (...texts: string[]) => {
    let pulled = 0;
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const next = texts[pulled++];
        if (next === undefined) controller.close();
        else controller.enqueue(new TextEncoder().encode(next));
      },
      cancel: () => void (cancelled = true),
    }, { highWaterMark: 0 });
    return { request: post(body), state: () => ({ pulled, cancelled }) };
  };
  assertEquals(await text(pieces("01", "234", "", "5").request), "012345");
  const endless = pieces(...Array.from({ length: 1_000 }, () => "xxxx"));
  assertEquals(await text(endless.request), 413);
  const { pulled, cancelled } = endless.state();
  assert(cancelled && pulled < 10, `${pulled} pieces were taken`);
});

Deno.test("readBody gives up a body that ends early, and one that does not come", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) });
  assertEquals((await readBody(post(broken), BOUNDS) as Response).status, 400);
  const silent = new ReadableStream({});
  const late = await readBody(post(silent), { ...BOUNDS, limitMs: 1 });
  assertEquals((late as Response).status, 408);
});
