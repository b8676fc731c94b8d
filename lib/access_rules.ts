/**
 * What each program needs to be permitted by the brokers, as access control lists (ACLs) of Kafka.
 *
 * A right includes others: Read, Write, Alter and Delete include Describe
 * (https://kafka.apache.org/documentation/#operations_in_kafka).
 *
 * @module
 */
import {
  DASHBOARD_GROUP,
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  RESEND_GROUP,
  resendProgress,
  SHOW_GROUP,
  STATE_TOPICS,
  stockLevels,
  transactionalId,
} from "./topics.ts";

/** What is permitted, by its name in Kafka's documentation. */
export type Operation =
  | "Read"
  | "Write"
  | "Create"
  | "Alter"
  | "Delete"
  | "Describe"
  | "DescribeConfigs";

/** What a right is about. */
export interface Resource {
  /** What kind of name it is. */
  kind: "topic" | "group" | "transactional id";
  /** The name, or its beginning. */
  name: string;
  /** Whether all names that begin with this one are meant. A literal name `*` stands for all. */
  isPrefix: boolean;
}

/** A right that a program has. */
export interface AccessRule {
  /** What it may do. */
  operation: Operation;
  /** With what. */
  resource: Resource;
  /** What the program does without it; it fails when this is missing. */
  otherwise?: string;
}

/** The programs by the rights that they need; `resend` is `show dead-letters --resend`. */
export const PROGRAMS = [
  "producer",
  "inventory",
  "analytics",
  "lag",
  "replay",
  "show",
  "resend",
  "dashboard",
] as const;

/** One of the programs. */
export type Program = typeof PROGRAMS[number];

/** The groups whose work a program does or looks at, unless others are named; without the prefix. */
export const GROUPS: Record<Program, readonly string[]> = {
  producer: [],
  inventory: ["inventory"],
  analytics: ["analytics"],
  lag: [],
  replay: ["inventory", "analytics"],
  show: ["analytics"],
  resend: [],
  dashboard: ["analytics", "inventory"],
};

/** For what the rights are. */
export interface AccessScope {
  /** Stands before every topic, group and transactional id. */
  topicPrefix: string;
  /** The groups of the program, without the prefix. */
  groups: readonly string[];
  /** Whether the program may create the topics that it writes to. */
  mayCreate: boolean;
}

/** The least that a program needs. */
export function accessRules(program: Program, scope: AccessScope): AccessRule[] {
  const { topicPrefix } = scope;
  const groups = scope.groups.map((group) => topicPrefix + group);
  switch (program) {
    case "producer":
      return writing(orderEvents(topicPrefix).name, scope);
    case "inventory":
      return groups.flatMap((group) => [
        ...serviceRules("inventory", group, scope),
        ...writing(inventoryEvents(topicPrefix).name, scope),
      ]);
    case "analytics":
      return groups.flatMap((group) => serviceRules("analytics", group, scope));
    case "lag":
      return [
        rule("Read", topic(orderEvents(topicPrefix).name)),
        rule("Describe", groupsOf(topicPrefix)),
      ];
    case "replay":
      return [
        rule("Read", topic(orderEvents(topicPrefix).name)),
        ...groups.flatMap((group) =>
          replayRules(group, {
            topicPrefix,
            // Only metrics can be verified, and the usual group of inventory has none.
            hasMetrics: group !== topicPrefix + GROUPS.inventory[0],
          })
        ),
      ];
    case "show":
      return [
        ...[orderEvents, inventoryEvents, deadLetters].map((of) =>
          rule("Read", topic(of(topicPrefix).name))
        ),
        ...groups.map((group) => rule("Read", topic(orderMetrics(group).name))),
        rule("Read", groupsFrom(`${topicPrefix}${SHOW_GROUP}-`)),
      ];
    case "resend":
      return resendRules(scope);
    case "dashboard":
      return [
        rule("Read", topic(orderEvents(topicPrefix).name)),
        ...writing(orderEvents(topicPrefix).name, scope),
        ...[inventoryEvents, deadLetters].map((of) => rule("Read", topic(of(topicPrefix).name))),
        ...groups.map((group) => rule("Read", topic(shownState(group, topicPrefix)))),
        rule("Read", groupsFrom(`${topicPrefix}${DASHBOARD_GROUP}-`)),
        // The brokers list only groups that may be described.
        rule(
          "Describe",
          groupsOf(topicPrefix),
          "it shows no lag and not how far an order has come",
        ),
      ];
  }
}

