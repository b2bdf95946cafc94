import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

/** One process as the kernel shows it at one moment. */
export interface ProcessReading {
    readonly pid: number;
    readonly parentPid: number;
    /** Command name of at most 15 characters, as the kernel keeps it. */
    readonly name: string;
    /** State letter: R running, S sleeping, D waiting for a device, Z ended but not collected, T stopped, I idle. */
    readonly state: string;
    /** Effective user id. */
    readonly uid: number;
    readonly threads: number;
    /** CPU time of all its threads since it began, user and system, in seconds. */
    readonly cpuSeconds: number;
    /** Resident memory in bytes. Shared pages count in every process: the proportional size needs a capability. */
    readonly residentBytes: number;
    /** Seconds between boot and its start; with the PID it names a process for good. */
    readonly startedAt: number;
    /** Arguments; empty for kernel threads and ended processes. */
    readonly arguments: readonly string[];
    /** Monotonic clock when the CPU time was read, in milliseconds. */
    readonly readAt: number;
}

/** All processes that a process file system shows at one moment. */
export interface ProcReading {
    /** PID of this process there. */
    readonly self: number;
    /** Seconds since boot. */
    readonly uptime: number;
    readonly processes: readonly ProcessReading[];
}

/** Ticks per second of the times in /proc: USER_HZ, part of the kernel's interface and 100 on every 64-bit platform of Node. */
const TICKS_PER_SECOND = 100;

/** Longer command lines are cut: a class path says nothing more after this. */
const MAX_COMMAND_BYTES = 4096;

/** Reads every visible process below `root`; processes that end meanwhile or may not be read are left out. */
export async function readProcesses(root: string): Promise<ProcReading> {
    const self = readableOrUndefined(() => Number(readlinkSync(join(root, "self")))) ?? process.pid;
    const uptime = Number(readFileSync(join(root, "uptime"), "utf8").split(" ")[0]);
    // In one go, so that each time belongs to its counter also when this process hardly gets a core.
    const numbers = readdirSync(root)
        .filter((name) => /^\d+$/.test(name))
        .flatMap((name) => readableOrUndefined(() => readNumbers(join(root, name))) ?? []);
    // The kernel may make a reader of a command line wait for the process, so this blocks no request.
    const processes = await Promise.all(numbers.map((each) => withArguments(join(root, String(each.pid)), each)));
    return { self, uptime, processes: processes.filter((each) => each !== undefined) };
}

function readNumbers(directory: string) {
    const stat = readFileSync(join(directory, "stat"), "utf8");
    const readAt = performance.now();
    return { ...parseStat(stat), ...parseStatus(readFileSync(join(directory, "status"), "utf8")), readAt };
}

async function withArguments<T extends object>(directory: string, numbers: T) {
    try {
        return { ...numbers, arguments: await readArguments(join(directory, "cmdline")) };
    } catch (error) {
        if (isGoneOrForbidden(error)) return undefined;
        throw error;
    }
}

function readableOrUndefined<T>(read: () => T): T | undefined {
    try {
        return read();
    } catch (error) {
        if (isGoneOrForbidden(error)) return undefined;
        throw error;
    }
}

/** A process that ended between two reads, or that this user may not see. */
function isGoneOrForbidden(error: unknown): boolean {
    return ["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "");
}

function parseStat(text: string) {
    // The name stands in parentheses and may itself hold spaces and parentheses.
    const [open, close] = [text.indexOf("("), text.lastIndexOf(")")];
    const fields = text.slice(close + 2).split(" ");
    /** Field by its number in proc_pid_stat(5). */
    const field = (number: number) => Number(fields[number - 3]);
    return {
        pid: Number(text.slice(0, open)),
        name: text.slice(open + 1, close),
        state: fields[0],
        parentPid: field(4),
        cpuSeconds: (field(14) + field(15)) / TICKS_PER_SECOND,
        threads: field(20),
        startedAt: field(22) / TICKS_PER_SECOND,
    };
}

function parseStatus(text: string) {
    const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(text)?.[1];
    // Kernel threads and ended processes have no memory.
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? "0";
    return { uid: Number(uid), residentBytes: Number(resident) * 1024 };
}

async function readArguments(file: string): Promise<string[]> {
    const handle = await open(file);
    try {
        const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_COMMAND_BYTES), 0, MAX_COMMAND_BYTES, 0);
        // Programs that write a title of their own leave the rest of the space as zeros.
        const text = buffer.toString("utf8", 0, bytesRead).replace(/\0+$/, "");
        return text === "" ? [] : text.split("\0");
    } finally {
        await handle.close();
    }
}
