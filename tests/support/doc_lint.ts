/**
 * `deno doc --lint`, without its rule that every type that is shown is exported: the types of events
 * are inferred from schemas, by types of the schema library.
 *
 * Permissions: `--allow-run=deno`.
 *
 * @module
 */
if (import.meta.main) lint();

async function lint(): Promise<never> {
  const { stderr } = await new Deno.Command("deno", {
    args: ["doc", "--lint", ...Deno.args],
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  // Each finding begins with "error[<rule>]: <message>".
  const findings = new TextDecoder().decode(stderr).split(/\n(?=error)/)
    .filter((text) => /^error\[(?!private-type-ref)/.test(text));
  if (findings.length > 0) console.error(findings.join("\n\n"));
  return Deno.exit(findings.length > 0 ? 1 : 0);
}
