import {
    existsSync,
    mkdirSync,
    readFileSync,
    readdirSync,
    realpathSync,
    rmdirSync,
    statSync,
    writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { waitFor } from "../../lib/process";
import { isAlive, signal } from "../../lib/processId";

const ROOT = "/sys/fs/cgroup";

/** Whether this machine has the unified hierarchy (cgroup v2). */
function unified(): boolean {
    return existsSync(join(ROOT, "cgroup.controllers"));
}

/** Directories that hold a cgroup of this path: one a controller with cgroup v1, one in all with v2. */
export function cgroupDirectories(path: string): string[] {
    if (unified()) return [join(ROOT, path)];
    const controllers = readdirSync(ROOT).map((name) => realpathSync(join(ROOT, name)));
    return [...new Set(controllers)]
        .filter((directory) => statSync(directory).isDirectory())
        .map((directory) => join(directory, path));
}

/** Makes a cgroup and its parents, ready to hold processes. */
export function createCgroup(path: string): void {
    for (const directory of cgroupDirectories(path)) createDirectory(directory);
}

/** Removes a cgroup and all below it; it must be empty of processes. */
export function removeCgroup(path: string): void {
    for (const directory of cgroupDirectories(path)) removeTree(directory);
}

/** Ids of all living processes in a cgroup and below it, whatever the controller. */
export function processesIn(path: string): number[] {
    return readdirSync("/proc")
        .filter((entry) => /^\d+$/.test(entry))
        .map(Number)
        .filter((pid) => cgroupsOf(pid).some((cgroup) => cgroup === path || cgroup.startsWith(`${path}/`)))
        .filter(isAlive);
}

/** Kills everything in a cgroup and below it, also what is started meanwhile. */
export async function killAll(path: string): Promise<void> {
    await waitFor(`end of the processes in ${path}`, () => {
        const left = processesIn(path);
        for (const pid of left) signal(pid, "SIGKILL");
        return left.length === 0;
    });
}

/** Paths of a process's cgroups; none when it has ended. */
function cgroupsOf(pid: number): string[] {
    try {
        const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
        return lines.map((line) => line.split(":").slice(2).join(":"));
    } catch {
        return [];
    }
}

function createDirectory(directory: string): void {
    const parent = dirname(directory);
    if (parent.length > ROOT.length && !existsSync(parent)) createDirectory(parent);
    if (unified()) writeFileSync(join(parent, "cgroup.subtree_control"), "+cpu +memory +pids +cpuset");
    mkdirSync(directory, { recursive: true });
    // A new v1 cpuset may use nothing until it is told what.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
        if (
            !unified() &&
            existsSync(join(directory, file)) &&
            readFileSync(join(directory, file), "utf8").trim() === ""
        ) {
            writeFileSync(join(directory, file), readFileSync(join(parent, file)));
        }
    }
}

function removeTree(directory: string): void {
    if (!existsSync(directory)) return;
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
        if (entry.isDirectory()) removeTree(join(directory, entry.name));
    }
    rmdirSync(directory);
}
