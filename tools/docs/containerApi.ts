import { isDeepStrictEqual } from "node:util";

import { defineImage, defineJob, describeImage, ImageDescription, listenParameters } from "../../images/kit";
import { code, table } from "./blocks";

type Parameter = ImageDescription["parameters"][string];

/** What every image of a kind has without doing anything for it. */
export const common: Record<ImageDescription["kind"], ImageDescription> = {
    service: describeImage(
        defineImage({
            name: "service",
            version: "1.0.0",
            summary: "",
            ports: { http: { host: "HOST", port: "PORT", meaning: "" } },
            parameters: listenParameters({ host: "0.0.0.0", port: 8080 }),
        }),
    ),
    job: describeImage(defineJob({ name: "job", version: "1.0.0", summary: "", parameters: {} })),
};

/** What an image of a kind has in common with all others of it, in Markdown. */
export function commonApi(kind: ImageDescription["kind"]): string {
    const { routes, parameters, arguments: options, signals, exitCodes } = common[kind];
    // Each image has its own address and port.
    const { HOST: _host, PORT: _port, ...shared } = parameters;
    return sections(
        parameterTable(shared),
        pairs(["Route", "Answer"], routes),
        pairs(["Argument", "Effect"], options),
        pairs(["Signal", "Effect"], signals),
        pairs(["Exit code", "Meaning"], exitCodes),
    );
}

/** The container API of an image in Markdown, without what `commonApi` says already. */
export function containerApi(image: ImageDescription): string {
    const { name, version, kind, summary, ports } = image;
    const own = <K extends "parameters" | "routes" | "arguments" | "signals" | "exitCodes">(part: K) =>
        difference(image[part], common[kind][part]);
    const numbers = Object.values(ports).map(({ number, protocol, meaning }) => `${number}/${protocol}: ${meaning}`);
    return sections(
        `${summary} A ${kind}, API version ${version}, image \`distributed-patterns/${name}\`.`,
        numbers.length > 0 && `Ports by default: ${numbers.join(" ")}`,
        parameterTable(own("parameters") as Record<string, Parameter>),
        pairs(["Route", "Answer"], own("routes")),
        pairs(["Argument", "Effect"], own("arguments")),
        pairs(["Signal", "Effect"], own("signals")),
        pairs(["Exit code", "Meaning"], own("exitCodes")),
    );
}

function parameterTable(parameters: Record<string, Parameter>): string | false {
    const rows = Object.entries(parameters).map(([name, { default: fallback, allowed, meaning }]) => [
        code(name),
        fallback === undefined ? "(required)" : code(String(fallback)) || "empty",
        allowed,
        meaning,
    ]);
    return rows.length > 0 && table(["Variable", "Default", "Allowed", "Meaning"], rows);
}

function pairs(head: readonly [string, string], entries: Readonly<Record<string, unknown>>): string | false {
    const rows = Object.entries(entries).map(([key, value]) => [code(key), String(value)]);
    return rows.length > 0 && table(head, rows);
}

function difference(all: object, known: object): Record<string, unknown> {
    const entries = Object.entries(known);
    return Object.fromEntries(
        Object.entries(all).filter(
            ([key, value]) => !entries.some(([name, same]) => name === key && isDeepStrictEqual(value, same)),
        ),
    );
}

function sections(...parts: (string | false)[]): string {
    return parts.filter(Boolean).join("\n\n");
}
