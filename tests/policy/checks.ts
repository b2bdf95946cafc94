import { isFromCatalog } from "../../components/core/catalog";
import {
    containersOf,
    longRunningContainersOf,
    PodSpec,
    PodTemplate,
    podTemplateOf,
    Probe,
    StackResource,
} from "./pods";

/** Images that may change unnoticed: neither by digest nor in the catalogue. */
export function imageViolations(spec: PodSpec): string[] {
    return containersOf(spec)
        .filter(({ image = "" }) => !/@sha256:[0-9a-f]{64}$/.test(image) && !isFromCatalog(image))
        .map(
            ({ name, image }) =>
                `container ${name} runs ${image ?? "no image"}, neither by digest nor in the catalogue`,
        );
}

/** Long-running containers that nobody would restart, and pods that would get traffic too early. */
export function probeViolations({ spec, serves }: Pick<PodTemplate, "spec" | "serves">): string[] {
    if (!serves) return [];
    const containers = longRunningContainersOf(spec);
    const same = (left?: Probe, right?: Probe) =>
        left && JSON.stringify(actionOf(left)) === JSON.stringify(actionOf(right));
    return [
        ...containers.filter((one) => !one.livenessProbe).map(({ name }) => `container ${name} has no liveness probe`),
        ...containers
            .filter((one) => same(one.livenessProbe, one.readinessProbe))
            .map(({ name }) => `container ${name} asks the same for liveness as for readiness`),
        // One container may answer for others, such as a proxy for an application that listens on localhost.
        ...(containers.some((one) => one.readinessProbe) ? [] : ["no container of the pod has a readiness probe"]),
    ];
}

function actionOf({ httpGet, tcpSocket, exec, grpc }: Probe = {}): object {
    return { httpGet, tcpSocket, exec, grpc };
}

/** Containers without requests, or without the one limit that protects others: memory. */
export function resourceViolations(spec: PodSpec): string[] {
    return containersOf(spec).flatMap(({ name, resources: { requests = {}, limits = {} } = {} }) => {
        const missing = [
            ...(requests.cpu ? [] : ["a cpu request"]),
            ...(requests.memory ? [] : ["a memory request"]),
            ...(limits.memory ? [] : ["a memory limit"]),
        ];
        return missing.map((what) => `container ${name} has not ${what}`);
    });
}

/** Services, budgets and policies that select none of the stack's pods. */
export function selectorViolations<R extends StackResource>(resources: R[]): { resource: R; violation: string }[] {
    const pods = resources.map(podTemplateOf).filter((one) => one !== undefined);
    return resources.flatMap((resource) => {
        const selector = selectorOf(resource);
        if (!selector || pods.some((pod) => selects(selector, resource.props.metadata?.namespace, pod))) return [];
        return [
            {
                resource,
                violation: `${resource.name} selects ${JSON.stringify(selector)}, which no pod of the stack has`,
            },
        ];
    });
}

interface Selector {
    matchLabels?: Record<string, string>;
    matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

function selectorOf({ type, props }: StackResource): Selector | undefined {
    switch (type) {
        case "kubernetes:core/v1:Service":
            return props.spec?.selector && { matchLabels: props.spec.selector };
        case "kubernetes:policy/v1:PodDisruptionBudget":
            return props.spec?.selector ?? {};
        case "kubernetes:networking.k8s.io/v1:NetworkPolicy":
            return props.spec?.podSelector ?? {};
        default:
            return undefined;
    }
}

function selects(
    { matchLabels = {}, matchExpressions = [] }: Selector,
    namespace: string | undefined,
    pod: PodTemplate,
): boolean {
    const { labels } = pod;
    const holds = ({ key, operator, values = [] }: NonNullable<Selector["matchExpressions"]>[number]) =>
        operator === "In"
            ? values.includes(labels[key])
            : operator === "NotIn"
              ? !values.includes(labels[key])
              : operator === "Exists"
                ? key in labels
                : !(key in labels);
    return (
        pod.namespace === namespace &&
        Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
        matchExpressions.every(holds)
    );
}
