import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { hasCode, UserError } from "./errors";
import { withLock } from "./lock";
import { cacheRoot } from "./paths";

/** Hash of texts, and of files and folders by content and relative name, as a cache key. */
export function keyOf(inputs: { texts?: string[]; paths?: string[] }): string {
    const hash = createHash("sha256");
    for (const text of inputs.texts ?? []) hash.update(`${text.length}:${text}`);
    for (const path of inputs.paths ?? []) hashPath(hash, path, basename(path));
    return hash.digest("hex").slice(0, 16);
}

function hashPath(hash: ReturnType<typeof createHash>, path: string, name: string): void {
    if (!statSync(path).isDirectory()) {
        const content = readFileSync(path);
        hash.update(`${name}:${content.length}:`).update(content);
        return;
    }
    for (const entry of readdirSync(path).sort()) hashPath(hash, join(path, entry), `${name}/${entry}`);
}

/** Directory of a finished cache entry, whether it exists or not. */
export function cachePath(kind: string, name: string, key: string): string {
    return join(cacheRoot, kind, `${name}-${key}`);
}

/**
 * The directory of a cache entry, made by `build` if it is not there yet. `build` writes into a scratch directory that
 * takes the entry's name only when it is complete: a killed build leaves nothing that could be taken for a result.
 */
export async function cached(
    kind: string,
    name: string,
    key: string,
    build: (directory: string) => Promise<void>,
): Promise<string> {
    const directory = cachePath(kind, name, key);
    if (existsSync(directory)) return directory;
    return withLock(`${directory}.lock`, async () => {
        if (existsSync(directory)) return directory;
        const scratch = `${directory}.partial`;
        rmSync(scratch, { recursive: true, force: true });
        mkdirSync(scratch, { recursive: true });
        try {
            await build(scratch);
            renameSync(scratch, directory);
        } catch (error) {
            rmSync(scratch, { recursive: true, force: true });
            if (hasCode(error, "ENOSPC") || /no space left on device/i.test(String(error))) {
                throw new UserError(
                    `no space left for ${name} in ${dirname(directory)}`,
                    "free some, or set DP_CACHE to another disk",
                );
            }
            throw error;
        }
        return directory;
    });
}
