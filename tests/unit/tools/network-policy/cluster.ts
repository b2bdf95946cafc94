import {
    Namespace,
    NetworkPolicy,
    Pod,
    PolicyPeer,
    PolicyPort,
} from "../../../../tools/cluster/network-policy/objects";
import { End } from "./testbed";

/** The cluster: four pods in three namespaces, and a host outside. All listen on the same ports. */
const listening = { tcp: [5000, 5001], udp: [5000] };
export const ends: End[] = [
    { name: "web", address: "10.244.0.10", ...listening },
    { name: "db", address: "10.244.0.11", ...listening },
    { name: "monitor", address: "10.244.1.10", ...listening },
    { name: "guest", address: "10.244.1.11", ...listening },
    { name: "outside", address: "192.0.2.10", ...listening },
];
/** Rewritten to port 5000 of `db` before the forward hook, as kube-proxy does for a Service. */
export const SERVICE = "10.96.0.10";

export const namespaces: Namespace[] = [
    { metadata: { name: "shop", labels: { team: "sales", stage: "live" } } },
    { metadata: { name: "ops", labels: { team: "ops", stage: "live" } } },
    { metadata: { name: "lab" } },
];
export const pods: Pod[] = [
    pod("web", "shop", { app: "web", tier: "front" }, 5001),
    pod("db", "shop", { app: "db", tier: "back" }, 5000),
    pod("monitor", "ops", { app: "probe", tier: "back" }, 5000),
    pod("guest", "lab", { app: "probe" }, 5000),
];

export function pod(
    name: string,
    namespace: string,
    labels: Record<string, string>,
    mainPort: number,
    changes: object = {},
): Pod {
    const ip = ends.find((end) => end.name === name)?.address;
    return {
        metadata: { name, namespace, labels, creationTimestamp: "2026-01-01T00:00:00Z" },
        spec: { containers: [{ ports: [{ name: "main", containerPort: mainPort }] }] },
        status: { phase: "Running", podIP: ip, podIPs: [{ ip: ip! }] },
        ...changes,
    };
}

export function policy(spec: NetworkPolicy["spec"], namespace = "shop"): NetworkPolicy {
    return { metadata: { name: "p", namespace }, spec };
}

/** Policies that let in or out of `db` what these peers and ports name. */
export const intoDb = (from?: PolicyPeer[], ports?: PolicyPort[]) =>
    policy({ podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Ingress"], ingress: [{ from, ports }] });
export const outOfDb = (to?: PolicyPeer[], ports?: PolicyPort[]) =>
    policy({ podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Egress"], egress: [{ to, ports }] });

export interface Flow {
    from: string;
    /** Name of an end, or `service`. */
    to: string;
    protocol: "tcp" | "udp";
    port: number;
}

/** Every connection between two ends, every end to the Service, and the node to every pod. */
export const flows: Flow[] = [...ends.map(({ name }) => name), "node"].flatMap((from) => [
    ...ends
        .filter(({ name }) => name !== from)
        .flatMap(({ name: to }): Flow[] => [
            { from, to, protocol: "tcp", port: 5000 },
            { from, to, protocol: "tcp", port: 5001 },
            { from, to, protocol: "udp", port: 5000 },
        ]),
    ...(from === "node" ? [] : [{ from, to: "service", protocol: "tcp", port: 80 } as const]),
]);

export interface Case {
    name: string;
    policies: NetworkPolicy[];
    /** Pods in place of the usual ones. */
    pods?: Pod[];
    /** Which flows are allowed; `to` and `port` are those behind the Service. */
    allows: (flow: Flow) => boolean;
}
