import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { hasCode } from "./errors";
import { isAlive } from "./process";
import { say } from "./progress";

/**
 * Runs `work` while holding a lock file, so that two runs never build or change the same thing at once.
 * A lock whose holder is gone is taken over.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
    mkdirSync(dirname(file), { recursive: true });
    let told = false;
    while (!tryTake(file)) {
        const holder = Number(readIfThere(file));
        if (holder && !isAlive(holder)) {
            rmSync(file, { force: true });
            continue;
        }
        if (!told) say(`waiting for process ${holder || "?"}, which holds ${file}`);
        told = true;
        await delay(200);
    }
    try {
        return await work();
    } finally {
        rmSync(file, { force: true });
    }
}

function tryTake(file: string): boolean {
    try {
        writeFileSync(file, String(process.pid), { flag: "wx" });
        return true;
    } catch (error) {
        if (hasCode(error, "EEXIST")) return false;
        throw error;
    }
}

function readIfThere(file: string): string | undefined {
    try {
        return readFileSync(file, "utf8");
    } catch {
        return undefined;
    }
}
