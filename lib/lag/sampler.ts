/**
 * Sampling the lag of groups again and again.
 *
 * @module
 */
import { type GroupSample, type GroupStatus, groupStatus, WINDOW_SAMPLES } from "./verdict.ts";

/** Where samples come from; see `openLagReader` in lib/kafka. */
export interface SampleSource {
  /** The groups that read the topic, and how many of our own readers were left out. */
  groupsOfTopic(): Promise<{ groups: string[]; hidden: number }>;
  /** Takes a sample of each group. */
  sample(groups: readonly string[]): Promise<GroupSample[]>;
}

/** What the samples so far show. */
export interface SampledLag {
  /** When the last sample was taken, in milliseconds since the epoch. */
  timeMs: number;
  /** The groups, in the order of their names, or of the choice. */
  groups: GroupStatus[];
  /** The number of groups that only our own readers have. */
  hidden: number;
}

/** The number of samples that are kept of each group. */
const HISTORY_SAMPLES = 60;
/** With more groups than this, only the samples for the verdict are kept. */
const FEW_GROUPS = 200;
/** How long a group is shown that is no longer there, in milliseconds. */
const GONE_SHOWN_MS = 60_000;
/** The time between two searches for new groups, in milliseconds. */
const DISCOVERY_INTERVAL_MS = 5_000;

/**
 * Returns a function that takes a sample and returns what the samples so far show.
 *
 * @param chosen The groups to show; when it is empty, all that read the topic.
 */
export function lagSampler(source: SampleSource, chosen: string[]): () => Promise<SampledLag> {
  const history = new Map<string, GroupSample[]>();
  let groups = chosen;
  let hidden = 0;
  let discoveredMs = -Infinity;
  /** When each group was last there. */
  const seenMs = new Map<string, number>();
  return async () => {
    const timeMs = Date.now();
    if (chosen.length === 0 && timeMs - discoveredMs >= DISCOVERY_INTERVAL_MS) {
      const found = await source.groupsOfTopic();
      for (const group of found.groups) seenMs.set(group, timeMs);
      for (const [group, lastMs] of seenMs) {
        if (timeMs - lastMs <= GONE_SHOWN_MS) continue;
        seenMs.delete(group);
        history.delete(group);
      }
      groups = [...seenMs.keys()].sort();
      hidden = found.hidden;
      discoveredMs = timeMs;
    }
    const kept = groups.length > FEW_GROUPS ? WINDOW_SAMPLES : HISTORY_SAMPLES;
    const statuses = (await source.sample(groups)).map((sample) => {
      const samples = [...history.get(sample.group) ?? [], sample].slice(-kept);
      history.set(sample.group, samples);
      return groupStatus(samples);
    });
    return { timeMs, groups: statuses, hidden };
  };
}
