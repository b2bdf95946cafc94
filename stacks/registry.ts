import type * as pulumi from "@pulumi/pulumi";

import type { Context } from "./context";

/** What every scenario tells the person who deployed it. */
export interface ScenarioOutputs {
    namespace: pulumi.Input<string>;
    /** In-cluster URLs, by what they serve. */
    endpoints: Record<string, pulumi.Input<string>>;
    /** A command that shows the pattern at work. */
    tryIt: pulumi.Input<string>;
}

/** A module of this folder. */
export interface Scenario {
    run(context: Context): ScenarioOutputs;
}

/** All scenarios; only the one that is deployed is loaded. */
export const scenarios: Record<string, () => Promise<Scenario>> = {
    "ch02-https-sidecar": () => import("./ch02-https-sidecar"),
    "ch02-topz": () => import("./ch02-topz"),
};
