/**
 * The cluster object of an admin client, for requests that kafkajs does not know.
 *
 * @module
 */
import type { Cluster } from "./cluster.ts";

/** The function that kafkajs's module `admin` exports: it creates an admin client. */
export type CreateAdmin = (parts: { cluster: Cluster }) => object;

const clusters = new WeakMap<object, Cluster>();

/** Creates the function from the original, whose clients keep their cluster to themselves. */
export function rememberingClusters(original: CreateAdmin): CreateAdmin {
  return (parts) => {
    const admin = original(parts);
    clusters.set(admin, parts.cluster);
    return admin;
  };
}

/** The cluster of an admin client. */
export function clusterOf(admin: object): Cluster {
  return clusters.get(admin)!;
}
