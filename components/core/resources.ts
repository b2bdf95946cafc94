import type { types } from "@pulumi/kubernetes";

import { quantityOf, refuse, requireQuantity } from "./validate";

/** What a container reserves and how much it may take. */
export interface ResourceArgs {
    /** Processor time that is reserved, in cores, such as `50m`. */
    cpuRequest?: string;
    /** Processor time at which the container is throttled, in cores. Default: no limit, so that idle time can be used. */
    cpuLimit?: string;
    /** Memory that is reserved, in bytes, such as `64Mi`. */
    memoryRequest?: string;
    /** Memory above which the container is killed, in bytes. */
    memoryLimit?: string;
}

/** What a container gets where the user says nothing. */
export type DefaultResources = Required<Omit<ResourceArgs, "cpuLimit">>;

/** Checked resources of a container; `argument` is the name of the component's argument, for messages. */
export function resourcesOf(
    component: string,
    argument: string,
    given: ResourceArgs | undefined,
    defaults: DefaultResources,
): types.input.core.v1.ResourceRequirements {
    const { cpuRequest, cpuLimit, memoryRequest, memoryLimit }: DefaultResources & ResourceArgs = {
        ...defaults,
        ...given,
    };
    requireQuantity(component, `${argument}.cpuRequest`, cpuRequest, "50m");
    requireQuantity(component, `${argument}.memoryRequest`, memoryRequest, "64Mi");
    requireAtLeast(component, `${argument}.memoryLimit`, memoryLimit, memoryRequest, "128Mi");
    if (cpuLimit !== undefined) requireAtLeast(component, `${argument}.cpuLimit`, cpuLimit, cpuRequest, "500m");
    return {
        requests: { cpu: cpuRequest, memory: memoryRequest },
        limits: { ...(cpuLimit !== undefined && { cpu: cpuLimit }), memory: memoryLimit },
    };
}

function requireAtLeast(component: string, argument: string, limit: string, request: string, example: string): void {
    requireQuantity(component, argument, limit, example);
    if (quantityOf(limit)! < quantityOf(request)!)
        refuse(component, argument, limit, `at least the request, ${request}`);
}
