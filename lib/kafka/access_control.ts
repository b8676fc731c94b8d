/**
 * Access control of the brokers: reading and adding lists of rights, and passwords of users.
 *
 * @module
 */
import type { AclEntry, Admin } from "kafkajs";
import type { AccessRule, Operation, Resource } from "../access_rules.ts";
import {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  ResourcePatternTypes,
} from "./kafkajs/mod.ts";

export { setScramPasswords } from "./kafkajs/scram_users.ts";

/** A right of a principal, such as `User:analytics`. */
export interface Grant {
  principal: string;
  rule: AccessRule;
}

const OPERATIONS: Record<Operation, AclOperationTypes> = {
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
  Create: AclOperationTypes.CREATE,
  Alter: AclOperationTypes.ALTER,
  Delete: AclOperationTypes.DELETE,
  Describe: AclOperationTypes.DESCRIBE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
};
const KINDS: Record<Resource["kind"], AclResourceTypes> = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  "transactional id": AclResourceTypes.TRANSACTIONAL_ID,
};
/** From wherever the principal connects. */
const ANY_HOST = "*";

/**
 * Those of the grants that the brokers do not have yet, word for word: a wider one that includes
 * another is not looked for.
 *
 * @throws {Error} When the brokers have no authorizer, or the right Describe on the cluster is missing.
 */
export async function missingGrants(admin: Admin, grants: readonly Grant[]): Promise<Grant[]> {
  const principals = new Set(grants.map(({ principal }) => principal));
  const known = new Set<string>();
  for (const principal of principals) {
    const { resources } = await admin.describeAcls({
      principal,
      host: ANY_HOST,
      resourceType: AclResourceTypes.ANY,
      resourcePatternType: ResourcePatternTypes.ANY,
      operation: AclOperationTypes.ANY,
      permissionType: AclPermissionTypes.ALLOW,
    });
    for (const { acls, ...resource } of resources) {
      for (const acl of acls) known.add(idOf({ ...resource, ...acl }));
    }
  }
  return grants.filter((grant) => !known.has(idOf(entryOf(grant))));
}

/** Adds grants; those that exist stay as they are. */
export async function addGrants(admin: Admin, grants: readonly Grant[]): Promise<void> {
  if (grants.length > 0) await admin.createAcls({ acl: grants.map(entryOf) });
}

/** A grant as kafkajs writes it. */
export function entryOf({ principal, rule: { operation, resource } }: Grant): AclEntry {
  return {
    principal,
    host: ANY_HOST,
    operation: OPERATIONS[operation],
    permissionType: AclPermissionTypes.ALLOW,
    resourceType: KINDS[resource.kind],
    resourceName: resource.name,
    resourcePatternType: resource.isPrefix
      ? ResourcePatternTypes.PREFIXED
      : ResourcePatternTypes.LITERAL,
  };
}

function idOf(entry: Omit<AclEntry, "host" | "permissionType">): string {
  const { principal, operation, resourceType, resourcePatternType, resourceName } = entry;
  return JSON.stringify([principal, operation, resourceType, resourcePatternType, resourceName]);
}
