/**
 * What runs the programs elsewhere agrees with them: Containerfile, compose.yaml, docs/kubernetes.yaml
 * and docs/DEPLOY.md. Only reads files; no engine is needed.
 *
 * @module
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { parse, parseAllDocuments } from "yaml";
import config from "../../deno.json" with { type: "json" };
import { COMMON_FLAGS, flagName, parseFlags } from "../../lib/cli/flags.ts";
import { listenAddress } from "../../lib/listen_address.ts";
import { SECURITY_VARIABLES } from "../../lib/security_config.ts";
import {
  deadLetters,
  inventoryEvents,
  orderEvents,
  orderMetrics,
  stockLevels,
} from "../../lib/topics.ts";
import * as show from "../../show.ts";
import { FLAGS } from "../support/program_flags.ts";

// deno-lint-ignore no-explicit-any
type Yaml = any;

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
const containerfile = read("Containerfile");
const deployText = read("docs/DEPLOY.md");
const compose: Yaml = parse(read("compose.yaml"), { merge: true });
const manifests: Yaml[] = parseAllDocuments(read("docs/kubernetes.yaml")).map((each) => {
  assertEquals(each.errors, []);
  return each.toJS();
});

/** The entry point of the image, less tini: what a command inside of it begins with. */
const ENTRY_POINT: string[] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(containerfile)![1]!).slice(2);

/** The pods of the manifests, each with the object that makes it. */
const pods = manifests.flatMap((object): { object: Yaml; pod: Yaml }[] => {
  const template = object.spec?.jobTemplate?.spec.template ?? object.spec?.template;
  return template === undefined ? [] : [{ object, pod: template.spec }];
});

const services = Object.entries<Yaml>(compose.services).filter(([name]) => name !== "kafka");

/** The programs that the image has, by their tasks. */
function tasksOfImage(): { task: string; command: string; script: string }[] {
  const scripts = copied().filter((path) => path.endsWith(".ts"));
  return Object.entries(config.tasks).flatMap(([task, { command }]) => {
    const script = scripts.find((path) => command.endsWith(` ${path}`));
    return script === undefined ? [] : [{ task, command, script }];
  });
}

/** What the Containerfile copies. */
function copied(): string[] {
  return [...containerfile.matchAll(/^COPY (.*) \S+$/gm)].flatMap(([, paths]) => paths!.split(" "));
}

/** Parses a command as its program does. */
function requireCommand([task = "", ...words]: string[]): void {
  const command = `"${[task, ...words].join(" ")}"`;
  assert(tasksOfImage().some((each) => each.task === task), `${command}: not in the image`);
  if (words.includes("--help")) return;
  const { operands } = parseFlags(FLAGS[task]!, words);
  assert(operands.length === 0 || task === "show" && operands[0]! in show.commands, command);
}

Deno.test("Containerfile has the Deno of the README, and no other place has another one", () => {
  const [, version] = /^FROM docker\.io\/denoland\/deno:distroless-(\d+\.\d+\.\d+)$/m
    .exec(containerfile)!;
  for (const file of ["README.md", "CONTRIBUTING.md", ".ci/run"]) {
    const versions = [...read(file).matchAll(/deno@([\d.]*\d)/g)].map(([, each]) => each);
    assert(versions.length > 0);
    assertEquals(new Set(versions), new Set([version]), file);
  }
});

Deno.test("Containerfile copies all programs, and everything that they import", () => {
  const tasks = tasksOfImage();
  const names = tasks.map(({ task }) => task).sort();
  const all = ["acls", "analytics", "dashboard", "inventory", "lag", "produce", "replay", "show"];
  assertEquals(names, all);
  for (const { command } of tasks) {
    const [, set] = / -P=(\w+) /.exec(command)!;
    assert(set! in config.permissions, command);
  }
  const cached = /"--entrypoint", (.*)\]$/m.exec(containerfile)![1]!;
  const scripts = tasks.map(({ script }) => script).sort();
  assertEquals(JSON.parse(`[${cached}]`).sort(), scripts);

  const folders = copied().filter((path) => path.endsWith("/"));
  const isThere = (path: string) =>
    (copied().includes(path) || folders.some((folder) => path.startsWith(folder))) &&
    !path.endsWith("_test.ts");
  const seen = new Set<string>();
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    assert(isThere(path), `the Containerfile does not copy ${path}`);
    if (!path.endsWith(".ts")) return;
    const imports = read(path).matchAll(/(?:\bfrom|^import|\bimport\()\s*["'](\.[^"']+)["']/gm);
    for (const [, from] of imports) {
      visit(new URL(from!, new URL(path, ROOT)).href.slice(ROOT.href.length));
    }
  };
  scripts.forEach(visit);
  assert(seen.size > 50);
  for (const { href } of config.links.map((link) => new URL(link, ROOT))) {
    assert(folders.some((folder) => href.slice(ROOT.href.length).startsWith(folder)), href);
  }
});

