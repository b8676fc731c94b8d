/**
 * Reading settings of topics and brokers.
 *
 * @module
 */
import type { Admin } from "kafkajs";
import { isRetriable } from "./errors.ts";

/** The numbers that stand for topics and brokers in requests about settings. */
const RESOURCE_TYPES = { topic: 2, broker: 4 };

/**
 * Reads settings of several topics, or of several brokers, and returns their values in the order of
 * `settings`, by the name of the topic or the id of the broker.
 *
 * They need a right that nothing else needs: they are `undefined` without it.
 *
 * @throws {Error} When another attempt can help.
 */
export async function configValues(
  admin: Admin,
  kind: keyof typeof RESOURCE_TYPES,
  { names, settings }: { names: readonly string[]; settings: readonly string[] },
): Promise<Map<string, (string | undefined)[]>> {
  const values = new Map(
    names.map((name) => [name, settings.map((): string | undefined => undefined)]),
  );
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: names.map((name) => ({
        type: RESOURCE_TYPES[kind],
        name,
        configNames: [...settings],
      })),
    });
    for (const { resourceName, configEntries } of resources) {
      values.set(
        resourceName,
        settings.map((name) =>
          configEntries.find(({ configName }) => configName === name)?.configValue
        ),
      );
    }
  } catch (error) {
    if (isRetriable(error)) throw error;
  }
  return values;
}
