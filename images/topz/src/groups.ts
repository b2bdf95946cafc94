import { Counter, Gauge, Registry } from "prom-client";

import type { Snapshot } from "./sampler";

/** Group of the processes whose names came after the limit was reached. */
const OTHER = "other";

/** Metrics per command name. A group stays once it exists, so that its counter never falls. */
export class GroupMetrics {
    readonly #groups = new Set<string>();
    readonly #cpu: Counter<"group">;
    readonly #resident: Gauge<"group">;
    readonly #processes: Gauge<"group">;

    /** @param maxGroups names with series of their own, beside `other` */
    constructor(
        registry: Registry,
        private readonly maxGroups: number,
    ) {
        const common = { labelNames: ["group"] as const, registers: [registry] };
        this.#cpu = new Counter({
            ...common,
            name: "topz_group_cpu_seconds_total",
            help: "CPU time of the processes of one command name, ended ones included up to their last sample.",
        });
        this.#resident = new Gauge({
            ...common,
            name: "topz_group_resident_memory_bytes",
            help: "Resident memory of the processes of one command name; shared pages count in each process.",
        });
        this.#processes = new Gauge({
            ...common,
            name: "topz_group_processes",
            help: "Processes of one command name.",
        });
    }

    /** Adds what one sample found. */
    observe({ cpuSeconds }: Snapshot): void {
        const totals = new Map<string, { resident: number; processes: number }>();
        for (const [process, used] of cpuSeconds) {
            const group = this.#groupOf(process.name);
            this.#cpu.inc({ group }, used);
            const { resident, processes } = totals.get(group) ?? { resident: 0, processes: 0 };
            totals.set(group, { resident: resident + process.residentBytes, processes: processes + 1 });
        }
        for (const group of this.#groups) {
            const { resident, processes } = totals.get(group) ?? { resident: 0, processes: 0 };
            this.#resident.set({ group }, resident);
            this.#processes.set({ group }, processes);
        }
    }

    #groupOf(name: string): string {
        if (this.#groups.has(name)) return name;
        const named = this.#groups.size - (this.#groups.has(OTHER) ? 1 : 0);
        const group = named < this.maxGroups ? name : OTHER;
        this.#groups.add(group);
        return group;
    }
}
