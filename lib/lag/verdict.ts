/**
 * Computes a consumer group's lag, its rates and a verdict from samples of its offsets.
 *
 * The verdicts are those of Burrow (https://github.com/linkedin/Burrow/wiki), which looks at how
 * offsets and lag move over a window instead of at a threshold. Burrow sees only commits. Here the
 * members of the group are known as well, so STOP need not be inferred from the time since the last
 * commit, and STOP and REWIND show at once even if the lag was 0 within the window.
 *
 * @module
 */

/** A member of a consumer group. */
export interface Member {
  /** The id that the broker assigned. */
  id: string;
  /** Its client id. */
  clientId: string;
  /** The host that it connects from. */
  host: string;
}

/** The offsets of a group's partition at one moment. */
export interface PartitionSample {
  /** The partition. */
  partition: number;
  /** The committed offset as Kafka stores it; `undefined` without a commit. */
  committed: bigint | undefined;
  /** The first offset that still exists. */
  logStart: bigint;
  /** The offset that the next record will get. */
  end: bigint;
  /** The last stable offset: all transactions before it are decided. */
  stable: bigint;
  /** The offset after the last record that a `read_committed` reader can see. */
  readableEnd: bigint;
  /**
   * When the first record after the committed offset was sent, in milliseconds since the epoch;
   * `undefined` when it is not known, or there is none.
   */
  oldestMs: number | undefined;
  /** The member to which the partition is assigned. */
  owner: Member | undefined;
  /**
   * Whether the partition has no leader; its offsets, apart from the committed one, are then unknown.
   *
   * @default {false}
   */
  isLeaderless?: boolean;
}

/** A group at one moment. */
export interface GroupSample {
  /** When it was taken, in milliseconds since the epoch. */
  timeMs: number;
  /** The id of the topic; `undefined` when the brokers have none. */
  topicId: string | undefined;
  /** The group. */
  group: string;
  /** Its state as Kafka names it, such as `Stable` or `Empty`; `Gone` when there is no such group. */
  state: string;
  /** The number of members; `undefined` when the brokers do not report it. */
  members: number | undefined;
  /** Its partitions. */
  partitions: PartitionSample[];
}

/** The verdicts, from good to bad. */
const VERDICTS = ["OK", "NO_COMMIT", "WARN", "STALL", "STOP", "REWIND", "OFFLINE"] as const;

/**
 * The health of a group, from good to bad: keeping up; no commit yet; not catching up; its consumer
 * does not move; no consumer; its offset moved backwards; the partition has no leader.
 */
export type Verdict = typeof VERDICTS[number];

/** Whether a verdict is the given one or worse. */
export function isAtLeast(verdict: Verdict, bound: Verdict): boolean {
  return VERDICTS.indexOf(verdict) >= VERDICTS.indexOf(bound);
}

/** What the samples show about a partition, or about all partitions of a group together. */
export interface LagStatus {
  /** Records after the committed offset; `undefined` without a commit. */
  lag: number | undefined;
  /** The records of partitions without a commit; 0 when all have one. */
  unread: number;
  /**
   * The age of the oldest record that is not committed yet; of a group, the highest of its partitions.
   * 0 without a lag, `undefined` when it is not known.
   */
  secondsBehind: number | undefined;
  /** Records written per second; `undefined` with only one sample. */
  producePerSecond: number | undefined;
  /** Records committed per second since the last rewind. */
  consumePerSecond: number | undefined;
  /** The time until the lag is 0; `Infinity` when it does not shrink. */
  drainSeconds: number | undefined;
  /** The verdict; of a group, the worst of its partitions. */
  verdict: Verdict;
}

/** What the samples show about a partition. */
export interface PartitionStatus extends PartitionSample, LagStatus {
  /** Anything unusual that changes the meaning of the numbers. */
  note: string | undefined;
}

/** What the samples show about a group; when it was sampled, its state and members are the newest. */
export interface GroupStatus extends GroupSample, LagStatus {
  /** Its partitions. */
  partitions: PartitionStatus[];
  /** The total lag of each sample, oldest first. */
  history: number[];
}

/** The number of samples that a verdict looks at; Burrow looks at that many commits. */
export const WINDOW_SAMPLES = 10;

/**
 * Where a group continues to read: its committed offset, limited to the offsets that still exist;
 * `undefined` without a commit. kafkajs can commit a negative offset; to Kafka that is no commit.
 */
