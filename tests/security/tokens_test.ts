import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { TokenError, tokenMechanism } from "../../lib/kafka/tokens.ts";
import { eventually } from "../support/run.ts";
import { tokenServer } from "../support/token_server.ts";

/** Logs in; the broker's answers to the token are those of `answer`. */
function loginsAt(tokenEndpoint: string) {
  const login = { mechanism: "oauthbearer", clientId: "id", clientSecret: "shh" } as const;
  const { authenticationProvider } = tokenMechanism({ ...login, tokenEndpoint });
  const broker = { answer: "" };
  const logger = undefined as never;
  return {
    broker,
    logIn: () =>
      authenticationProvider({
        host: "broker.test",
        port: 9092,
        logger,
        saslAuthenticate: async <T>({ response }: {
          response?: { decode(bytes: Buffer): unknown; parse(bytes: never): unknown };
        }) => {
          const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(broker.answer)]);
          return await response!.parse(await response!.decode(bytes) as never) as T;
        },
      }).authenticate(),
  };
}

Deno.test("tokenMechanism requests one token for logins at the same time, and keeps it", async () => {
  await using tokens = tokenServer();
  const { logIn } = loginsAt(tokens.url);
  await Promise.all([logIn(), logIn(), logIn()]);
  await logIn();
  assertEquals(tokens.requests.length, 1);
});

Deno.test("tokenMechanism renews a token before its end, and uses the last one while the server fails", async () => {
  await using tokens = tokenServer({ lifetimeSeconds: 2 });
  const { logIn } = loginsAt(tokens.url);
  await logIn();
  tokens.answer = () => new Response("", { status: 503 });
  const requested = async () => {
    await logIn();
    return tokens.requests.length > 1;
  };
  await eventually("it tries to renew the token", requested);
  const refused = () => logIn().then(() => false, (error) => error instanceof TokenError);
  await eventually("the token has ended", refused);
  tokens.answer = undefined;
  await logIn();
});

Deno.test("tokenMechanism gives up a token that is refused at once, and replaces one that worked before", async () => {
  await using tokens = tokenServer();
  const { broker, logIn } = loginsAt(tokens.url);
  await logIn();
  broker.answer = '{"status":"invalid_token"}';
  assertEquals((await assertRejects(logIn, TokenError)).retriable, true);
  assertEquals((await assertRejects(logIn, TokenError)).retriable, false);
  broker.answer = "";
  await logIn();
  assertEquals(tokens.requests.length, 3);
});
