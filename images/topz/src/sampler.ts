import { maskSecrets } from "./masking";
import { ProcReading, ProcessReading, readProcesses } from "./proc";

/** One process over the time between two samples. */
export interface ProcessSample {
    pid: number;
    /** Effective user id. */
    uid: number;
    /** Share of one core since the sample before, in percent; null in a process's first sample. */
    cpuPercent: number | null;
    residentBytes: number;
    threads: number;
    state: string;
    ageSeconds: number;
    name: string;
    /** Command line with secrets masked; the name in brackets where there is none. */
    command: string;
}

/** What one sample found. */
export interface Snapshot {
    takenAt: Date;
    processes: readonly ProcessSample[];
    /** CPU seconds that each process used since the sample before, or since its start when it is new. */
    cpuSeconds: ReadonlyMap<ProcessSample, number>;
    /** Whether processes beyond this container's own are visible. */
    sharedNamespace: boolean;
}

/** Samples a process file system in the background. */
export class Sampler {
    #previous = new Map<string, ProcessReading>();
    #latest: Snapshot | undefined;
    #latestAt = -Infinity;
    #timer: NodeJS.Timeout | undefined;
    #stopped = false;

    /** @param onError told about a sample that failed; the next one is tried all the same */
    constructor(
        private readonly settings: {
            root: string;
            intervalMs: number;
            onSample: (snapshot: Snapshot) => void;
            onError: (error: unknown) => void;
        },
    ) {}

    /** The last complete sample. */
    get latest(): Snapshot | undefined {
        return this.#latest;
    }

    /** Milliseconds since the last complete sample. */
    get age(): number {
        return performance.now() - this.#latestAt;
    }

    /** Takes the first sample, then one per interval until `stop`. */
    async start(): Promise<void> {
        try {
            await this.sample();
        } catch (error) {
            this.settings.onError(error);
        }
        // Timed from the end of a sample, so that slow ones never pile up.
        if (!this.#stopped) this.#timer = setTimeout(() => void this.start(), this.settings.intervalMs);
    }

    stop(): void {
        this.#stopped = true;
        clearTimeout(this.#timer);
    }

    /** Takes one sample now. */
    async sample(): Promise<Snapshot> {
        const takenAt = new Date();
        const reading = await readProcesses(this.settings.root);
        const current = new Map(reading.processes.map((process) => [identityOf(process), process]));
        const cpuSeconds = new Map<ProcessSample, number>();
        for (const [identity, process] of current) {
            const before = this.#previous.get(identity);
            const used = Math.max(0, process.cpuSeconds - (before?.cpuSeconds ?? 0));
            const cpuPercent = before ? (used / (process.readAt - before.readAt)) * 1000 * 100 : null;
            cpuSeconds.set(toSample(process, cpuPercent, reading.uptime), used);
        }
        this.#previous = current;
        this.#latestAt = performance.now();
        const sharedNamespace = showsOtherContainers(reading);
        this.#latest = { takenAt, processes: [...cpuSeconds.keys()], cpuSeconds, sharedNamespace };
        this.settings.onSample(this.#latest);
        return this.#latest;
    }
}

/** A PID alone is used again; with the start time it is one process. */
function identityOf({ pid, startedAt }: ProcessReading): string {
    return `${pid}@${startedAt}`;
}

function toSample(process: ProcessReading, cpuPercent: number | null, uptime: number): ProcessSample {
    const { pid, uid, residentBytes, threads, state, name } = process;
    return {
        pid,
        uid,
        cpuPercent: cpuPercent === null ? null : Math.round(cpuPercent * 10) / 10,
        residentBytes,
        threads,
        state,
        ageSeconds: Math.max(0, Math.round((uptime - process.startedAt) * 10) / 10),
        name,
        command: process.arguments.length > 0 ? maskSecrets(process.arguments) : `[${name}]`,
    };
}

/**
 * In a shared PID namespace PID 1 is the pod's pause process. Without one this container's own process is PID 1, or a
 * descendant of its own init.
 */
function showsOtherContainers({ self, processes }: ProcReading): boolean {
    const parents = new Map(processes.map(({ pid, parentPid }) => [pid, parentPid]));
    const own = new Set<number>();
    for (let pid: number | undefined = self; pid && !own.has(pid); pid = parents.get(pid)) own.add(pid);
    return self !== 1 && processes.some(({ pid }) => !own.has(pid));
}
