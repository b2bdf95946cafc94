import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import { messageOf, UserError } from "./errors";
import { readIfThere, writeWhole } from "./files";
import { waitFor } from "./process";
import { processRecord, recordedPid, signal } from "./processId";

/** What tells a daemon from all others: the directory of its process record, and a name that is unique there. */
export interface DaemonId {
    name: string;
    directory: string;
}

/** A process that outlives the command which starts it. */
export interface Daemon extends DaemonId {
    /** Command and arguments, from an absolute path. */
    command: string[];
    /** Its whole environment. Default: this process's. */
    env?: NodeJS.ProcessEnv;
    /** Receives all output; the log of the run before is kept beside it. Default: `<name>.log` in the directory. */
    logFile?: string;
    /** Directories of the cgroups that it and all it starts belong to. Default: those of this process. */
    cgroups?: string[];
}

/** When a daemon does its work. */
export interface Readiness {
    /** Whether it does already; errors count as no. */
    check: () => Promise<boolean> | boolean;
    /** Milliseconds it may take. Default: 30 s. */
    timeoutMs?: number;
}

/** Moves itself into the cgroups named before `--`, then becomes the command after it. */
const JOIN_AND_RUN = 'until [ "$1" = -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"';

/** Process id of the daemon while it runs, or undefined. */
export function daemonPid(daemon: DaemonId): number | undefined {
    return recordedPid(readIfThere(recordFile(daemon)) ?? "");
}

/**
 * Starts a daemon unless it runs; returns its process id. With `readiness` it also waits for that.
 *
 * @throws UserError with the end of its log when it ends, or is not ready in time (it is stopped then)
 */
export async function startDaemon(daemon: Daemon, readiness?: Readiness): Promise<number> {
    const pid = daemonPid(daemon) ?? (await launch(daemon));
    try {
        if (readiness) await untilReady(daemon, readiness);
    } catch (error) {
        await stopDaemon(daemon);
        throw error;
    }
    return pid;
}

/**
 * Waits until a daemon that was started is ready.
 *
 * @throws UserError with the end of its log when it ends, or is not ready in time
 */
export async function untilReady(daemon: Daemon, { check, timeoutMs = 30_000 }: Readiness): Promise<void> {
    let ended = false;
    try {
        await waitFor(
            daemon.name,
            async () => {
                ended = daemonPid(daemon) === undefined;
                return ended || (await check());
            },
            { timeoutMs },
        );
        if (ended) throw new Error(`${daemon.name} ended`);
    } catch (error) {
        const log = logFile(daemon);
        const tail = (readIfThere(log) ?? "").trim().split("\n").slice(-5).join("\n");
        throw new UserError(`${messageOf(error)}: ${tail || "it said nothing"}`, `its log is ${log}`);
    }
}

/** Stops a daemon, first by SIGTERM and after `graceMs` by SIGKILL; false if it was not running. */
export async function stopDaemon(daemon: DaemonId, graceMs = 20_000): Promise<boolean> {
    const pid = daemonPid(daemon);
    if (pid !== undefined) {
        const gone = () => daemonPid(daemon) === undefined;
        const until = { everyMs: 50 };
        signal(pid, "SIGTERM");
        await waitFor(`end of ${daemon.name}`, gone, { ...until, timeoutMs: graceMs }).catch(() =>
            signal(pid, "SIGKILL"),
        );
        await waitFor(`end of ${daemon.name}`, gone, { ...until, timeoutMs: 5_000 });
    }
    rmSync(recordFile(daemon), { force: true });
    return pid !== undefined;
}

/** Removes the logs of a daemon that is not needed any more. */
export function removeLogs(daemon: Omit<Daemon, "command">): void {
    const file = logFile(daemon);
    for (const log of [file, previous(file)]) rmSync(log, { force: true });
}

async function launch(daemon: Daemon): Promise<number> {
    const { command, cgroups = [] } = daemon;
    const file = logFile(daemon);
    for (const directory of [daemon.directory, dirname(file)]) mkdirSync(directory, { recursive: true });
    if (existsSync(file)) renameSync(file, previous(file));
    const log = openSync(file, "w");
    // The shell joins the cgroups before the command can start anything that would be outside of them.
    const [program, ...args] =
        cgroups.length > 0 ? ["/bin/sh", "-c", JOIN_AND_RUN, "sh", ...cgroups, "--", ...command] : command;
    const child = spawn(program, args, {
        cwd: "/",
        detached: true,
        env: daemon.env ?? process.env,
        stdio: ["ignore", log, log],
    });
    closeSync(log);
    await once(child, "spawn");
    child.unref();
    writeWhole(recordFile(daemon), processRecord(child.pid!));
    return child.pid!;
}

function logFile({ logFile, directory, name }: Omit<Daemon, "command">): string {
    return logFile ?? join(directory, `${name}.log`);
}

function previous(logFile: string): string {
    return `${logFile}.previous`;
}

function recordFile({ directory, name }: DaemonId): string {
    return join(directory, `${name}.pid`);
}
