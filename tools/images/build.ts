import { readFileSync } from "node:fs";
import { join } from "node:path";

import { bundleAll, ImageLabels, imageNames } from "../../images/bundle";
import { keyOf } from "../lib/cache";
import { UserError } from "../lib/errors";
import { writeWhole } from "../lib/files";
import { withLock } from "../lib/lock";
import { cacheRoot, checkout } from "../lib/paths";
import { duration, runSteps, say } from "../lib/progress";
import { ensureMirror } from "../mirror/mirror";
import { canPull, docker, Engine, ensureEngine, findEngine } from "./engine";
import { ensureRegistry } from "./registry";
import { digestOf, REGISTRY } from "./registryApi";

const IMAGES = join(checkout, "images");
const DOCKERFILE = join(IMAGES, "Dockerfile");
const BASE_MIRROR = "distributed-patterns/node-base:24";

/** Image name -> reference by digest in the local registry; read by the stacks. */
export const DIGESTS_FILE = join(IMAGES, "digests.json");

/** How images are built. */
export interface BuildOptions {
    /** Default: the engine that answers, else a private one; asked for only if an image has to be built. */
    engine?: Engine;
    /** Reference of the base image. Default: the Dockerfile's, or a stand-in where Docker cannot pull that. */
    base?: string;
}

/**
 * Builds every image under `images/` that changed, pushes it to the local registry, and writes `images/digests.json`.
 * An image whose bundle, Dockerfile, labels and base are those of a pushed one is not built again; if that is so for
 * all, no Docker is needed.
 *
 * @returns image name -> reference by digest
 * @throws UserError when no registry or engine can be had
 */
export async function buildImages(options: BuildOptions = {}): Promise<Record<string, string>> {
    const digests: Record<string, string> = {};
    await withLock(join(cacheRoot, "images.lock"), async () => {
        let base = "";
        await runSteps([
            { label: `image registry at ${REGISTRY}`, usualSeconds: 1, run: ensureRegistry },
            { label: "bundles", usualSeconds: 1, run: async () => void (await bundleAll()) },
            {
                label: "base image",
                usualSeconds: 20,
                run: async () => void (base = options.base ?? (await chooseBase())),
            },
            { label: "images", usualSeconds: 10, run: () => buildChanged(base, digests, options.engine) },
        ]);
        writeWhole(DIGESTS_FILE, `${JSON.stringify(digests, undefined, 4)}\n`);
    });
    return digests;
}

/** The tag under which an image built from exactly these inputs is pushed. */
export function buildKey(inputs: {
    bundle: Buffer | string;
    labels: string;
    dockerfile: string;
    base: string;
}): string {
    return keyOf({ texts: [inputs.bundle.toString(), inputs.labels, inputs.dockerfile, inputs.base] });
}

/** The base image that a Dockerfile names as default of its `BASE` argument. */
export function defaultBase(dockerfile: string): string {
    const base = /^ARG\s+BASE=(\S+)/m.exec(dockerfile)?.[1];
    if (!base) throw new Error("images/Dockerfile names no base image: it needs a line `ARG BASE=<reference>`");
    return base;
}

async function chooseBase(): Promise<string> {
    const upstream = defaultBase(readFileSync(DOCKERFILE, "utf8"));
    const engine = await findEngine();
    if (engine && (await canPull(engine, upstream))) {
        // By digest, so that a tag that moves upstream gives new images; one built by hand has only an id.
        const format = "{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}{{.Id}}{{end}}";
        const { stdout } = await docker(engine, ["image", "inspect", "--format", format, upstream]);
        return stdout.trim();
    }
    return (await ensureMirror(BASE_MIRROR)).reference;
}

async function buildChanged(base: string, digests: Record<string, string>, given?: Engine): Promise<void> {
    const dockerfile = readFileSync(DOCKERFILE, "utf8");
    let engine = given;
    for (const name of imageNames()) {
        const dist = join(IMAGES, name, "dist");
        const bundle = readFileSync(join(dist, "server.js"));
        const labels = readFileSync(join(dist, "labels.json"), "utf8");
        const key = buildKey({ bundle, labels, dockerfile, base });
        const repository = `distributed-patterns/${name}`;
        let digest = await digestOf(repository, key);
        if (!digest) {
            const start = performance.now();
            engine ??= await ensureEngine();
            const tag = `${REGISTRY}/${repository}:${key}`;
            await buildAndPush(engine, { name, tag, base, ...(JSON.parse(labels) as ImageLabels) });
            say(`  ${name}: built in ${duration((performance.now() - start) / 1000)}`);
            digest = await digestOf(repository, key);
        }
        if (!digest) {
            throw new UserError(
                `the registry at ${REGISTRY} has no ${name} after its push`,
                "use a Docker engine on this machine",
            );
        }
        digests[name] = `${REGISTRY}/${repository}@${digest}`;
    }
}

async function buildAndPush(
    engine: Engine,
    image: ImageLabels & { name: string; tag: string; base: string },
): Promise<void> {
    const args = ["build", "--quiet", `--file=${DOCKERFILE}`, `--tag=${image.tag}`];
    args.push(`--build-arg=BASE=${image.base}`, `--build-arg=PORTS=${image.exposedPorts.join(" ")}`);
    for (const [label, value] of Object.entries(image.labels)) args.push(`--label=${label}=${value}`);
    // A private engine has no bridge network to build on.
    if (engine.private) args.push("--network=host");
    await docker(engine, [...args, join(IMAGES, image.name)]);
    await docker(engine, ["push", "--quiet", image.tag]);
}
