import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

import { hasCode } from "./errors";

/**
 * Writes a file that is never there in part: until it has its new text, it has its old one or none.
 *
 * @param mode of a file readable by its owner alone: 0o600
 */
export function writeWhole(file: string, text: string, mode = 0o644): void {
    withDraft(file, text, mode, (draft) => renameSync(draft, file));
}

/** Like `writeWhole`, but leaves a file that is there already as it is; returns whether this call made it. */
export function createWhole(file: string, text: string, mode = 0o644): boolean {
    return withDraft(file, text, mode, (draft) => {
        try {
            linkSync(draft, file);
            return true;
        } catch (error) {
            if (hasCode(error, "EEXIST")) return false;
            throw error;
        }
    });
}

/** The text of a file, or undefined when there is none. */
export function readIfThere(file: string): string | undefined {
    try {
        return readFileSync(file, "utf8");
    } catch (error) {
        if (hasCode(error, "ENOENT")) return undefined;
        throw error;
    }
}

function withDraft<T>(file: string, text: string, mode: number, name: (draft: string) => T): T {
    const draft = `${file}.${process.pid}.draft`;
    // One that a killed process with the same id left may be another name of the file itself.
    rmSync(draft, { force: true });
    try {
        writeFileSync(draft, text, { mode, flag: "wx" });
        return name(draft);
    } finally {
        rmSync(draft, { force: true });
    }
}