/** The state of a group: stock levels of inventory, by its usual name, and metrics of the others. */
function shownState(group: string, topicPrefix: string): string {
  const isInventory = group === topicPrefix + GROUPS.inventory[0];
  return (isInventory ? stockLevels : orderMetrics)(group).name;
}

/** A service in one group. */
function serviceRules(
  kind: "inventory" | "analytics",
  groupName: string,
  scope: AccessScope,
): AccessRule[] {
  const orders = orderEvents(scope.topicPrefix).name;
  const state = STATE_TOPICS[kind]!(groupName).name;
  const others = Object.values(STATE_TOPICS).map((of) => of(groupName).name)
    .filter((name) => name !== state);
  return [
    rule("Read", topic(orders)),
    ...creating(orders, scope),
    ...working(groupName, orders),
    rule("Read", topic(state)),
    ...writing(state, scope),
    ...(scope.mayCreate
      ? [rule("Alter", topic(state), "it stops once the orders have more partitions")]
      : []),
    ...writing(deadLetters(scope.topicPrefix).name, scope),
    // A group belongs to one kind of service, which the topic of its state shows.
    ...others.map((name) => rule("Describe", topic(name))),
  ];
}

/** Moving the offsets of a group, and counting again what it has counted. */
function replayRules(
  groupName: string,
  { topicPrefix, hasMetrics }: { topicPrefix: string; hasMetrics: boolean },
): AccessRule[] {
  const metrics = topic(orderMetrics(groupName).name);
  const verifying = groupsFrom(`${groupName}-verify-`);
  return [
    rule("Read", group(groupName)),
    transacting(groupName, orderEvents(topicPrefix).name),
    // Whether the group has metrics is looked up in any case.
    rule(hasMetrics ? "Read" : "Describe", metrics),
    ...(hasMetrics
      ? [
        rule("Read", verifying),
        rule("Delete", verifying, "the group of --verify stays until the brokers forget it"),
      ]
      : []),
  ];
}

function resendRules(scope: AccessScope): AccessRule[] {
  const { topicPrefix } = scope;
  const letters = deadLetters(topicPrefix).name;
  const groupName = topicPrefix + RESEND_GROUP;
  const progress = resendProgress(groupName).name;
  return [
    rule("Read", topic(letters)),
    ...working(groupName, letters),
    rule("Read", topic(progress)),
    ...writing(progress, scope),
    ...writing(orderEvents(topicPrefix).name, { mayCreate: false }),
  ];
}

/** Being a member of a group and committing in transactions, with the temporary groups of its readers. */
function working(groupName: string, source: string): AccessRule[] {
  return [
    rule("Read", group(groupName)),
    rule("Read", groupsFrom(`${groupName}-`)),
    transacting(groupName, source),
  ];
}

/** The transactional ids of a group's work on a topic. */
function transacting(groupName: string, source: string): AccessRule {
  const name = transactionalId(groupName, source, 0).replace(/\d+$/, "");
  return rule("Write", { kind: "transactional id", name, isPrefix: true });
}

function writing(name: string, { mayCreate }: Pick<AccessScope, "mayCreate">): AccessRule[] {
  return [
    rule("Write", topic(name)),
    ...(mayCreate ? [rule("Create", topic(name), "it stops if the topic does not exist")] : []),
    rule("DescribeConfigs", topic(name), "it takes the topic for one that has no settings"),
  ];
}

function creating(name: string, { mayCreate }: Pick<AccessScope, "mayCreate">): AccessRule[] {
  return mayCreate ? [rule("Create", topic(name), "it stops if the topic does not exist")] : [];
}

function rule(operation: Operation, resource: Resource, otherwise?: string): AccessRule {
  return { operation, resource, ...(otherwise !== undefined && { otherwise }) };
}

function topic(name: string): Resource {
  return { kind: "topic", name, isPrefix: false };
}

function group(name: string): Resource {
  return { kind: "group", name, isPrefix: false };
}

/** All groups that have the prefix. */
function groupsOf(topicPrefix: string): Resource {
  return topicPrefix === "" ? group("*") : groupsFrom(topicPrefix);
}

function groupsFrom(name: string): Resource {
  return { kind: "group", name, isPrefix: true };
}
