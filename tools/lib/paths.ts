import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

const PROJECT = "distributed-patterns";

/** Root of this checkout. */
export const checkout = resolve(__dirname, "../..");

/** What can be made again (binaries, image layers): `DP_CACHE`, else the XDG cache directory. Safe to delete. */
export const cacheRoot = resolve(
    process.env.DP_CACHE || join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), PROJECT),
);

/** What must be kept (Pulumi state, passphrase, clusters): `DP_STATE`, else the XDG state directory. */
export const stateRoot = resolve(
    process.env.DP_STATE || join(process.env.XDG_STATE_HOME || join(homedir(), ".local", "state"), PROJECT),
);

/** Sockets, process records and written configuration of what runs in the background; gone after a reboot. */
export const runRoot =
    process.getuid?.() === 0
        ? join("/run", PROJECT)
        : join(process.env.XDG_RUNTIME_DIR || join(stateRoot, "run"), PROJECT);

/** Makes a directory, readable by its owner alone, and returns its path. */
export function privateDirectory(...parts: string[]): string {
    const directory = join(...parts);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
}
