import { isIP } from "node:net";

import { duration, enumeration, integer, Parameter, string } from "./parameters";

export type Parameters = Readonly<Record<string, Parameter<unknown>>>;

/** Parsed parameters, under the names of their variables. */
export type Config<P extends Parameters> = {
    readonly [Name in keyof P]: P[Name] extends Parameter<infer T> ? T : never;
};

/** The parsed parameters of a declaration: `ConfigOf<typeof declaration>`. */
export type ConfigOf<D extends ImageDeclaration> = Config<D["parameters"]>;

/** A port on which a service listens. */
export interface Port<Name extends PropertyKey = string> {
    /** Parameter that holds the address to listen on. */
    readonly host: Name;
    /** Parameter that holds the port number. */
    readonly port: Name;
    readonly meaning: string;
}

/** The container API of an image: the one place from which its parsing, docs, labels and ports are made. */
export interface ImageDeclaration<P extends Parameters = Parameters> {
    readonly kind: "service" | "job";
    /** Folder under `images/` and name in the registry. */
    readonly name: string;
    /** Semantic version of this API: a breaking change raises the major number. */
    readonly version: string;
    /** What the image does, in one sentence. */
    readonly summary: string;
    /** By name; a service serves HTTP on the one called `http`. */
    readonly ports: Readonly<Record<string, Port>>;
    /** `METHOD /path` and what it answers. */
    readonly routes: Readonly<Record<string, string>>;
    readonly parameters: P;
}

const logging = {
    LOG_LEVEL: enumeration({
        values: ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
        default: "info",
        meaning: "Least severe log lines that are written.",
    }),
};

const draining = {
    DRAIN_DELAY: duration({
        default: "5s",
        max: "1h",
        meaning: "Time between the first refusal of readiness on SIGTERM and the end of accepting connections.",
    }),
    DRAIN_TIMEOUT: duration({
        default: "20s",
        max: "1h",
        meaning: "Time that requests in flight have to finish once no connection is accepted any more.",
    }),
};

const kitRoutes = {
    "GET /livez": "200 while the process can answer.",
    "GET /readyz": "200 when every readiness check passes, else 503; both with each check's result as JSON.",
    "GET /metrics": "Metrics in the Prometheus text format.",
};

export type ServiceParameters = typeof logging & typeof draining;
export type JobParameters = typeof logging;

/** A service: it listens until it is told to stop. The kit adds `LOG_LEVEL`, `DRAIN_DELAY` and `DRAIN_TIMEOUT`. */
export function defineImage<const P extends Parameters>(image: {
    name: string;
    version: string;
    summary: string;
    ports: { http: Port<keyof P & string> } & Record<string, Port<keyof P & string>>;
    /** `METHOD /path` of what the app serves beside the kit's own routes. Default: none. */
    routes?: Record<string, string>;
    parameters: P;
}): ImageDeclaration<P & ServiceParameters> {
    return {
        ...image,
        kind: "service",
        routes: { ...image.routes, ...kitRoutes },
        parameters: { ...image.parameters, ...logging, ...draining },
    };
}

/** A one-shot job: it does its work and ends. The kit adds `LOG_LEVEL`. */
export function defineJob<const P extends Parameters>(image: {
    name: string;
    version: string;
    summary: string;
    parameters: P;
}): ImageDeclaration<P & JobParameters> {
    return { ...image, kind: "job", ports: {}, routes: {}, parameters: { ...image.parameters, ...logging } };
}

/** The parameters `HOST` and `PORT` with an image's own defaults. */
export function listenParameters(defaults: { host: string; port: number }) {
    return {
        HOST: string({
            default: defaults.host,
            rule: {
                allowed: "an IP address or localhost",
                accepts: (text) => isIP(text) !== 0 || text === "localhost",
            },
            meaning: "Address to listen on.",
        }),
        PORT: integer({ default: defaults.port, min: 1, max: 65535, meaning: "TCP port to listen on." }),
    };
}

/** Wrong or missing configuration, with one line for each thing to mend. */
export class ConfigurationError extends Error {
    constructor(readonly problems: readonly string[]) {
        super(problems.join("\n"));
        this.name = "ConfigurationError";
    }
}

/**
 * Reads an image's parameters from environment variables. An empty variable counts as not set.
 *
 * @throws ConfigurationError with every problem at once: the variable, what was given, what is allowed
 */
export function parseConfig<P extends Parameters>(
    declaration: ImageDeclaration<P>,
    env: Record<string, string | undefined>,
): Config<P> {
    const problems: string[] = [];
    const config: Record<string, unknown> = {};
    for (const [name, { description, fallback, parse }] of Object.entries(declaration.parameters)) {
        const text = env[name] ?? "";
        config[name] = text === "" ? fallback : parse(text);
        if (config[name] !== undefined) continue;
        const given = text === "" ? "not set" : JSON.stringify(text.slice(0, 100));
        problems.push(`${name} is ${given}; give ${description.allowed}`);
    }
    if (problems.length > 0) throw new ConfigurationError(problems);
    return config as Config<P>;
}
