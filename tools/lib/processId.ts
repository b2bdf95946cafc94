import { readFileSync } from "node:fs";

import { hasCode } from "./errors";

/** Whether a process lives (a zombie does not). */
export function isAlive(pid: number): boolean {
    try {
        process.kill(pid, 0);
    } catch (error) {
        return hasCode(error, "EPERM");
    }
    return statusOf(pid)?.state !== "Z";
}

/** A line by which `recordedPid` knows a process again: its id and, because ids are used again, when it started. */
export function processRecord(pid: number): string {
    return `${pid} ${statusOf(pid)?.start ?? ""}`;
}

/** The id in a record of `processRecord` while that very process lives. */
export function recordedPid(record: string): number | undefined {
    const [id, start] = record.trim().split(" ");
    const pid = Number(id);
    if (!(pid > 0) || !isAlive(pid)) return undefined;
    return start && start !== statusOf(pid)?.start ? undefined : pid;
}

/** Sends a signal to a process, which may have ended by now. */
export function signal(pid: number, name: NodeJS.Signals): void {
    try {
        process.kill(pid, name);
    } catch (error) {
        if (!hasCode(error, "ESRCH")) throw error;
    }
}

/** State letter and start (in clock ticks since boot) of a process; undefined for none, and where there is no /proc. */
function statusOf(pid: number): { state: string; start: string } | undefined {
    try {
        const text = readFileSync(`/proc/${pid}/stat`, "utf8");
        // Counted from the closing parenthesis: the command before it may hold blanks.
        const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
        return { state: fields[0], start: fields[19] };
    } catch {
        return undefined;
    }
}
