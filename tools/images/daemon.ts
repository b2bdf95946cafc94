import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { UserError } from "../lib/errors";
import { stateRoot } from "../lib/paths";
import { isAlive, waitFor } from "../lib/process";

/** Sockets, process records and written configuration of what runs in the background; gone after a reboot. */
export const runRoot =
    process.getuid?.() === 0
        ? "/run/distributed-patterns"
        : join(process.env.XDG_RUNTIME_DIR ?? join(stateRoot, "run"), "distributed-patterns");

/** A background process that outlives the command that starts it. */
export interface Daemon {
    /** Unique on this machine; names the process record. */
    name: string;
    command: string;
    args: string[];
    /** Replaces the whole environment where given. Default: this process's environment. */
    env?: Record<string, string>;
    /** Receives all output; emptied at each start. */
    logFile: string;
    /** Whether it does its work already; errors count as no. */
    ready: () => Promise<boolean>;
    /** Milliseconds it may take until it is ready. Default: 30 s. */
    readyTimeoutMs?: number;
}

/** Process id of the running daemon of this name, or undefined. */
export function daemonPid(name: string): number | undefined {
    let record: string;
    try {
        record = readFileSync(recordFile(name), "utf8");
    } catch {
        return undefined;
    }
    const [pid, startTime] = record.split(" ");
    return isAlive(Number(pid)) && startTimeOf(Number(pid)) === startTime ? Number(pid) : undefined;
}

/**
 * Starts a daemon and waits until it is ready.
 *
 * @throws UserError with the end of its log when it stops, or is not ready in time (it is stopped then)
 */
export async function startDaemon(daemon: Daemon): Promise<number> {
    mkdirSync(runRoot, { recursive: true, mode: 0o755 });
    mkdirSync(dirname(daemon.logFile), { recursive: true });
    const log = openSync(daemon.logFile, "w");
    const child = spawn(daemon.command, daemon.args, {
        cwd: "/",
        detached: true,
        env: daemon.env ?? process.env,
        stdio: ["ignore", log, log],
    });
    closeSync(log);
    await once(child, "spawn");
    child.unref();
    const pid = child.pid!;
    writeRecord(daemon.name, pid);

    let ended = false;
    child.once("exit", () => (ended = true));
    try {
        await waitFor(daemon.name, async () => ended || daemon.ready().catch(() => false), {
            timeoutMs: daemon.readyTimeoutMs ?? 30_000,
        });
        if (ended) throw new Error(`${daemon.name} stopped at once`);
    } catch (error) {
        await stopDaemon(daemon.name);
        const tail = readFileSync(daemon.logFile, "utf8").trim().split("\n").slice(-3).join("\n");
        throw new UserError(
            `${(error as Error).message}: ${tail || "it said nothing"}`,
            `its log is ${daemon.logFile}`,
        );
    }
    return pid;
}

/** Stops a daemon, first by SIGTERM and after `graceMs` by SIGKILL; false if none of this name was running. */
export async function stopDaemon(name: string, graceMs = 20_000): Promise<boolean> {
    const pid = daemonPid(name);
    if (pid !== undefined) {
        const gone = () => daemonPid(name) === undefined;
        process.kill(pid, "SIGTERM");
        await waitFor(`end of ${name}`, gone, { timeoutMs: graceMs }).catch(() => process.kill(pid, "SIGKILL"));
        await waitFor(`end of ${name}`, gone, { timeoutMs: 5_000 });
    }
    rmSync(recordFile(name), { force: true });
    return pid !== undefined;
}

function recordFile(name: string): string {
    return join(runRoot, `${name}.pid`);
}

/** Keeps the start time beside the id, so that another process that got the same id later is never taken for it. */
function writeRecord(name: string, pid: number): void {
    const file = recordFile(name);
    writeFileSync(`${file}.new`, `${pid} ${startTimeOf(pid) ?? ""}`);
    renameSync(`${file}.new`, file);
}

function startTimeOf(pid: number): string | undefined {
    try {
        // Field 22 of stat; the command in field 2 may hold spaces, so count from its closing parenthesis.
        return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19];
    } catch {
        return undefined;
    }
}
