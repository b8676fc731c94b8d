/**
 * Certificates for tests, made by `openssl`: EC keys, in PEM.
 *
 * @module
 */

/** A certificate and its private key. */
export interface Certificate {
  cert: string;
  key: string;
}

/** Makes certificates that one authority has signed; disposing of it deletes its files. */
export interface Authority extends AsyncDisposable, Certificate {
  /** Makes a certificate, valid until the day after tomorrow unless it is to be expired. */
  certificate(
    options: { commonName: string; names?: string; isExpired?: boolean },
  ): Promise<Certificate>;
}

const EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes an authority. */
export async function certificateAuthority(commonName: string): Promise<Authority> {
  const directory = await Deno.makeTempDir({ prefix: "order-stream-certificates-" });
  const at = (name: string) => `${directory}/${name}`;
  const read = async (name: string): Promise<Certificate> => ({
    cert: await Deno.readTextFile(at(`${name}.pem`)),
    key: await Deno.readTextFile(at(`${name}.key`)),
  });
  await openssl(
    ...["req", "-x509", ...EC, "-days", "2", "-subj", `/CN=${commonName}`],
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
        ...["-days", isExpired ? "-1" : "2", "-extfile", at(`${name}.ext`)],
        ...["-CAcreateserial", "-out", at(`${name}.pem`)],
      );
      return await read(name);
    },
    async [Symbol.asyncDispose]() {
      await Deno.remove(directory, { recursive: true });
    },
  };
}

async function openssl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args }).output();
  if (!success) throw new Error(`openssl ${args[0]}: ${new TextDecoder().decode(stderr)}`);
}
