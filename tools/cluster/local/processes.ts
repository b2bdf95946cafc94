import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { hasCode } from "../../lib/errors";
import { waitFor } from "../../lib/process";

/** A process of a cluster that outlives the command which starts it. */
export interface Daemon {
    name: string;
    /** Command and arguments, from an absolute path. */
    command: string[];
    env?: Record<string, string>;
    /** Directory of its pid file and log. */
    directory: string;
}

/** Path of the daemon's log. */
export function logFile(daemon: Pick<Daemon, "name" | "directory">): string {
    return join(daemon.directory, `${daemon.name}.log`);
}

/** The id of the daemon's process while it lives. */
export function runningPid(daemon: Pick<Daemon, "name" | "directory">): number | undefined {
    const [pid, started] = readText(pidFile(daemon)).split(" ");
    // A process id may have gone to another process; the time of its start tells.
    return pid && startTime(Number(pid)) === started ? Number(pid) : undefined;
}

/** Starts the daemon unless it runs; returns whether it was started. */
export function startDaemon(daemon: Daemon, cgroups: string[]): boolean {
    if (runningPid(daemon)) return false;
    mkdirSync(daemon.directory, { recursive: true });
    const log = openSync(logFile(daemon), "a");
    // The shell joins the cgroups first, so that whatever the process starts can be found by them.
    const join = cgroups.map((cgroup) => `echo $$ > '${cgroup}/cgroup.procs'`).join("; ");
    const child = spawn("/bin/sh", ["-c", `${join}; exec "$@"`, "sh", ...daemon.command], {
        detached: true,
        stdio: ["ignore", log, log],
        env: { ...process.env, ...daemon.env },
        cwd: "/",
    });
    closeSync(log);
    child.unref();
    writeFileSync(pidFile(daemon), `${child.pid} ${startTime(child.pid!)}`);
    return true;
}

/** The last lines of a daemon's log, for an error message. */
export function logTail(daemon: Pick<Daemon, "name" | "directory">, lines = 5): string {
    return readText(logFile(daemon)).trim().split("\n").slice(-lines).join("\n");
}

/** Ends a daemon and waits until it is gone. */
export async function stopDaemon(daemon: Pick<Daemon, "name" | "directory">): Promise<void> {
    const pid = runningPid(daemon);
    if (pid) {
        send(pid, "SIGTERM");
        await waitFor(`end of ${daemon.name}`, () => !runningPid(daemon), { timeoutMs: 10_000, everyMs: 50 }).catch(
            () => send(pid, "SIGKILL"),
        );
    }
    rmSync(pidFile(daemon), { force: true });
}

/** Ids of all processes in a cgroup and below it, whatever the controller. */
export function processesIn(cgroup: string): number[] {
    return readdirSync("/proc")
        .filter((entry) => /^\d+$/.test(entry))
        .filter((pid) =>
            readText(`/proc/${pid}/cgroup`)
                .split("\n")
                .map((line) => line.split(":").slice(2).join(":"))
                .some((path) => path === cgroup || path.startsWith(`${cgroup}/`)),
        )
        .map(Number);
}

/** Kills everything in a cgroup, also what is started meanwhile. */
export async function killAll(cgroup: string): Promise<void> {
    await waitFor(`end of the processes in ${cgroup}`, () => {
        const left = processesIn(cgroup);
        for (const pid of left) send(pid, "SIGKILL");
        return left.length === 0;
    });
}

function send(pid: number, signal: NodeJS.Signals): void {
    try {
        process.kill(pid, signal);
    } catch (error) {
        if (!hasCode(error, "ESRCH")) throw error;
    }
}

function pidFile(daemon: Pick<Daemon, "name" | "directory">): string {
    return join(daemon.directory, `${daemon.name}.pid`);
}

/** Start of a process in clock ticks since boot; empty for none and for a zombie. */
function startTime(pid: number): string {
    const text = readText(`/proc/${pid}/stat`);
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : (fields[19] ?? "");
}

function readText(file: string): string {
    try {
        return existsSync(dirname(file)) ? readFileSync(file, "utf8") : "";
    } catch {
        return "";
    }
}
