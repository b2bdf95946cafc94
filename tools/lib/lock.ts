import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { createWhole, readIfThere, writeWhole } from "./files";
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
        if (!told) say(`waiting for process ${recordedPid(readIfThere(file) ?? "") ?? "?"}, which holds ${file}`);
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
    const own = processRecord(process.pid);
    if (createWhole(file, own)) return true;
    if (!isAbandoned(file)) return false;
    // Of several that find the holder gone, one looks again and takes its place; the others try again later.
    const guard = `${file}.takeover`;
    if (!createWhole(guard, own)) {
        if (isAbandoned(guard)) rmSync(guard, { force: true });
        return false;
    }
    try {
        if (!isAbandoned(file)) return false;
        writeWhole(file, own);
        return true;
    } finally {
        rmSync(guard, { force: true });
    }
}

/** Whether there is a lock, and no process that holds it. */
function isAbandoned(file: string): boolean {
    const record = readIfThere(file);
    return record !== undefined && recordedPid(record) === undefined;
}
