import type * as pulumi from "@pulumi/pulumi";

import { Container } from "./pod";
import { exec, liveness } from "./probes";
import { ResourceArgs, resourcesOf } from "./resources";
import { requireImage, whenKnown } from "./validate";

/** The arguments about a user's application that components share. */
export interface AppArgs {
    image: pulumi.Input<string>;
    environment?: Record<string, pulumi.Input<string>>;
    livenessCommand?: string[];
    resources?: ResourceArgs;
}

const DEFAULT_RESOURCES = { cpuRequest: "50m", memoryRequest: "64Mi", memoryLimit: "128Mi" };

/**
 * The container of a user's application beside the sidecars of component `name`.
 *
 * @param outlastSeconds time for which it goes on serving after its pod was told to end, while traffic is led elsewhere
 */
export function appContainer(name: string, args: AppArgs, outlastSeconds: number): Container {
    const { environment, livenessCommand } = args;
    return {
        name: "app",
        image: whenKnown(args.image, (image) => requireImage(name, "image", image)),
        ...(environment && {
            env: Object.entries(environment).map(([variable, value]) => ({ name: variable, value })),
        }),
        resources: resourcesOf(name, "resources", args.resources, DEFAULT_RESOURCES),
        ...(livenessCommand && { livenessProbe: liveness(exec(livenessCommand)) }),
        lifecycle: { preStop: { sleep: { seconds: outlastSeconds } } },
    };
}
