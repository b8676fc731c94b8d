/**
 * How the user says how to reach secured brokers: with `--command-config`, or in the environment.
 *
 * @module
 */
import { parseProperties } from "../properties.ts";
import {
  type Security,
  SECURITY_VARIABLES,
  securityConfig,
  settingsOfEnvironment,
} from "../security_config.ts";
import { fileProblem, isMissingPermission } from "./file_access.ts";
import { UsageError } from "./flags.ts";
import { printWarning } from "./output.ts";
import { userPath } from "./user_path.ts";

/** What the flags say about the connection. */
interface ConnectionOptions {
  brokers: string[];
  commandConfig?: string | undefined;
  allowPlainPassword: boolean;
}

/**
 * Reads how to reach the brokers. A file replaces the environment as a whole, so that nobody has to
 * find out which of the two a setting came from.
 *
 * @throws {UsageError} When something is wrong; nothing secret is quoted.
 */
export function readSecurity(
  options: ConnectionOptions,
): { security: Security; clientId?: string } {
  const { commandConfig } = options;
  const where = commandConfig === undefined ? "" : `--command-config "${commandConfig}": `;
  try {
    const values = commandConfig === undefined
      ? settingsOfEnvironment((name) => Deno.env.get(name) || undefined, readText)
      : parseProperties(contentOf(commandConfig));
    const { security, clientId, ignored } = securityConfig({
      values,
      nameOf: commandConfig === undefined ? variableOf : (key) => key,
      readFile: readText,
    });
    if (ignored.length > 0) printWarning(`${where}ignored: ${ignored.join(", ")}`);
    refuseBarePassword(security, options);
    return { security, ...(clientId !== undefined && { clientId }) };
  } catch (error) {
    if (error instanceof UsageError || error instanceof Deno.errors.NotCapable) throw error;
    const { message, cause } = error as Error;
    if (isMissingPermission(cause)) throw new Error(where + message);
    throw new UsageError(where + message);
  }
}

function variableOf(key: string): string {
  const names = Object.entries(SECURITY_VARIABLES);
  return names.find(([, known]) => known === key)?.[0] ?? key;
}

function readText(path: string): string {
  try {
    return contentOf(path);
  } catch (error) {
    const { message, cause } = error as Error;
    throw new Error(`"${path}": ${message}`, { cause });
  }
}

function contentOf(path: string): string {
  try {
    return Deno.readTextFileSync(userPath(path));
  } catch (error) {
    throw new Error(fileProblem(error), { cause: error });
  }
}

/** PLAIN sends the password as it is: without TLS everybody on the way can read it. */
function refuseBarePassword(
  { tls, login }: Security,
  { brokers, allowPlainPassword }: ConnectionOptions,
): void {
  if (login?.mechanism !== "plain" || tls !== undefined || allowPlainPassword) return;
  const away = brokers.find((broker) => !/^(localhost|127\.[\d.]+|\[::1\]):/.test(broker));
  if (away === undefined) return;
  throw new UsageError(
    `PLAIN would send the password to ${away} without TLS: use SASL_SSL, or allow it with ` +
      "--allow-plain-password",
  );
}
