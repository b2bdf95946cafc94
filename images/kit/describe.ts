import type { ImageDeclaration } from "./declaration";
import { exitCodes } from "./exitCodes";
import type { ParameterDescription } from "./parameters";

/** The container API of an image as data: what `--describe` prints. */
export interface ImageDescription {
    readonly name: string;
    readonly version: string;
    readonly kind: "service" | "job";
    readonly summary: string;
    /** `number` is the default; the parameter `port` changes it. */
    readonly ports: Readonly<
        Record<string, { number: number; protocol: "tcp"; host: string; port: string; meaning: string }>
    >;
    /** By the name of the environment variable. */
    readonly parameters: Readonly<Record<string, ParameterDescription>>;
    readonly routes: Readonly<Record<string, string>>;
    readonly arguments: Readonly<Record<string, string>>;
    readonly signals: Readonly<Record<string, string>>;
    readonly exitCodes: Readonly<Record<string, string>>;
}

const serviceSignals = {
    SIGTERM: "Refuses readiness, serves for DRAIN_DELAY, finishes requests within DRAIN_TIMEOUT, ends with 0.",
    SIGINT: "As SIGTERM. A second signal of either kind ends at once with 128 plus its number.",
};

const jobSignals = {
    SIGTERM: "Asks the work to stop and ends with 143. A second signal ends at once.",
    SIGINT: "As SIGTERM, ends with 130.",
};

/** The container API of a declaration, without functions and without undefined fields. */
export function describeImage(declaration: ImageDeclaration): ImageDescription {
    const { name, version, kind, summary, ports, routes, parameters } = declaration;
    const service = kind === "service";
    const description: ImageDescription = {
        name,
        version,
        kind,
        summary,
        ports: mapValues(ports, (port) => ({
            number: parameters[port.port].fallback as number,
            protocol: "tcp",
            ...port,
        })),
        parameters: mapValues(parameters, (parameter) => parameter.description),
        routes,
        arguments: {
            "--describe": "Prints this container API as JSON and ends.",
            ...(service && {
                "--probe=<path>": "GETs the path from the running service; ends with 0 on a 2xx answer, else 1.",
            }),
        },
        signals: service ? serviceSignals : jobSignals,
        exitCodes: {
            [exitCodes.ok]: service ? "Stopped in order." : "Done.",
            [exitCodes.failed]: service ? "Failed, or requests were left when DRAIN_TIMEOUT was over." : "Failed.",
            [exitCodes.usage]: "Unknown argument.",
            [exitCodes.configuration]: "Wrong or missing parameter; standard error names each.",
        },
    };
    return JSON.parse(JSON.stringify(description));
}

/** OCI labels of an image, its whole container API included, so that a registry can be asked for it. */
export function ociLabels(declaration: ImageDeclaration): Record<string, string> {
    return {
        "org.opencontainers.image.title": declaration.name,
        "org.opencontainers.image.version": declaration.version,
        "org.opencontainers.image.description": declaration.summary,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "distributed-patterns.container-api": JSON.stringify(describeImage(declaration)),
    };
}

/** Ports to EXPOSE, such as `8080/tcp`. */
export function exposedPorts(declaration: ImageDeclaration): string[] {
    return Object.values(describeImage(declaration).ports).map(({ number, protocol }) => `${number}/${protocol}`);
}

function mapValues<V, W>(record: Readonly<Record<string, V>>, map: (value: V) => W): Record<string, W> {
    return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
