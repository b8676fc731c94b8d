/**
 * Numbers, times and text as the page shows them. Pure: the tests compare it with what the programs
 * print.
 *
 * @module
 */

const WITHOUT_GLYPH = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en-US", {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const COMPACT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const AMOUNT = new Intl.NumberFormat("en-US", {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Shown where a number is not known. */
export const UNKNOWN = "–";

/** A whole number: `12,345`, `−7`. */
export function count(value) {
  if (value === null || value === undefined) return UNKNOWN;
  return WHOLE.format(value).replace("-", "−");
}

/** A figure of the report: its digits in metrics_output.txt, with commas: `4.9`, `1,000.0`. */
export function reported(value) {
  const [whole, decimals = "0"] = String(value).split(".");
  return `${WHOLE.format(Number(whole))}.${decimals}`;
}

/** A number for the axis of a chart: `950`, `1.2K`. */
export function compact(value) {
  return COMPACT.format(value);
}

/** Something per second: `0.4`, `98`. */
export function rate(value) {
  if (value === null || value === undefined) return UNKNOWN;
  return value > 0 && value < 9.95 ? TENTHS.format(value) : WHOLE.format(value);
}

/** An amount of money without its currency: `1,234.50`. */
export function amount(value) {
  return value < 1e12 ? AMOUNT.format(value) : value.toExponential(2);
}

/** A length of time as a number and its unit: `["0.4", "s"]`, `["12", "min"]`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return [UNKNOWN, ""];
  if (seconds < 9.95) return [TENTHS.format(seconds), "s"];
  if (seconds < 120) return [WHOLE.format(seconds), "s"];
  if (seconds < 7_200) return [WHOLE.format(seconds / 60), "min"];
  if (seconds < 172_800) return [TENTHS.format(seconds / 3_600), "h"];
  return [WHOLE.format(seconds / 86_400), "days"];
}

/** The length of a bar: `1 minute`, `2 hours`, `7 days`. */
export function barLength(minutes) {
  const [value, unit] = minutes % 1_440 === 0
    ? [minutes / 1_440, "day"]
    : minutes % 60 === 0
    ? [minutes / 60, "hour"]
    : [minutes, "minute"];
  return `${value} ${unit}${value === 1 ? "" : "s"}`;
}

/** The time of day in UTC: `14:33:07`. */
export function clock(milliseconds) {
  return iso(milliseconds)?.slice(11, 19) ?? UNKNOWN;
}

/** The minute in UTC: `14:33`. */
export function minute(seconds) {
  return iso(seconds * 1_000)?.slice(11, 16) ?? UNKNOWN;
}

/** The day in UTC: `29 Nov`, with the year where it is another than that of `now`. */
export function day(seconds, nowSeconds = seconds) {
  const date = new Date(seconds * 1_000);
  const year = date.getUTCFullYear();
  const short = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  return year === new Date(nowSeconds * 1_000).getUTCFullYear() ? short : `${short} ${year}`;
}

/** The minute with its day, unless that is the day of `now`. */
export function dayMinute(seconds, nowSeconds) {
  const isToday = Math.floor(seconds / 86_400) === Math.floor(nowSeconds / 86_400);
  return isToday ? minute(seconds) : `${day(seconds, nowSeconds)} ${minute(seconds)}`;
}

/** Text from elsewhere with each character that has no glyph as `\u001b`: it can neither hide nor turn others around. */
export function visible(text) {
  return text.replace(
    WITHOUT_GLYPH,
    (each) =>
      each.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .join(""),
  );
}

/** Visible text of at most so many characters, the last one an ellipsis where it is cut. */
export function shortened(text, characters) {
  // A text of megabytes is not split into characters to show a few of them.
  const all = [...visible(text.slice(0, 2 * characters + 2))];
  const isCut = all.length > characters || text.length > 2 * characters + 2;
  return isCut ? `${all.slice(0, characters - 1).join("")}…` : all.join("");
}

function iso(milliseconds) {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
