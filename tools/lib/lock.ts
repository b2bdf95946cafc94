import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { hasCode } from "./errors";
import { processRecord, recordedPid } from "./processId";
import { say } from "./progress";

/**
 * Runs `work` while holding a lock file, so that two runs never build or change the same thing at once.
 * A lock whose holder is gone is taken over.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
    mkdirSync(dirname(file), { recursive: true });
    let told = false;
    while (!take(file)) {
        if (!told) say(`waiting for process ${holderOf(file) ?? "?"}, which holds ${file}`);
        told = true;
        await delay(100);
    }
    try {
        return await work();
    } finally {
        rmSync(file, { force: true });
    }
}

/** Takes a lock that is free, or whose holder is gone. */
function take(file: string): boolean {
    const own = `${file}.${process.pid}`;
    const guard = `${file}.takeover`;
    writeFileSync(own, processRecord(process.pid));
    try {
        if (linked(own, file)) return true;
        if (holderOf(file) !== undefined) return false;
        // Of several that find the holder gone, one looks again and takes its place; the others wait.
        if (!linked(own, guard)) {
            if (holderOf(guard) === undefined) rmSync(guard, { force: true });
            return false;
        }
        try {
            if (holderOf(file) !== undefined) return false;
            renameSync(own, file);
            return true;
        } finally {
            rmSync(guard, { force: true });
        }
    } finally {
        rmSync(own, { force: true });
    }
}

/** Gives a file a second name unless that is taken: the name appears with its content, at once. */
function linked(file: string, name: string): boolean {
    try {
        linkSync(file, name);
        return true;
    } catch (error) {
        if (hasCode(error, "EEXIST")) return false;
        throw error;
    }
}

/** Process that holds a lock, or undefined when it is gone or there is no lock. */
function holderOf(file: string): number | undefined {
    try {
        return recordedPid(readFileSync(file, "utf8"));
    } catch (error) {
        if (hasCode(error, "ENOENT")) return undefined;
        throw error;
    }
}
