/**
 * Users and rights of a secured development broker.
 *
 * Permissions: `--allow-net=127.0.0.1`, and those of secure.ts.
 *
 * @module
 */
import { accessRules, GROUPS, PROGRAMS } from "../lib/access_rules.ts";
import { addGrants, missingGrants, setScramPasswords } from "../lib/kafka/access_control.ts";
import { kafkaClient, withAdmin } from "../lib/kafka/client.ts";
import type { ClusterView } from "../lib/kafka/probe.ts";
import type { KafkaSettings } from "../lib/kafka/settings.ts";
import { type BrokerSecrets, brokerSecurity, newUsers, writeUser } from "./secure.ts";

/** Asks a node for its cluster, as its own user; `undefined` when it does not answer. */
export async function viewSecuredCluster(
  address: string,
  secrets: BrokerSecrets,
): Promise<ClusterView | undefined> {
  const admin = kafkaClient(settingsOf([address], secrets), 0).admin();
  try {
    await admin.connect();
    const { clusterId, brokers } = await admin.describeCluster();
    return { clusterId, nodeIds: brokers.map(({ nodeId }) => nodeId) };
  } catch {
    return undefined;
  } finally {
    await admin.disconnect().catch(() => {});
  }
}

/**
 * Gives each program a user of its own with the least rights that it needs; what is there already
 * stays.
 *
 * @param options.dataDir Where the files of the users are written, once the brokers know them.
 */
export async function setUpUsers(
  brokers: string,
  { dataDir, secrets, signal }: {
    dataDir: string;
    secrets: BrokerSecrets;
    signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const settings = settingsOf(brokers.split(","), secrets);
  const grants = PROGRAMS.flatMap((program) =>
    accessRules(program, { topicPrefix: "", groups: GROUPS[program], mayCreate: true })
      .map((rule) => ({ principal: `User:${program}`, rule }))
  );
  await withAdmin(settings, signal ?? new AbortController().signal, async (admin) => {
    const users = await newUsers(dataDir);
    if (users.length > 0) await setScramPasswords(admin, users);
    for (const user of users) await writeUser(dataDir, user);
    await addGrants(admin, await missingGrants(admin, grants));
  });
}

function settingsOf(brokers: string[], secrets: BrokerSecrets): KafkaSettings {
  return {
    ...{ brokers, clientId: "order-stream-broker", security: brokerSecurity(secrets) },
    ...{ timeoutMs: 30_000, verbose: false, note: () => {} },
  };
}
