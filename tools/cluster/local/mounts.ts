import { readFileSync } from "node:fs";

import { run } from "../../lib/process";

/** Unmounts everything below the given directories, the deepest first. */
export async function unmountBelow(directories: string[]): Promise<void> {
    const points = readFileSync("/proc/self/mounts", "utf8")
        .split("\n")
        // Blanks in a mount point are written in octal.
        .map((line) =>
            (line.split(" ")[1] ?? "").replace(/\\(\d{3})/g, (_, octal: string) =>
                String.fromCharCode(parseInt(octal, 8)),
            ),
        )
        .filter((point) => directories.some((directory) => point.startsWith(`${directory}/`)))
        .sort((one, other) => other.length - one.length);
    if (points.length > 0) await run("umount", ["--lazy", ...points]);
}
