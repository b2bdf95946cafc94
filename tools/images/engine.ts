import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { startDaemon, stopDaemon } from "../lib/daemon";
import { canInstall, ensureCommand, findCommand } from "../lib/debian";
import { UserError } from "../lib/errors";
import { withLock } from "../lib/lock";
import { cacheRoot, runRoot } from "../lib/paths";
import { CommandError, run, RunOptions, waitFor, which } from "../lib/process";
import { isAlive } from "../lib/processId";

const NAME = "dockerd";
const DAEMON = { name: NAME, directory: runRoot };
const SOCKET = join(runRoot, "docker.sock");
/** No name of a cluster, whose directories are beside it. */
const EXEC_ROOT = join(runRoot, "docker.exec");
const ENGINE_PACKAGE = "docker.io";
/** The engine must find the containerd and runc of its own package, not others that stand first on PATH. */
const PACKAGED_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** A Docker engine that answers. */
export interface Engine {
    /** Docker client to use with it. */
    client: string;
    /** Its address; undefined for the one the client finds by itself. */
    host?: string;
    /** Started by us; it has no network of its own and nothing to pull from. */
    private: boolean;
    version: string;
}

/**
 * The engine that this user's Docker client reaches, or the private one if it runs; undefined when none answers.
 * Starts nothing.
 *
 * @throws UserError when DOCKER_HOST is set and does not answer, because another engine is not what was asked for
 */
export async function findEngine(): Promise<Engine | undefined> {
    const client = await which("docker");
    if (client) {
        const version = await versionOf(client);
        if (version) return { client, private: false, version };
        if (process.env.DOCKER_HOST) {
            throw new UserError(
                `DOCKER_HOST=${process.env.DOCKER_HOST} does not answer`,
                "start that engine, or unset DOCKER_HOST",
            );
        }
    }
    return findPrivate();
}

/**
 * A Docker engine: the one that answers, else a private one that is started now and goes on after this command.
 * A second call finds the same engine.
 *
 * @throws UserError with the remedy when no engine answers and none can be started
 */
export async function ensureEngine(): Promise<Engine> {
    const engine = await findEngine();
    if (engine) return engine;
    if (process.getuid?.() !== 0) {
        throw new UserError("no Docker engine answers", "start Docker, or run this as root to have one started");
    }
    if (!(await findCommand(NAME)) && !(await canInstall())) {
        throw new UserError("no Docker engine answers and dockerd is missing", "install and start Docker");
    }
    return withLock(join(runRoot, "docker.lock"), async () => (await findPrivate()) ?? startPrivate());
}

/** Stops the private engine; false if it was not running. Its images stay in the cache directory. */
export function stopEngine(): Promise<boolean> {
    return withLock(join(runRoot, "docker.lock"), () => stopDaemon(DAEMON));
}

/** Runs a Docker client command on an engine and returns what it printed. */
export function docker(
    engine: Engine,
    args: string[],
    options: RunOptions = {},
): Promise<{ stdout: string; stderr: string }> {
    const host = engine.host ? ["--host", engine.host] : [];
    // The packaged client has the classic builder only; a setting for BuildKit in the environment would stop it.
    const env = engine.private ? { DOCKER_BUILDKIT: "0", DOCKER_CONTEXT: undefined } : {};
    return run(engine.client, [...host, ...args], { ...options, env: { ...env, ...options.env } });
}

/** Whether the engine has this image or can pull it. A private engine pulls nothing from outside. */
export async function canPull(engine: Engine, image: string): Promise<boolean> {
    if (engine.private) return false;
    for (const command of [
        ["image", "inspect", image],
        ["pull", "--quiet", image],
    ]) {
        try {
            await docker(engine, command, { timeout: 300_000 });
            return true;
        } catch (error) {
            if (!(error instanceof CommandError)) throw error;
        }
    }
    return false;
}

async function findPrivate(): Promise<Engine | undefined> {
    if (!existsSync(SOCKET)) return undefined;
    const client = await packagedClient();
    const host = `unix://${SOCKET}`;
    const version = client && (await versionOf(client, host));
    return version ? { client, host, private: true, version } : undefined;
}

async function startPrivate(): Promise<Engine> {
    await ensureCommand(NAME, ENGINE_PACKAGE);
    // Debian 13 and later ship the client in a package of its own.
    if (!(await packagedClient())) await ensureCommand("docker", "docker-cli");
    // Left over from an engine that answers no more; two on one data directory would harm it.
    await stopDaemon(DAEMON);
    await clearContainerd();
    const dataRoot = join(cacheRoot, "docker");
    mkdirSync(dataRoot, { recursive: true });
    const command = [
        (await findCommand(NAME))!,
        `--host=unix://${SOCKET}`,
        `--data-root=${dataRoot}`,
        `--exec-root=${EXEC_ROOT}`,
        // Its own record would be believed after a reuse of the id; ours is checked against the start time.
        "--pidfile=",
        "--storage-driver=overlay2",
        // No bridge and no rules: this machine's network stays as it is, and builds use the host's.
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
        "--log-level=warn",
    ];
    const env = { PATH: PACKAGED_PATH, HOME: process.env.HOME ?? "/root" };
    await startDaemon(
        { ...DAEMON, command, env, logFile: join(cacheRoot, "logs", "dockerd.log") },
        { check: async () => (await findPrivate()) !== undefined },
    );
    return (await findPrivate())!;
}

/**
 * Clears what a killed engine leaves of its containerd. A new engine would wait in vain for a process that is ending,
 * or is a zombie by now.
 */
async function clearContainerd(): Promise<void> {
    const record = join(EXEC_ROOT, "containerd", "containerd.pid");
    if (!existsSync(record)) return;
    const pid = Number(readFileSync(record, "utf8"));
    const ours = () => isAlive(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(EXEC_ROOT);
    if (ours()) process.kill(pid, "SIGTERM");
    await waitFor("end of the last engine's containerd", () => !ours(), { timeoutMs: 20_000 });
    rmSync(record);
}

/** The client of the engine's own package if there is one: a newer one may refuse so old an engine. */
async function packagedClient(): Promise<string | undefined> {
    return existsSync("/usr/bin/docker") ? "/usr/bin/docker" : which("docker");
}

async function versionOf(client: string, host?: string): Promise<string | undefined> {
    try {
        const args = [...(host ? ["--host", host] : []), "version", "--format", "{{.Server.Version}}"];
        const { stdout } = await run(client, args, { timeout: 10_000 });
        return stdout.trim() || undefined;
    } catch {
        return undefined;
    }
}
