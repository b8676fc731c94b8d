/**
 * Faults of the programs: killed, stopped, suspended, with a wrong clock.
 *
 * @module
 */
import { assertStringIncludes } from "@std/assert";
import { delay } from "../../../lib/async.ts";
import { type Scene, SERVICES } from "../../support/scene.ts";
import type { Fault, Form } from "./fault.ts";

export const killedServices: Fault = {
  summary: "kill -9 and SIGTERM of both services",
  run: killServices,
};

async function killServices(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (let round = 0; round < (isLong ? 5 : 1); round++) {
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      await Promise.all(SERVICES.map((name) => scene.replace(name, 0, signal)));
      await scene.recovered(signal);
    }
  }
}

export const bouncedConsumers: Fault = {
  summary: "three instances of each service restarted one by one, and all at once",
  run: bounceConsumers,
};

async function bounceConsumers(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin(3);
  for (let round = 0; round < (isLong ? 3 : 1); round++) {
    for (let i = 0; i < (isLong ? 3 : 1); i++) {
      await Promise.all(SERVICES.map((name) => scene.replace(name, 0, "SIGTERM")));
    }
    await scene.recovered("restarted one by one");
    await Promise.all(
      SERVICES.flatMap((name) =>
        // A copy: replacing changes the list.
        [...scene.instances[name]].map(() => scene.replace(name, 0, "SIGKILL"))
      ),
    );
    await scene.recovered("killed all at once");
  }
}

export const sixInstances: Fault = {
  summary: "six instances, one killed each 3 s for two minutes",
  run: killSixInstances,
};

async function killSixInstances(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin(3);
  for (let kill = 0; kill < (isLong ? 40 : 3); kill++) {
    if (kill > 0) await delay(isLong ? 3_000 : 1_000, { signal: scene.signal });
    await scene.replace(scene.pick(SERVICES), scene.below(3), "SIGKILL");
  }
  await scene.recovered("the last of the kills");
}

export const zombies: Fault = {
  summary: "an instance of each service suspended for 30 s, three times",
  run: suspendInstances,
};

async function suspendInstances(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin(2);
  for (let round = 0; round < (isLong ? 3 : 1); round++) {
    const index = scene.below(2);
    const suspended = SERVICES.map((name) => scene.instances[name][index]!);
    suspended.forEach(({ kill }) => kill("SIGSTOP"));
    try {
      await Promise.all([
        delay(isLong ? 30_000 : 8_000, { signal: scene.signal }),
        // The sessions of the suspended end after six seconds.
        scene.recovered("suspended: the others take over"),
      ]);
    } finally {
      suspended.forEach(({ kill }) => kill("SIGCONT"));
    }
    await scene.recovered("resumed");
  }
}

const DAY_MS = 86_400_000;

export const wrongClock: Fault = {
  summary: "instances whose clocks are a day behind and a day ahead",
  run: shiftClocks,
};

async function shiftClocks(scene: Scene, { isLong }: Form): Promise<void> {
  await scene.begin();
  for (const name of SERVICES) scene.add(name, { clockShiftMs: -DAY_MS });
  await scene.recovered("one instance is a day behind");
  await Promise.all(SERVICES.map((name) => scene.end(name, 0, "SIGTERM")));
  await scene.recovered("all instances are a day behind");
  if (isLong) await delay(10_000, { signal: scene.signal });
  // Brokers refuse records that are more than an hour ahead (log.message.timestamp.after.max.ms).
  for (const name of SERVICES) {
    const stderr = await scene.addThatEnds(name, { clockShiftMs: DAY_MS });
    assertStringIncludes(stderr, "the clocks of this machine and of the brokers differ");
  }
  await scene.recovered("instances a day ahead have ended");
}

/** Kills an instance of a service at random. */
export async function killAny(scene: Scene): Promise<void> {
  const name = scene.pick(SERVICES);
  await scene.replace(name, scene.below(scene.instances[name].length), scene.pick(SIGNALS));
}

const SIGNALS = ["SIGKILL", "SIGTERM"] as const;
