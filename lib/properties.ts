/**
 * Properties files as Kafka's own tools read them.
 *
 * Source of the rules: `java.util.Properties.load`.
 *
 * @module
 */

const ESCAPES: Record<string, string> = { t: "\t", n: "\n", r: "\r", f: "\f" };

/** Reads a properties file; of a key that is there twice the last value counts. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const { key, value } = split(line);
    properties.set(unescaped(key), unescaped(value));
  }
  return properties;
}

/** Lines without comments and blank ones; a backslash at the end of a line continues it in the next one. */
function* logicalLines(text: string): Generator<string> {
  let continued = "";
  for (const natural of text.replace(/^\ufeff/, "").split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, "");
    if (continued === "" && (line === "" || line[0] === "#" || line[0] === "!")) continue;
    if (endsWithBackslash(line)) {
      continued += line.slice(0, -1);
      continue;
    }
    yield continued + line;
    continued = "";
  }
  if (continued !== "") yield continued;
}

/** Whether a line ends with a backslash that no other one escapes. */
function endsWithBackslash(line: string): boolean {
  let start = line.length;
  while (line[start - 1] === "\\") start--;
  return (line.length - start) % 2 === 1;
}

/** Splits a line at the first `=`, `:` or white space that is not escaped. */
function split(line: string): { key: string; value: string } {
  const [key] = /^(?:\\.|[^\\=: \t\f])*/.exec(line)!;
  const value = line.slice(key.length).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "");
  return { key, value };
}

function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{4})|(.))/gs,
    (_, code?: string, letter = "") =>
      code === undefined ? ESCAPES[letter] ?? letter : String.fromCharCode(parseInt(code, 16)),
  );
}

/** A login module of JAAS with its options. */
export interface JaasConfig {
  /** Its class. */
  module: string;
  /** Its options by name. */
  options: Map<string, string>;
}

/**
 * Reads the value of `sasl.jaas.config`, such as
 * `org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";`.
 *
 * @throws {Error} When it is something else. The message quotes none of it, as it holds a password.
 */
export function parseJaasConfig(text: string): JaasConfig {
  const head = /^\s*([\w.$]+)\s+(?:required|requisite|sufficient|optional)\b/i.exec(text);
  if (head === null) throw new Error('expected "MODULE required OPTION="VALUE" …;"');
  const options = new Map<string, string>();
  const option = /\s*([\w.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/sy;
  option.lastIndex = head[0].length;
  let end = option.lastIndex;
  for (let found; (found = option.exec(text)) !== null; end = option.lastIndex) {
    const [, name = "", quoted, bare = ""] = found;
    options.set(name, quoted === undefined ? bare : quoted.replace(/\\(.)/gs, "$1"));
  }
  if (!/^\s*;\s*$/.test(text.slice(end))) {
    throw new Error(`expected OPTION="VALUE" and a ; at the end, after ${options.size} options`);
  }
  return { module: head[1]!, options };
}
