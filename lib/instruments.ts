/**
 * What a program measures, however it is exported: read when somebody asks, with the names that
 * Prometheus asks for (https://prometheus.io/docs/practices/naming/).
 *
 * @module
 */

/** A value, and what it is about. */
export interface Sample {
  /** The value, in the base unit. */
  value: number;
  /** The value of each label. */
  labels?: Record<string, string>;
}

/** Something that can be read at any time. */
export interface Instrument {
  /** The name; ends with the unit, that of a counter with `_total`. */
  name: string;
  /** What it means, as one sentence without a full stop. */
  help: string;
  /** Whether it only grows while the program runs. */
  kind: "counter" | "gauge";
  /** The unit as OpenTelemetry writes it (UCUM): `s`, `By`, `{order}`. */
  unit: string;
  /** The names of the labels. */
  labels: readonly string[];
  /** The values now; a value that is not known is left out. */
  read(): Iterable<Sample>;
}

/** Values whose distribution matters. */
export interface Distribution extends Pick<Instrument, "name" | "help" | "unit"> {
  /** The labels of all its values. */
  labels: Record<string, string>;
  /** The upper bounds of its buckets, ascending; one without a bound follows. */
  bounds: readonly number[];
  /** Calls the function with each value from now on. */
  subscribe(take: (value: number) => void): void;
}

/** All that a program measures. */
export interface Instruments {
  /** What is read. */
  instruments: readonly Instrument[];
  /** What is recorded. */
  distributions: readonly Distribution[];
}

/** A single value without labels; none while it is not known. */
export function single(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ value }];
}
