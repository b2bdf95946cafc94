import type { types } from "@pulumi/kubernetes";
import { Deployment } from "@pulumi/kubernetes/apps/v1";
import { Service } from "@pulumi/kubernetes/core/v1";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1";
import { PodDisruptionBudget } from "@pulumi/kubernetes/policy/v1";
import * as pulumi from "@pulumi/pulumi";

import { DisruptionBudgetArgs, maxUnavailableOf, SpreadArgs, spreadOf } from "./availability";
import { ComponentLabels, labelsFor } from "./labels";
import { ingressOnly, NetworkPolicyArgs } from "./networkPolicy";
import { PodSpec } from "./pod";
import { requireWholeNumber } from "./validate";

/**
 * Time in which every node learns that a pod is going away, in seconds: until then new connections still reach it, so
 * its containers keep serving.
 */
export const ENDPOINT_LAG_SECONDS = 5;

/** The operability arguments that components of replicated pods share. */
export interface ReplicaArgs {
    replicas?: number;
    disruptionBudget?: DisruptionBudgetArgs;
    spread?: SpreadArgs;
    networkPolicy?: NetworkPolicyArgs;
    metrics?: boolean;
    labels?: Record<string, string>;
}

/** The same, checked. */
export interface ReplicaSettings {
    labels: ComponentLabels;
    replicas: number;
    maxUnavailable: number;
    spread: types.input.core.v1.TopologySpreadConstraint;
    networkPolicy: NetworkPolicyArgs;
    metrics: boolean;
}

/**
 * Checks the operability arguments, before any child exists.
 *
 * @param pattern kebab-case name of the pattern, for labels
 * @param defaultReplicas copies where the user says nothing
 */
export function replicaSettings(
    pattern: string,
    name: string,
    args: ReplicaArgs,
    defaultReplicas: number,
): ReplicaSettings {
    const labels = labelsFor(pattern, name, args.labels);
    const replicas = requireWholeNumber(name, "replicas", args.replicas ?? defaultReplicas, 1, 1000);
    return {
        labels,
        replicas,
        maxUnavailable: maxUnavailableOf(name, args.disruptionBudget, replicas),
        spread: spreadOf(name, args.spread, labels.selector),
        networkPolicy: args.networkPolicy ?? {},
        metrics: args.metrics ?? true,
    };
}

/** What runs in the pods and how they are reached. */
export interface ReplicatedPods extends ReplicaSettings {
    namespace: pulumi.Input<string>;
    podSpec: PodSpec;
    /** What has to exist before the pods start. Default: nothing. */
    dependsOn?: pulumi.Resource[];
    servicePorts: types.input.core.v1.ServicePort[];
    /** Container ports that clients may connect to. */
    openPorts: number[];
    /** Container port that serves `/metrics`, for scrapes. */
    metricsPort: number;
}

/** Makes the Deployment, Service, PodDisruptionBudget and NetworkPolicy of replicated pods, as children of `parent`. */
export function replicatedPods(
    parent: pulumi.ComponentResource,
    name: string,
    { labels, metrics, metricsPort, namespace, ...pods }: ReplicatedPods,
): { deployment: Deployment; service: Service } {
    const metadata = { namespace, labels: labels.all };
    const scrape = { "prometheus.io/scrape": "true", "prometheus.io/port": String(metricsPort) };

    const deployment = new Deployment(
        name,
        {
            metadata,
            spec: {
                replicas: pods.replicas,
                selector: { matchLabels: labels.selector },
                // A new copy is ready before an old one goes.
                strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
                template: {
                    metadata: { labels: labels.all, ...(metrics && { annotations: scrape }) },
                    spec: { ...pods.podSpec, topologySpreadConstraints: [pods.spread] },
                },
            },
        },
        { parent, dependsOn: pods.dependsOn },
    );

    const service = new Service(
        name,
        {
            metadata: {
                ...metadata,
                name,
                // The Deployment is awaited; the provider's own wait for endpoints only adds 10 s.
                annotations: { "pulumi.com/skipAwait": "true" },
            },
            spec: { selector: labels.selector, ports: pods.servicePorts },
        },
        { parent, dependsOn: deployment },
    );

    new PodDisruptionBudget(
        name,
        {
            metadata,
            spec: { maxUnavailable: pods.maxUnavailable, selector: { matchLabels: labels.selector } },
        },
        { parent },
    );

    if (pods.networkPolicy.enabled ?? true) {
        const ports = metrics ? [...new Set([...pods.openPorts, metricsPort])] : pods.openPorts;
        new NetworkPolicy(
            name,
            { metadata, spec: ingressOnly(labels.selector, ports, pods.networkPolicy) },
            { parent },
        );
    }
    return { deployment, service };
}
