/**
 * Gives the programs the rights that they need on a cluster with access control, and no more.
 *
 * Shows the access control lists (ACLs) that are missing, and adds them with `--execute`; it never takes
 * any away. Each program has a principal of its own. The rights are in docs/SECURITY.md.
 *
 * ```sh
 * deno task acls --command-config admin.properties
 * deno task acls --command-config admin.properties --execute
 * deno task acls --program analytics --group analytics-eu --principal User:eu
 * ```
 *
 * Permissions: the set `kafka` of deno.json.
 *
 * @module
 */
import {
  type AccessRule,
  accessRules,
  GROUPS,
  type Program,
  PROGRAMS,
} from "./lib/access_rules.ts";
import { keepFileAccess } from "./lib/cli/file_access.ts";
import {
  COMMON_FLAGS,
  flag,
  oneOf,
  type Options,
  repeatable,
  toggle,
  UsageError,
} from "./lib/cli/flags.ts";
import { main } from "./lib/cli/main.ts";
import { printNote, printResult } from "./lib/cli/output.ts";
import { readSecurity } from "./lib/cli/security.ts";
import { groupName } from "./lib/cli/service_flags.ts";
import { table } from "./lib/cli/text.ts";
import { addGrants, type Grant, missingGrants } from "./lib/kafka/access_control.ts";
import { withAdmin } from "./lib/kafka/client.ts";
import { kafkaSettings } from "./lib/kafka/settings.ts";

/** The flags of the program. */
export const flags = {
  program: flag({
    value: PROGRAMS.join("|"),
    help: "only the rights of this program; resend is show --resend (default all)",
  }, oneOf(...PROGRAMS)),
  group: repeatable({
    value: "NAME,…",
    example: "analytics-eu",
    help: "with --program: the consumer groups that it works on or shows (default the usual ones)",
  }, groupName),
  principal: flag({
    value: "TYPE:NAME",
    example: "User:analytics",
    help: "with --program: who gets them (default User: and the name of the program)",
  }, principalName),
  noCreate: toggle("leave out the rights to create topics, which must be there then"),
  execute: toggle("add what is missing; without it, only show it"),
  ...COMMON_FLAGS,
};

/** Shows what is missing, or adds it. */
export async function run(options: Options<typeof flags>, signal: AbortSignal): Promise<void> {
  refuseContradictions(options);
  const secured = { ...options, ...readSecurity(options) };
  keepFileAccess({});
  const settings = kafkaSettings("order-stream-acls", secured, printNote);
  const grants = (options.program === undefined ? PROGRAMS : [options.program])
    .flatMap((program) => grantsOf(program, options));
  const missing = await withAdmin(settings, signal, async (admin) => {
    const missing = await missingGrants(admin, grants);
    if (options.execute) await addGrants(admin, missing);
    return missing;
  });
  if (options.json) {
    for (const grant of grants) {
      printResult(JSON.stringify(grantJson(grant, !missing.includes(grant))));
    }
  } else {
    printResult(grantTable(grants, { missing, isAdded: options.execute }));
  }
  const count = `${missing.length} of ${grants.length} rights`;
  printNote(
    missing.length === 0
      ? `all ${grants.length} rights are there`
      : options.execute
      ? `added ${count}`
      : `${count} missing; dry run, nothing changed; add --execute to apply`,
  );
}

function refuseContradictions({ program, group, principal }: Options<typeof flags>): void {
  if (program === undefined && (group.length > 0 || principal !== undefined)) {
    throw new UsageError("--group and --principal need --program: each program has its own");
  }
  if (program !== undefined && group.length > 0 && GROUPS[program].length === 0) {
    throw new UsageError(`--group does not apply to ${program}`);
  }
}

function grantsOf(
  program: Program,
  { topicPrefix, group, principal = `User:${program}`, noCreate }: Options<typeof flags>,
): Grant[] {
  const groups = group.length > 0 ? group : GROUPS[program];
  return accessRules(program, { topicPrefix, groups, mayCreate: !noCreate })
    .map((rule) => ({ principal, rule }));
}

function principalName(text: string): string {
  if (!/^\w+:.+$/.test(text)) throw new Error("expected a type and a name, such as User:analytics");
  return text;
}

function grantJson({ principal, rule: { operation, resource } }: Grant, exists: boolean) {
  const { kind, name, isPrefix } = resource;
  return {
    principal,
    operation,
    resource_type: kind.replaceAll(" ", "_"),
    resource_name: name,
    pattern_type: isPrefix ? "prefixed" : "literal",
    exists,
  };
}

function grantTable(
  grants: readonly Grant[],
  { missing, isAdded }: { missing: readonly Grant[]; isAdded: boolean },
): string {
  const rows = grants.map((grant) => [
    grant.principal,
    ...ruleText(grant.rule),
    !missing.includes(grant) ? "there" : isAdded ? "added" : "missing",
  ]);
  return table(["PRINCIPAL", "RIGHT", "ON", "NAME", ""], rows, { left: [0, 1, 2, 3, 4] });
}

function ruleText({ operation, resource: { kind, name, isPrefix } }: AccessRule): string[] {
  return [operation, kind, isPrefix ? `${name}*` : name];
}

if (import.meta.main) {
  main({
    usage: "deno task acls",
    summary: "Gives each program the rights that it needs on a cluster with access control.",
    flags,
    examples: [
      "deno task acls --command-config admin.properties --execute",
      "deno task acls --program analytics --group analytics-eu --principal User:eu",
    ],
    notes: `Nothing changes without --execute, and nothing is taken away with it. It needs
the right Alter on the cluster; Describe is enough without --execute.`,
    run,
  });
}