function positionOf(
  { committed, logStart, end, isLeaderless }: PartitionSample,
): bigint | undefined {
  if (committed === undefined || committed < 0n || isLeaderless) return undefined;
  if (committed < logStart) return logStart;
  return committed > end ? end : committed;
}

/** The lag; `undefined` without a commit, and never negative. */
function lagOf(sample: PartitionSample): number | undefined {
  const position = positionOf(sample);
  return position === undefined ? undefined : difference(sample.readableEnd, position);
}

/** The number of records a group is behind, including partitions without a commit. */
export function behindBy({ lag, unread }: Pick<LagStatus, "lag" | "unread">): number {
  return (lag ?? 0) + unread;
}

/**
 * Computes the status of a group.
 *
 * @param samples Oldest first, at least one. Verdicts and rates use the last
 * {@linkcode WINDOW_SAMPLES}, the history uses all.
 */
export function groupStatus(allSamples: readonly GroupSample[]): GroupStatus {
  const samples = sinceTopicWentBack(allSamples);
  const window = samples.slice(-WINDOW_SAMPLES);
  const isAlive = hasMoved(samples);
  const newest = window.at(-1)!;
  const partitions = newest.partitions.map((partition) =>
    partitionStatus(partition, { window, isAlive })
  );
  const committed = partitions.filter(({ lag }) => lag !== undefined);
  const lag = committed.length === 0 ? undefined : sumOf(committed.map((each) => each.lag));
  const unread = sumOf(partitions.map((each) => each.unread)) ?? 0;
  const producePerSecond = sumOf(partitions.map((each) => each.producePerSecond));
  const consumePerSecond = sumOf(committed.map((each) => each.consumePerSecond));
  // An empty partition without a commit does not affect the group's verdict.
  const verdicts = partitions
    .filter(({ lag, unread, isLeaderless }) => lag !== undefined || unread > 0 || isLeaderless)
    .map(({ verdict }) => verdict);
  return {
    ...newest,
    lag,
    unread,
    secondsBehind: maxOf(committed.map((each) => each.secondsBehind)),
    producePerSecond,
    consumePerSecond,
    drainSeconds: drainSeconds(lag, producePerSecond, consumePerSecond),
    verdict: lag === undefined && !verdicts.includes("OFFLINE")
      ? "NO_COMMIT"
      : VERDICTS.findLast((verdict) => verdicts.includes(verdict)) ?? "OK",
    partitions,
    history: samples.map((sample) =>
      sample.partitions.reduce((sum, each) => sum + (lagOf(each) ?? 0), 0)
    ),
  };
}

/** The samples since the topic was created again or lost records: older ones say nothing any more. */
function sinceTopicWentBack(samples: readonly GroupSample[]): readonly GroupSample[] {
  for (let index = samples.length - 1; index > 0; index--) {
    const before = samples[index - 1]!;
    const after = samples[index]!;
    const ends = new Map(before.partitions.map(({ partition, end }) => [partition, end]));
    const wentBack = after.partitions.some(({ partition, end, isLeaderless }) =>
      !isLeaderless && end < (ends.get(partition) ?? 0n)
    );
    if (wentBack || before.topicId !== after.topicId) return samples.slice(index);
  }
  return samples;
}

/** Whether an offset has moved on. Flink and others commit without being members of the group. */
function hasMoved(samples: readonly GroupSample[]): boolean {
  return samples.some(({ partitions }, index) =>
    index > 0 && partitions.some(({ partition, committed = -1n }) => {
      const before = samples[index - 1]!.partitions.find((each) => each.partition === partition);
      return before?.committed !== undefined && committed > before.committed;
    })
  );
}

function partitionStatus(
  newest: PartitionSample,
  { window, isAlive }: { window: readonly GroupSample[]; isAlive: boolean },
): PartitionStatus {
  const seen = window.flatMap(({ timeMs, state, members, partitions }) =>
    partitions.filter(({ partition }) => partition === newest.partition)
      .map((sample) => ({ ...sample, timeMs, state, members }))
  );
  const led = seen.filter(({ isLeaderless }) => !isLeaderless);
  const lag = lagOf(newest);
  const produced = rate(led.map(({ timeMs, end }) => [timeMs, end]));
  const consumed = rate(
    afterLastRewind(seen).flatMap((sample) => {
      const position = positionOf(sample);
      return position === undefined ? [] : [[sample.timeMs, position] as const];
    }),
  );
  return {
    ...newest,
    lag,
    unread: lag === undefined && !newest.isLeaderless
      ? difference(newest.readableEnd, newest.logStart)
      : 0,
    secondsBehind: lag === 0 ? 0 : ageSeconds(newest.oldestMs, window.at(-1)!.timeMs),
    producePerSecond: produced,
    consumePerSecond: consumed,
    drainSeconds: drainSeconds(lag, produced, consumed),
    verdict: newest.isLeaderless ? "OFFLINE" : verdictOf(led, { lag, isAlive }),
    note: noteOf(newest),
  };
}