Deno.test(".dockerignore lets through what the Containerfile copies", () => {
  const [all, ...rules] = read(".dockerignore").split("\n").filter((line) => /^[^#]/.test(line));
  assertEquals(all, "*");
  const allowed = rules.filter((rule) => rule.startsWith("!/")).map((rule) => rule.slice(2));
  const isAllowed = (path: string) =>
    allowed.some((rule) => rule === path || rule === "*.ts" && /^\w+\.ts$/.test(path));
  assertEquals(copied().filter((path) => !isAllowed(path)), []);
});

Deno.test("compose.yaml runs commands of the image, with flags that they have", () => {
  assertEquals(services.map(([name]) => name), ["producer", "inventory", "analytics", "dashboard"]);
  for (const [name, { command, healthcheck }] of services) {
    requireCommand(command);
    if (name === "producer") continue;
    const [cmd, ...check] = healthcheck.test;
    assertEquals([cmd, check[0], check[1]], ["CMD", ENTRY_POINT[0], "eval"]);
    assertStringIncludes(check.at(-1), `fetch('http://127.0.0.1:${portOf(command)}/readyz')`);
  }
});

/** The port at which a command makes its program listen, for other machines too. */
function portOf(command: string[]): number {
  const { hostname, port } = listenAddress(command[command.indexOf("--listen") + 1]!);
  assertEquals(hostname, "0.0.0.0");
  return port;
}

Deno.test("compose.yaml starts the programs with its profile only, and without privileges", () => {
  assertEquals(compose.services.kafka.profiles, undefined);
  for (const [name, service] of services) {
    const { profiles, read_only, cap_drop, security_opt, ports, command } = service;
    assertEquals(
      { profiles, read_only, cap_drop, security_opt, ports },
      {
        profiles: ["service"],
        read_only: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges:true"],
        // Only the page is published, on loopback.
        ports: name === "dashboard" ? [`127.0.0.1:8080:${portOf(command)}`] : undefined,
      },
      name,
    );
    assert(service.mem_limit !== undefined);
    assertEquals(service.build, { context: ".", dockerfile: "Containerfile" });
  }
});

Deno.test("compose.yaml has a listener for the machine, on loopback, and one for containers", () => {
  const { ports, environment } = compose.services.kafka;
  const listeners = (text: string) =>
    Object.fromEntries(text.split(",").map((each) => each.split("://")));
  const advertised = listeners(environment.KAFKA_ADVERTISED_LISTENERS);
  assertEquals(ports, ["127.0.0.1:9092:9092"]);
  assertEquals(advertised, { PLAINTEXT: "127.0.0.1:9092", INTERNAL: "kafka:19092" });
  const { CONTROLLER: controller, ...others } = listeners(environment.KAFKA_LISTENERS);
  assert(controller.startsWith("127.0.0.1:"));
  assertEquals(others, { PLAINTEXT: "0.0.0.0:9092", INTERNAL: "0.0.0.0:19092" });
  for (const [name, service] of services) {
    assertEquals(service.environment.KAFKA_BROKERS, advertised.INTERNAL, name);
  }
});

Deno.test("kubernetes.yaml runs commands of the image, with flags that they have", () => {
  assertEquals(pods.length, 5);
  for (const { object, pod: { containers: [container] } } of pods) {
    requireCommand(container.args);
    if (object.kind !== "Deployment") continue;
    const { args, ports: [{ name: port, containerPort }], livenessProbe, readinessProbe } =
      container;
    assertEquals(containerPort, portOf(args));
    assertEquals(livenessProbe.httpGet, { path: "/livez", port });
    assertEquals(readinessProbe.httpGet, { path: "/readyz", port });
  }
});

Deno.test("kubernetes.yaml has the image's version and user, and no privileges", () => {
  const user = Number(/^USER (\d+):\1$/m.exec(containerfile)![1]);
  for (const { pod } of pods) {
    const [container] = pod.containers;
    assert(container.image.endsWith(`/order-stream:${config.version}`), container.image);
    assertEquals(pod.securityContext, {
      runAsNonRoot: true,
      runAsUser: user,
      runAsGroup: user,
      fsGroup: user,
      seccompProfile: { type: "RuntimeDefault" },
    });
    assertEquals(container.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    assert(container.resources.limits.memory !== undefined);
  }
});

Deno.test("kubernetes.yaml fits together: labels, secrets, variables, replicas", () => {
  const kind = (name: string) => manifests.filter((object) => object.kind === name);
  const [{ data }] = kind("ConfigMap");
  const common = Object.values(COMMON_FLAGS).flatMap((flag) => "env" in flag ? [flag.env] : []);
  const known = [...common, ...Object.keys(SECURITY_VARIABLES)];
  assertEquals(Object.keys(data).filter((name) => !known.includes(name)), []);
  for (const { pod: { containers: [{ envFrom, env, volumeMounts }], volumes } } of pods) {
    assertEquals(envFrom, [{ configMapRef: { name: kind("ConfigMap")[0].metadata.name } }]);
    const login = volumes.find((volume: Yaml) => volume.name === "login");
    assertEquals(env[0].valueFrom.secretKeyRef.name, login.secret.secretName);
    const paths = volumeMounts.map((mount: Yaml) => mount.mountPath);
    for (const name of ["KAFKA_SASL_PASSWORD_FILE", "KAFKA_SSL_CA_FILE"]) {
      assert(paths.some((path: string) => data[name].startsWith(`${path}/`)), name);
    }
  }
  for (const { spec, metadata } of kind("Deployment")) {
    const labels = spec.template.metadata.labels;
    assert(spec.replicas <= orderEvents("").partitions);
    // A program ends within five seconds.
    assert(spec.template.spec.terminationGracePeriodSeconds > 5);
    assertEquals(spec.selector, { matchLabels: labels });
    // A budget of one instance would stop the node from being drained.
    if (spec.replicas === 1) continue;
    const budget = kind("PodDisruptionBudget").find((each) => each.metadata.name === metadata.name);
    const [spread] = spec.template.spec.topologySpreadConstraints;
    for (const selector of [budget.spec.selector, spread.labelSelector]) {
      assertEquals(selector, { matchLabels: labels });
    }
  }
});

Deno.test("kubernetes.yaml leads to the page, and lets in only whom its policy names", () => {
  const page = manifests.find(({ kind, metadata }) =>
    kind === "Deployment" && metadata.name === "order-stream-dashboard"
  );
  const { labels } = page.spec.template.metadata;
  const [{ name: port }] = page.spec.template.spec.containers[0].ports;
  const ofKind = (name: string) => manifests.filter(({ kind }) => kind === name);
  const [service, ...services] = ofKind("Service");
  assertEquals(service.spec.selector, labels);
  assertEquals(service.spec.ports.map((each: Yaml) => each.targetPort), [port]);
  // Inside of the cluster only: no node port, no load balancer.
  assertEquals([service.spec.type, services, ofKind("Ingress")], [undefined, [], []]);
  const [policy] = ofKind("NetworkPolicy");
  assertEquals(policy.spec.podSelector, { matchLabels: labels });
  assertEquals(policy.spec.policyTypes, ["Ingress"]);
  for (const { from, ports } of policy.spec.ingress) {
    assert(from.length > 0);
    assertEquals(ports, [{ port }]);
  }
});

Deno.test("DEPLOY.md's commands run, with flags that the programs have", () => {
  const commands = [
    ...deployText.matchAll(/docker run --rm order-stream (.*)$/gm),
    ...deployText.matchAll(/compose --profile service run --rm \w+ (.*)$/gm),
    ...deployText.matchAll(/deno task (acls .*)$/gm),
    ...deployText.matchAll(/`((?:lag|replay) --[^`]*)`/g),
  ].map(([, command]) => command!.replace(" …", " analytics").split(" "));
  const inJson = deployText.matchAll(/\.args = (\[.*?\])/g);
  commands.push(...[...inJson].map(([, words]) => JSON.parse(words!)));
  assert(commands.length >= 10);
  for (const command of commands) requireCommand(command);
  const prose = deployText.replace(/```.*?```/gs, "");
  const named = [...prose.matchAll(/`([^`]*)`/g)].map(([, code]) => code!)
    .filter((code) => !code.startsWith("kubectl"))
    .flatMap((code) => [...code.matchAll(/--[a-z-]+/g)].map(([flag]) => flag));
  const flags = Object.values(FLAGS).flatMap((each) => Object.keys(each).map(flagName));
  assert(named.length > 10);
  assertEquals(named.filter((flag) => !flags.includes(flag)), []);
});

Deno.test("DEPLOY.md creates the topics as the programs do", () => {
  const topics = [
    orderEvents(""),
    inventoryEvents(""),
    stockLevels("inventory"),
    orderMetrics("analytics"),
    deadLetters(""),
  ];
  for (const { name, partitions, settings } of topics) {
    const configs = Object.entries(settings).map(([key, value]) => ` --config ${key}=${value}`);
    assertStringIncludes(
      deployText,
      ` --create --topic ${name} --partitions ${partitions}${configs.join("")}\n`,
    );
  }
});
