import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { DaemonId, daemonPid, removeLogs, startDaemon, stopDaemon } from "../lib/daemon";
import { canInstall, ensureCommand, findCommand } from "../lib/debian";
import { messageOf, UserError } from "../lib/errors";
import { readIfThere } from "../lib/files";
import { withLock } from "../lib/lock";
import { cacheRoot, runRoot } from "../lib/paths";
import { waitFor } from "../lib/process";
import { docker, Engine, findEngine } from "./engine";
import { probe, REGISTRY } from "./registryApi";

const NAME = "registry";
const BINARY = "docker-registry";
/** Name of the registry where it runs as a container. */
export const CONTAINER = "distributed-patterns-registry";
const LOCK = join(runRoot, "registry.lock");

/**
 * Makes sure that a registry answers at 127.0.0.1:5001: the one that does already, else a `docker-registry` process,
 * else (where Docker is the user's own) a container of the image `registry:2`. It goes on after this command.
 *
 * @throws UserError when the port is taken by something else, or no registry can be had
 */
export async function ensureRegistry(): Promise<void> {
    if (await answers()) return;
    await withLock(LOCK, async () => {
        if (await answers()) return;
        if (await findCommand(BINARY)) return startProcess();
        const engine = await findEngine();
        if (engine && !engine.private) return startContainer(engine);
        if (!(await canInstall())) {
            throw new UserError(
                `no image registry at ${REGISTRY}`,
                `start Docker, or install the package ${BINARY}, or run this as root on Debian or Ubuntu`,
            );
        }
        return startProcess();
    });
}

/** Stops the registry that `ensureRegistry` started, and keeps what it stores; false if none was running. */
export function stopRegistry(): Promise<boolean> {
    return withLock(LOCK, async () => {
        if (await stopDaemon(daemonOf(NAME))) return true;
        const engine = await findEngine();
        if (!engine || engine.private) return false;
        const { stdout } = await docker(engine, ["ps", "--quiet", "--filter", `name=^${CONTAINER}$`]);
        if (!stdout.trim()) return false;
        await docker(engine, ["stop", CONTAINER]);
        return true;
    });
}

/**
 * A second registry process that serves the same storage read-only at another address, for a cluster whose network
 * does not reach 127.0.0.1 here. Called again with the same arguments it finds the running one.
 *
 * @param address `host:port` to listen at; the host must be an address of this machine
 * @param name unique among replicas; goes into the names of its record and log
 * @throws UserError when the registry at 127.0.0.1:5001 is not a process of ours, or the address cannot be listened at
 */
export async function startReadOnlyReplica(address: string, name: string): Promise<void> {
    await ensureRegistry();
    return withLock(LOCK, async () => {
        if (daemonPid(daemonOf(NAME)) === undefined) {
            throw new UserError(
                `the registry at ${REGISTRY} was not started by this project, so its storage cannot be served at ${address}`,
                "stop it, and run this again",
            );
        }
        const daemon = `${NAME}-${name}`;
        const config = registryConfig({
            address,
            storage: storageOf(readFileSync(configFile(NAME), "utf8")),
            readOnly: true,
        });
        const running = daemonPid(daemonOf(daemon));
        const same = running !== undefined && readIfThere(configFile(daemon)) === config;
        if (same && (await probe(address)) === "registry") return;
        await stopDaemon(daemonOf(daemon));
        if ((await probe(address)) !== "nothing") throw portTaken(address);
        await launch(daemon, address, config);
    });
}

/** Stops a read-only replica and removes its files; false if it was not running. */
export function stopReadOnlyReplica(name: string): Promise<boolean> {
    return withLock(LOCK, async () => {
        const daemon = daemonOf(`${NAME}-${name}`);
        const stopped = await stopDaemon(daemon);
        removeLogs(daemon);
        rmSync(configFile(daemon.name), { force: true });
        return stopped;
    });
}

/** Configuration of a registry process. */
export function registryConfig(options: { address: string; storage: string; readOnly: boolean }): string {
    const { address, storage, readOnly } = options;
    // No descriptor cache: two processes serve one storage, and one of them deletes.
    return `version: 0.1
log: { level: warn, accesslog: { disabled: true } }
storage:
  filesystem: { rootdirectory: ${JSON.stringify(storage)} }
  delete: { enabled: ${!readOnly} }
  maintenance:
    readonly: { enabled: ${readOnly} }
    uploadpurging: { enabled: ${!readOnly}, age: 24h, interval: 24h, dryrun: false }
http: { addr: ${JSON.stringify(address)} }
`;
}

/** The storage directory that a configuration made by `registryConfig` names. */
export function storageOf(config: string): string {
    return JSON.parse(/rootdirectory: (".*") }/.exec(config)![1]) as string;
}

async function answers(): Promise<boolean> {
    const found = await probe(REGISTRY);
    if (found === "other") throw portTaken(REGISTRY);
    return found === "registry";
}

function portTaken(address: string): UserError {
    return new UserError(
        `${address} is taken by something that is not an image registry`,
        "stop that, and run this again",
    );
}

async function startProcess(): Promise<void> {
    const storage = join(cacheRoot, "registry");
    mkdirSync(storage, { recursive: true });
    await stopDaemon(daemonOf(NAME));
    await launch(NAME, REGISTRY, registryConfig({ address: REGISTRY, storage, readOnly: false }));
}

async function launch(daemon: string, address: string, config: string): Promise<void> {
    const command = await ensureCommand(BINARY, BINARY);
    mkdirSync(runRoot, { recursive: true });
    writeFileSync(configFile(daemon), config);
    await startDaemon(
        { ...daemonOf(daemon), command: [command, "serve", configFile(daemon)] },
        { check: async () => (await probe(address)) === "registry" },
    );
}

async function startContainer(engine: Engine): Promise<void> {
    const { stdout } = await docker(engine, ["ps", "--all", "--quiet", "--filter", `name=^${CONTAINER}$`]);
    const options = ["--name", CONTAINER, "--restart=unless-stopped", `--publish=${REGISTRY}:5000`];
    const settings = ["--env", "REGISTRY_STORAGE_DELETE_ENABLED=true"];
    try {
        if (stdout.trim()) await docker(engine, ["start", CONTAINER]);
        else await docker(engine, ["run", "--detach", ...options, ...settings, "registry:2"]);
    } catch (error) {
        const reason = messageOf(error).split("\n").at(-1);
        throw new UserError(
            `no image registry at ${REGISTRY}: Docker could not start registry:2 (${reason})`,
            `install the package ${BINARY}`,
        );
    }
    await waitFor(`registry at ${REGISTRY}`, async () => (await probe(REGISTRY)) === "registry", { timeoutMs: 30_000 });
}

function daemonOf(name: string): DaemonId & { logFile: string } {
    return { name, directory: runRoot, logFile: join(cacheRoot, "logs", `${name}.log`) };
}

function configFile(daemon: string): string {
    return join(runRoot, `${daemon}.yml`);
}