type Seen = PartitionSample & Pick<GroupSample, "timeMs" | "state" | "members">;

function ageSeconds(sentMs: number | undefined, nowMs: number): number | undefined {
  return sentMs === undefined ? undefined : Math.max(0, nowMs - sentMs) / 1_000;
}

function verdictOf(
  seen: readonly Seen[],
  { lag, isAlive }: { lag: number | undefined; isAlive: boolean },
): Verdict {
  if (lag === undefined) return "NO_COMMIT";
  if (lag === 0) return "OK";
  if (afterLastRewind(seen).length < seen.length) return "REWIND";
  if (!isConsumed(seen.at(-1)!, isAlive)) return "STOP";
  const lags = seen.map(lagOf).filter((each) => each !== undefined);
  if (lags.includes(0) || lags.length < 2) return "OK";
  if (seen.every(({ committed }) => committed === seen[0]!.committed)) return "STALL";
  return lags.some((each, index) => index > 0 && each < lags[index - 1]!) ? "OK" : "WARN";
}

/**
 * Whether the partition has a consumer, or a rebalance is about to assign one.
 *
 * @param isAlive Whether the group's offsets move, with members or without.
 */
function isConsumed({ owner, state, members }: Seen, isAlive: boolean): boolean {
  return owner !== undefined || members === undefined || /Rebalanc|Assigning/.test(state) ||
    (members === 0 && isAlive);
}

/** The samples since the offset last moved backwards; all when it never did. */
function afterLastRewind(seen: readonly Seen[]): readonly Seen[] {
  for (let index = seen.length - 1; index > 0; index--) {
    const before = seen[index - 1]!.committed;
    const after = seen[index]!.committed;
    if (before !== undefined && after !== undefined && after < before) return seen.slice(index);
  }
  return seen;
}

function noteOf(sample: PartitionSample): string | undefined {
  if (sample.isLeaderless) return "it has no leader: the brokers that hold it are down";
  const { committed, logStart, end, stable, readableEnd } = sample;
  const notes: string[] = [];
  if (committed !== undefined && committed < 0n) {
    notes.push(
      `kafkajs committed ${committed}, which Kafka does not count as a commit: reading starts at ${logStart}`,
    );
  } else if (committed !== undefined && committed < logStart) {
    notes.push(
      `${logStart - committed} records after the committed offset were deleted by retention`,
    );
  } else if (committed !== undefined && committed > end) {
    notes.push(`the committed offset is beyond the end: the topic was recreated or lost records`);
  }
  if (readableEnd < stable && (positionOf(sample) ?? stable) < stable) {
    notes.push(`the last ${stable - readableEnd} offsets are markers or aborted records, not lag`);
  }
  if (stable < end) notes.push(`an open transaction holds back ${end - stable} offsets`);
  return notes.length === 0 ? undefined : notes.join("; ");
}

/** The change per second from the first point to the last. */
function rate(points: readonly (readonly [number, bigint])[]): number | undefined {
  const first = points[0];
  const last = points.at(-1);
  if (first === undefined || last === undefined || last[0] <= first[0]) return undefined;
  return Math.max(0, Number(last[1] - first[1])) / (last[0] - first[0]) * 1_000;
}

function drainSeconds(
  lag: number | undefined,
  produced: number | undefined,
  consumed: number | undefined,
): number | undefined {
  if (lag === 0) return 0;
  if (lag === undefined || produced === undefined || consumed === undefined) return undefined;
  return consumed > produced ? lag / (consumed - produced) : Infinity;
}

function difference(end: bigint, position: bigint): number {
  return end > position ? Number(end - position) : 0;
}

/** The highest of the known values; `undefined` when none is known. */
function maxOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

/** The sum of the known values; `undefined` when none is known. */
function sumOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
}
