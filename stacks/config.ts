import * as pulumi from "@pulumi/pulumi";

import { refuse, requireOneOf, requireWholeNumber } from "../components/core/validate";

const PROJECT = "distributed-patterns";

/** Every key of the project's configuration; Pulumi.yaml declares the same ones with their defaults. */
export const configKeys = [
    "scenario",
    "namespace",
    "context",
    "kubeconfig",
    "kubectl",
    "imageMode",
    "imageRepository",
    "imageRegistry",
    "images",
    "replicas",
    "certificateSecret",
    "certificateIssuer",
    "minimumTls",
    "clientCertificate",
    "clientCa",
] as const;

/** Key of the project's configuration. */
export type ConfigKey = (typeof configKeys)[number];

/** The stack's configuration; every refusal names the key, what was given and what is allowed. */
export class StackConfig {
    private readonly config = new pulumi.Config(PROJECT);

    /** @throws pulumi.RunError when the stack sets a key that the project does not know */
    constructor() {
        for (const key of Object.keys(pulumi.runtime.allConfig())) {
            const [project, name] = key.split(":");
            if (project !== PROJECT || configKeys.some((known) => known === name)) continue;
            throw new pulumi.RunError(`config: there is no key \`${name}\`; give one of ${configKeys.join(", ")}`);
        }
    }

    /** The text of a key; undefined when it is empty or not set. */
    text(key: ConfigKey): string | undefined {
        return this.config.get(key) || undefined;
    }

    /** The text of a key that has a default. */
    oneOf<V extends string>(key: ConfigKey, values: readonly V[]): V {
        return requireOneOf("config", key, this.text(key) ?? "", values);
    }

    /** The whole number of a key, from `min` to `max`. */
    wholeNumber(key: ConfigKey, min: number, max: number): number {
        const given = this.text(key);
        return requireWholeNumber("config", key, /^-?\d{1,9}$/.test(given ?? "") ? Number(given) : given, min, max);
    }

    /** The texts of a key that holds a map. */
    map(key: ConfigKey): Record<string, string> {
        const given = this.config.getObject<unknown>(key) ?? {};
        const texts = typeof given === "object" && !Array.isArray(given) ? Object.entries(given!) : undefined;
        if (!texts?.every(([, value]) => typeof value === "string")) refuse("config", key, given, "a map of texts");
        return given as Record<string, string>;
    }
}
