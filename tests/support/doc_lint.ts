/**
 * `deno doc --lint`, except that lib/kafka/ may show types of the Kafka client, and the modules with
 * schemas those of valibot: these are public, but in packages whose documentation is not ours.
 *
 * Permissions: `--allow-run=deno`.
 *
 * @module
 */
if (import.meta.main) lint(Deno.args);

async function lint(files: string[]): Promise<never> {
  const { success, stderr } = await new Deno.Command("deno", {
    args: ["doc", "--lint", ...files],
    env: { NO_COLOR: "1" },
    stdout: "null",
  }).output();
  // Each finding begins with "error[<rule>]: <message>" and the place in the next line.
  const findings = new TextDecoder().decode(stderr).split(/\n(?=error)/)
    .filter((text) => text.startsWith("error["));
  const ours = findings
    .filter((text) =>
      !/^error\[private-type-ref\].*\n.*\/lib\/(kafka\/|event_fields|inventory_event|menu|metrics_rows|order\.)/
        .test(text)
    );
  if (success || (findings.length > 0 && ours.length === 0)) Deno.exit(0);
  console.error(ours.length === 0 ? new TextDecoder().decode(stderr) : ours.join("\n\n"));
  Deno.exit(1);
}
