import { createContext, Script } from "node:vm";

import type { ProcessSample } from "./sampler";

/** How `/topz` was asked. */
export interface TopzQuery {
    sort: keyof typeof sortKeys;
    order: "asc" | "desc";
    /** Processes to return at most. */
    limit: number;
    filter: Filter | undefined;
}

/** Which of these texts pass. */
type Filter = (texts: readonly string[]) => boolean[];

/** A query parameter that is unknown or has a value that is not allowed. */
export class QueryError extends Error {
    readonly statusCode = 400;
}

/** What each `sort` compares; a CPU share that is not known yet counts as less than none. */
const sortKeys = {
    cpu: (process: ProcessSample) => process.cpuPercent ?? -1,
    memory: (process: ProcessSample) => process.residentBytes,
    pid: (process: ProcessSample) => process.pid,
    command: (process: ProcessSample) => process.command,
};

const MAX_LIMIT = 10_000;
const MAX_FILTER_LENGTH = 200;

/** A short expression can still take exponential time: it is stopped. */
const FILTER_TIMEOUT_MS = 100;

/**
 * Reads the query of `/topz`. Defaults: `sort=cpu`, `order=desc` for cpu and memory, else `asc`, no limit, no filter.
 *
 * @throws QueryError naming the parameter, what was given and what is allowed
 */
export function parseQuery(query: Readonly<Record<string, unknown>>): TopzQuery {
    const known = ["sort", "order", "limit", "filter"];
    for (const [name, value] of Object.entries(query)) {
        if (!known.includes(name)) throw new QueryError(`${name} is no parameter; give ${known.join(", ")}`);
        if (typeof value !== "string") throw new QueryError(`${name} is given more than once; give it once`);
    }
    const { sort = "cpu", order, limit, filter } = query as Record<string, string | undefined>;
    if (!Object.hasOwn(sortKeys, sort)) throw refusal("sort", sort, `one of ${Object.keys(sortKeys).join(", ")}`);
    if (order !== undefined && order !== "asc" && order !== "desc") throw refusal("order", order, "asc or desc");
    if (limit !== undefined && !(/^\d{1,5}$/.test(limit) && Number(limit) >= 1 && Number(limit) <= MAX_LIMIT)) {
        throw refusal("limit", limit, `a whole number from 1 to ${MAX_LIMIT}`);
    }
    return {
        sort: sort as TopzQuery["sort"],
        order: order ?? (sort === "cpu" || sort === "memory" ? "desc" : "asc"),
        limit: Number(limit ?? MAX_LIMIT),
        filter: filter === undefined ? undefined : parseFilter(filter),
    };
}

/** The processes that a query asks for, and how many there are without its limit. */
export function select(processes: readonly ProcessSample[], { sort, order, limit, filter }: TopzQuery) {
    const passed = filter?.(processes.map(({ command }) => command));
    const matching = processes.filter((_, index) => passed?.[index] ?? true);
    const key = sortKeys[sort];
    const direction = order === "asc" ? 1 : -1;
    // Equal ones in the order of their PIDs, so that two answers can be compared.
    const sorted = [...matching].sort((a, b) => direction * compare(key(a), key(b)) || a.pid - b.pid);
    return { matching: matching.length, processes: sorted.slice(0, limit) };
}

function parseFilter(filter: string): Filter {
    const allowed = `text or a /regular expression/ of 1 to ${MAX_FILTER_LENGTH} characters`;
    if (filter === "" || filter.length > MAX_FILTER_LENGTH) throw refusal("filter", filter, allowed);
    const source = /^\/(.+)\/$/s.exec(filter)?.[1];
    if (source === undefined) return (texts) => texts.map((text) => text.includes(filter));
    try {
        new RegExp(source);
    } catch (error) {
        throw refusal("filter", filter, `${allowed} (${(error as Error).message})`);
    }
    return (texts) => {
        // The script engine's clock is the only one that can interrupt an expression.
        const script = new Script("const e = new RegExp(source); texts.map((text) => e.test(text))");
        try {
            return [...script.runInContext(createContext({ source, texts }), { timeout: FILTER_TIMEOUT_MS })];
        } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
            throw refusal("filter", filter, `an expression that ends within ${FILTER_TIMEOUT_MS} ms`);
        }
    };
}

function compare(a: string | number, b: string | number): number {
    return a < b ? -1 : a > b ? 1 : 0;
}

function refusal(name: string, given: string, allowed: string): QueryError {
    return new QueryError(`${name} is ${JSON.stringify(given.slice(0, 100))}; give ${allowed}`);
}
