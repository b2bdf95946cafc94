import type { types } from "@pulumi/kubernetes";

import { requireWholeNumber } from "./validate";

/** How many pods a voluntary disruption, such as a node drain, may take at once. */
export interface DisruptionBudgetArgs {
    /** Pods that may be gone at once, from 1 (0 would block every drain) to the number of replicas. Default: 1. */
    maxUnavailable?: number;
}

/** How pods are spread over the parts of a cluster. */
export interface SpreadArgs {
    /** Node label whose values are the parts. Default: `kubernetes.io/hostname`, one part for each node. */
    topologyKey?: string;
    /** Largest difference in pods between two parts, 1 to 100. Default: 1. */
    maxSkew?: number;
    /** Whether a pod that would break the spread waits instead of being placed. Default: false. */
    required?: boolean;
}

/** Checked `maxUnavailable` of a disruption budget. */
export function maxUnavailableOf(component: string, given: DisruptionBudgetArgs = {}, replicas: number): number {
    return requireWholeNumber(component, "disruptionBudget.maxUnavailable", given.maxUnavailable ?? 1, 1, replicas);
}

/** Checked spread of the pods with these labels. */
export function spreadOf(
    component: string,
    given: SpreadArgs = {},
    matchLabels: Record<string, string>,
): types.input.core.v1.TopologySpreadConstraint {
    return {
        maxSkew: requireWholeNumber(component, "spread.maxSkew", given.maxSkew ?? 1, 1, 100),
        topologyKey: given.topologyKey ?? "kubernetes.io/hostname",
        whenUnsatisfiable: given.required ? "DoNotSchedule" : "ScheduleAnyway",
        labelSelector: { matchLabels },
        // Only pods of the same revision count; else a rolling update leaves the new ones on one node.
        matchLabelKeys: ["pod-template-hash"],
    };
}
