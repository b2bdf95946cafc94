import { existsSync, readFileSync } from "node:fs";

import { imageNames } from "../../images/bundle";
import { canInstall, findCommand } from "../lib/debian";
import { messageOf } from "../lib/errors";
import { DIGESTS_FILE } from "./build";
import { findEngine } from "./engine";
import { parseReference } from "./reference";
import { exists, probe, REGISTRY } from "./registryApi";

/** One line of `make doctor`. */
export interface Finding {
    what: string;
    ok: boolean;
    detail: string;
    /** What mends it; only where `ok` is false. */
    remedy?: string;
}

/** What building and serving images needs, and whether it is there. Starts and installs nothing. */
export async function imagesStatus(): Promise<Finding[]> {
    return [await engineStatus(), await registryStatus(), await digestsStatus()];
}

async function engineStatus(): Promise<Finding> {
    const what = "Docker engine";
    try {
        const engine = await findEngine();
        if (engine) return { what, ok: true, detail: `${engine.version}${engine.private ? ", private" : ""}` };
    } catch (error) {
        return { what, ok: false, detail: messageOf(error), remedy: "see there" };
    }
    const root = process.getuid?.() === 0;
    if (root && ((await findCommand("dockerd")) || (await canInstall()))) {
        return { what, ok: true, detail: "none runs; a private one is started when an image has to be built" };
    }
    return { what, ok: false, detail: "none answers", remedy: "start Docker, or run as root on Debian or Ubuntu" };
}

async function registryStatus(): Promise<Finding> {
    const what = `image registry at ${REGISTRY}`;
    const found = await probe(REGISTRY);
    if (found === "registry") return { what, ok: true, detail: "answers" };
    if (found === "nothing") return { what, ok: true, detail: "none runs; it is started when needed" };
    return {
        what,
        ok: false,
        detail: "the port is taken by something else",
        remedy: `stop what listens at ${REGISTRY}`,
    };
}

async function digestsStatus(): Promise<Finding> {
    const what = "images";
    const names = imageNames();
    const missing = await missingImages(names);
    if (!missing.length) return { what, ok: true, detail: `${names.length} in the registry` };
    return { what, ok: false, detail: `not in the registry: ${missing.join(", ")}`, remedy: "make images" };
}

/** Names of the images that are not in `digests.json`, or whose digest the registry does not have. */
async function missingImages(names: string[]): Promise<string[]> {
    if (!existsSync(DIGESTS_FILE) || (await probe(REGISTRY)) !== "registry") return names;
    const digests = JSON.parse(readFileSync(DIGESTS_FILE, "utf8")) as Record<string, string>;
    const missing: string[] = [];
    for (const name of names) {
        const { repository, digest } = digests[name] ? parseReference(digests[name]) : {};
        if (!repository || !digest || !(await exists(repository, digest))) missing.push(name);
    }
    return missing;
}
