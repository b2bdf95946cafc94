import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";

import { messageOf, UserError } from "../../lib/errors";

/** How to reach an API server, and who is asking. */
export interface Connection {
    server: URL;
    ca: string;
    cert: string;
    key: string;
}

type Entry = Record<string, string | undefined>;

interface Kubeconfig {
    "current-context"?: string;
    clusters?: { name: string; cluster: Entry }[];
    users?: { name: string; user: Entry }[];
    contexts?: { name: string; context: Entry }[];
}

/**
 * Reads the current context of a kubeconfig whose user has a client certificate.
 *
 * @throws UserError naming the file and the field that is missing or wrong
 */
export function readKubeconfig(path: string): Connection {
    const config = load(path);
    const current = config["current-context"];
    const context = config.contexts?.find(({ name }) => name === current)?.context;
    if (!context)
        throw new UserError(`${path}: current-context is ${JSON.stringify(current)}`, "name one of its contexts");
    const cluster = config.clusters?.find(({ name }) => name === context.cluster)?.cluster;
    const user = config.users?.find(({ name }) => name === context.user)?.user;
    if (!cluster?.server || !URL.canParse(cluster.server)) {
        throw new UserError(`${path}: cluster.server is ${JSON.stringify(cluster?.server)}`, "give an https URL");
    }
    const pem = (entry: Entry | undefined, field: string): string => {
        const data = entry?.[`${field}-data`];
        if (data) return Buffer.from(data, "base64").toString("utf8");
        const file = entry?.[field];
        if (!file) throw new UserError(`${path}: neither ${field}-data nor ${field} is set`, "give one of them");
        return readText(resolve(dirname(path), file));
    };
    return {
        server: new URL(cluster.server),
        ca: pem(cluster, "certificate-authority"),
        cert: pem(user, "client-certificate"),
        key: pem(user, "client-key"),
    };
}

function load(path: string): Kubeconfig {
    const text = readText(path);
    try {
        return (parse(text) ?? {}) as Kubeconfig;
    } catch (error) {
        throw new UserError(`${path} is not YAML: ${messageOf(error).split("\n")[0]}`);
    }
}

function readText(path: string): string {
    try {
        return readFileSync(path, "utf8");
    } catch (error) {
        throw new UserError(`cannot read ${path}: ${messageOf(error)}`);
    }
}
