import { existsSync, readFileSync } from "node:fs";

import * as pulumi from "@pulumi/pulumi";

import { ServiceImage, ServiceImageArgs } from "../components/core/serviceImage";
import { refuse } from "../components/core/validate";
import { StackConfig } from "./config";

/** Where the image builder leaves the references of the images it pushed. */
const DIGESTS = "images/digests.json";

/** Reference of one of the project's own images. */
export type ImageResolver = (name: string) => pulumi.Output<string>;

/** How the stack finds its images, by the configured mode; each name is resolved once. */
export async function imageResolver(config: StackConfig): Promise<ImageResolver> {
    const building = config.oneOf("imageMode", ["reference", "build"]) === "build";
    const sources = building ? await builder(config) : referrer(config);
    const resolved = new Map<string, pulumi.Output<string>>();
    return (name) => {
        const reference =
            resolved.get(name) ??
            new ServiceImage(name, { image: name, ...sources.args(name) }, sources.options).reference;
        resolved.set(name, reference);
        return reference;
    };
}

interface Sources {
    args(name: string): Pick<ServiceImageArgs, "reference" | "repository">;
    options?: pulumi.ComponentResourceOptions;
}

async function builder(config: StackConfig): Promise<Sources> {
    // Loaded here, so that a stack that only names its images never pays for the Docker SDK.
    const { Provider } = await import("@pulumi/docker/provider");
    const repository = config.text("imageRepository");
    return { args: () => ({ repository }), options: { providers: { docker: new Provider("docker") } } };
}

function referrer(config: StackConfig): Sources {
    const references = { ...builtImages(), ...config.map("images") };
    let warned = false;
    const missing = (name: string) => {
        if (!pulumi.runtime.isDryRun()) {
            refuse("config", `images.${name}`, undefined, "its reference by digest, or run `make images` to build it");
        }
        if (!warned)
            void pulumi.log.warn(
                `image ${name} is not built: previewing with a placeholder; run \`make images\` before \`up\``,
            );
        warned = true;
        return `${config.text("imageRepository")}/${name}@sha256:${"0".repeat(64)}`;
    };
    return { args: (name) => ({ reference: references[name] ?? missing(name) }) };
}

function builtImages(): Record<string, string> {
    return existsSync(DIGESTS) ? JSON.parse(readFileSync(DIGESTS, "utf8")) : {};
}
