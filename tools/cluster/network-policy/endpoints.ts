import { parseAddress } from "./addresses";
import { Pod, Protocol } from "./objects";

/** A pod that has an IPv4 address of its own. */
export interface Endpoint {
    namespace: string;
    labels: Record<string, string>;
    address: number;
    ports: { name: string; number: number; protocol: Protocol }[];
}

/**
 * The pods that policies can select or name as peers, in order of address. Left out are pods without an address yet,
 * pods on the host network (their address is the node's) and finished pods, whose address may belong to another by now.
 * A terminating pod still has its address and stays. Of two pods that claim one address (the older object has outlived
 * its sandbox), the one that is not being deleted wins, then the younger.
 */
export function endpointsOf(pods: Iterable<Pod>): Endpoint[] {
    const owners = new Map<number, Pod>();
    for (const pod of pods) {
        const address = addressOf(pod);
        if (address === undefined) continue;
        const other = owners.get(address);
        if (!other || outlives(pod, other)) owners.set(address, pod);
    }
    return [...owners]
        .sort(([a], [b]) => a - b)
        .map(([address, pod]) => ({
            namespace: pod.metadata.namespace ?? "default",
            labels: pod.metadata.labels ?? {},
            address,
            ports: namedPorts(pod),
        }));
}

function addressOf({ spec, status }: Pod): number | undefined {
    if (spec.hostNetwork || status?.phase === "Succeeded" || status?.phase === "Failed") return undefined;
    const candidates = [...(status?.podIPs ?? []).map(({ ip }) => ip), status?.podIP ?? ""];
    return candidates.map(parseAddress).find((address) => address !== undefined);
}

function outlives(pod: Pod, other: Pod): boolean {
    const [leaving, otherLeaving] = [pod, other].map(({ metadata }) => metadata.deletionTimestamp !== undefined);
    if (leaving !== otherLeaving) return otherLeaving;
    return age(pod) > age(other);
}

/** Sorts by creation; the name decides between equals, so that the same pods always give the same result. */
function age({ metadata }: Pod): string {
    return `${metadata.creationTimestamp ?? ""} ${metadata.namespace ?? ""}/${metadata.name}`;
}

/** Named ports of containers that run beside each other: ordinary ones and native sidecars. */
function namedPorts({ spec }: Pod): Endpoint["ports"] {
    const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
    return [...spec.containers, ...sidecars]
        .flatMap(({ ports }) => ports ?? [])
        .flatMap(({ name, containerPort, protocol = "TCP" }) =>
            name ? [{ name, number: containerPort, protocol }] : [],
        );
}
