/**
 * Timestamps as they stand in events: ISO 8601, in UTC where they name no zone.
 *
 * @module
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** From 0000-01-01T00:00:00.000Z, inclusive, to the end of the year 9999, exclusive. */
const FIRST_MS = -62_167_219_200_000;
const END_MS = 253_402_300_800_000;

const DAYS_IN_MONTH = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAYS_BEFORE_MONTH = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/**
 * As {@linkcode parseTimestampMs}, and also as people type times: a date alone is its midnight, and a
 * blank may stand for the `T`, as in the report.
 */
export function parseTypedTimeMs(text: string): number {
  const time = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text;
  return parseTimestampMs(time.replace(/^(\d{4}-\d\d-\d\d) /, "$1T"));
}

/**
 * Parses `YYYY-MM-DDTHH:MM[:SS[.fraction]]` with an optional zone (`Z`, `±HH`, `±HHMM`, `±HH:MM`)
 * into milliseconds since the epoch; without a zone it is UTC. A fraction is cut to milliseconds.
 *
 * The result is `NaN` when the text is something else, when there is no such day, hour, minute or
 * second, or when the time is outside the years 0 to 9999 in UTC.
 */
export function parseTimestampMs(text: string): number {
  // By character codes: this runs for every order, and Date.parse takes a zone-less time as local.
  // A missing digit makes a figure NaN, NaN fails its check, and so does a character that is missing.
  const year = figure(text, 0, 4);
  const month = figure(text, 5, 7);
  const day = figure(text, 8, 10);
  const hour = figure(text, 11, 13);
  const minute = figure(text, 14, 16);
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (
    !(year >= 0 && month >= 1 && month <= 12 && day >= 1 && hour <= 23 && minute <= 59) ||
    day > DAYS_IN_MONTH[month]! + (isLeapYear && month === 2 ? 1 : 0) ||
    text[4] !== "-" || text[7] !== "-" || text[10] !== "T" || text[13] !== ":"
  ) return NaN;

  let at = 16;
  let ms = 0;
  if (text[at] === ":") {
    const second = figure(text, 17, 19);
    if (!(second <= 59)) return NaN;
    ms = second * 1_000;
    at = 19;
    if (text[at] === ".") {
      const from = ++at;
      for (let unit = 100; isDigit(text.charCodeAt(at)); at++, unit /= 10) {
        if (unit >= 1) ms += figure(text, at, at + 1) * unit;
      }
      if (at === from) return NaN;
    }
  }

  // Leap days come at the end of February: the years before this one, and this one after February.
  const leapDays = Math.ceil(year / 4) - Math.ceil(year / 100) + Math.ceil(year / 400) +
    (isLeapYear && month > 2 ? 1 : 0);
  const days = year * 365 + leapDays + DAYS_BEFORE_MONTH[month]! + day - 1;
  const utcMs = FIRST_MS + days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + ms -
    zoneOffsetMs(text, at);
  return utcMs >= FIRST_MS && utcMs < END_MS ? utcMs : NaN;
}

/** How far the zone at this place, up to the end of the text, is ahead of UTC; `NaN` when wrong. */
function zoneOffsetMs(text: string, at: number): number {
  const length = text.length - at;
  if (length === 0 || (length === 1 && text[at] === "Z")) return 0;
  const sign = text[at] === "+" ? 1 : text[at] === "-" ? -1 : NaN;
  const hour = figure(text, at + 1, at + 3);
  const hasColon = text[at + 3] === ":";
  const minute = length === 3 ? 0 : figure(text, text.length - 2, text.length);
  const isWhole = length === 3 || length === (hasColon ? 6 : 5);
  return isWhole && hour <= 23 && minute <= 59 ? sign * (hour * HOUR_MS + minute * MINUTE_MS) : NaN;
}

/** The number that the characters from `from` to before `end` spell; `NaN` unless all are digits. */
function figure(text: string, from: number, end: number): number {
  let number = 0;
  for (let i = from; i < end; i++) {
    const code = text.charCodeAt(i);
    if (!isDigit(code)) return NaN;
    number = number * 10 + code - 0x30;
  }
  return number;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0"));

// Orders come by the day, many of them in a millisecond, and Date.toISOString takes longer than all the
// rest of writing an order.
let lastDay = NaN;
let lastDate = "";
let lastMs = NaN;
let lastText = "";

/**
 * Writes a time in UTC, as in `2024-01-15T10:30:00.000Z`.
 *
 * @throws {RangeError} When the time is outside the years 0 to 9999.
 */
export function formatTimestamp(epochMs: number): string {
  if (epochMs === lastMs) return lastText;
  if (!(epochMs >= FIRST_MS && epochMs < END_MS)) {
    throw new RangeError(`expected a time in the years 0 to 9999, got ${epochMs} ms`);
  }
  const day = Math.floor(epochMs / DAY_MS);
  if (day !== lastDay) {
    lastDate = new Date(day * DAY_MS).toISOString().slice(0, 11);
    lastDay = day;
  }
  const ms = Math.floor(epochMs - day * DAY_MS);
  const hour = TWO_DIGITS[Math.floor(ms / HOUR_MS)]!;
  const minute = TWO_DIGITS[Math.floor(ms / MINUTE_MS) % 60]!;
  const second = TWO_DIGITS[Math.floor(ms / 1_000) % 60]!;
  lastText = `${lastDate}${hour}:${minute}:${second}.${
    Math.floor(ms / 100) % 10
  }${TWO_DIGITS[ms % 100]!}Z`;
  lastMs = epochMs;
  return lastText;
}
