/**
 * Certificates, made by `openssl`: EC keys, in PEM.
 *
 * Permissions: `--allow-run=openssl`, `--allow-read` and `--allow-write` for the directory.
 *
 * @module
 */
import { outputOf } from "./files.ts";

/** A certificate and its private key. */
export interface Certificate {
  cert: string;
  key: string;
}

/** Makes certificates that one authority has signed. */
export interface Authority extends Certificate {
  /** Makes a certificate, valid as long as the authority's unless it is to be expired. */
  certificate(
    options: {
      commonName: string;
      /** The names and addresses that it is for, as openssl writes them. */
      names?: string;
      isExpired?: boolean;
    },
  ): Promise<Certificate>;
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/**
 * Makes an authority.
 *
 * @param options.directory An existing directory that only the user can read: the keys are in it.
 * @throws {Error} When openssl is missing, or fails.
 */
export async function certificateAuthority(
  commonName: string,
  { directory, days }: { directory: string; days: number },
): Promise<Authority> {
  const at = (name: string) => `${directory}/${name}`;
  const read = async (name: string): Promise<Certificate> => ({
    cert: await Deno.readTextFile(at(`${name}.pem`)),
    key: await Deno.readTextFile(at(`${name}.key`)),
  });
  await openssl(
    ...["req", "-x509", ...EC, "-days", String(days), "-subj", `/CN=${commonName}`],
    ...["-keyout", at("ca.key"), "-out", at("ca.pem")],
  );
  let count = 0;
  return {
    ...await read("ca"),
    async certificate({ commonName, names = "DNS:localhost,IP:127.0.0.1", isExpired = false }) {
      const name = `certificate-${count++}`;
      await openssl(
        ...["req", ...EC, "-subj", `/CN=${commonName}`, "-keyout", at(`${name}.key`)],
        ...["-out", at(`${name}.csr`)],
      );
      await Deno.writeTextFile(at(`${name}.ext`), `subjectAltName=${names}\n`);
      await openssl(
        ...["x509", "-req", "-in", at(`${name}.csr`), "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
        // A day of less than nothing: it ended yesterday.
        ...["-days", isExpired ? "-1" : String(days), "-extfile", at(`${name}.ext`)],
        ...["-CAcreateserial", "-out", at(`${name}.pem`)],
      );
      return await read(name);
    },
  };
}

async function openssl(...args: string[]): Promise<void> {
  const { success, text } = await outputOf("openssl", args).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error("making certificates needs the command openssl; it is in the package openssl");
  });
  if (!success) throw new Error(`openssl ${args[0]}: ${text.trim()}`);
}
