/**
 * Text from elsewhere, such as ids, hosts and reasons, as a terminal may show it.
 *
 * @module
 */

/** Controls, formatting and what else has no glyph, lone surrogates, and separators of lines. */
const WITHOUT_GLYPH = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * The text with each character that has no glyph written as `\u001b`, so that it can neither steer a
 * terminal nor hide. In JSON that is the same text.
 */
export function visible(text: string): string {
  return text.replace(WITHOUT_GLYPH, escaped);
}

/** As {@linkcode visible}, except that line breaks and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(
    WITHOUT_GLYPH,
    (each) => each === "\n" || each === "\t" ? each : escaped(each),
  );
}

/** Each of its UTF-16 units, as JSON writes them. */
function escaped(character: string): string {
  return character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
