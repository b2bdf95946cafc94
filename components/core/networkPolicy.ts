import type { types } from "@pulumi/kubernetes";

/** Who may open connections to the pods of a component. Probes of the node's kubelet always pass. */
export interface NetworkPolicyArgs {
    /** Whether the component makes a NetworkPolicy. Default: true. */
    enabled?: boolean;
    /** Labels of the client pods. Default: any pod, and with no `namespaceLabels` either, any address. */
    podLabels?: Record<string, string>;
    /** Labels of the clients' namespaces. Default: the component's own namespace where `podLabels` are given. */
    namespaceLabels?: Record<string, string>;
}

/** A policy that closes every port of the selected pods but `ports`. */
export function ingressOnly(
    podLabels: Record<string, string>,
    ports: number[],
    clients: NetworkPolicyArgs = {},
): types.input.networking.v1.NetworkPolicySpec {
    const from = clientPeers(clients);
    return {
        podSelector: { matchLabels: podLabels },
        policyTypes: ["Ingress"],
        ingress: [{ ports: ports.map((port) => ({ port, protocol: "TCP" })), ...(from && { from: [from] }) }],
    };
}

function clientPeers({
    podLabels,
    namespaceLabels,
}: NetworkPolicyArgs): types.input.networking.v1.NetworkPolicyPeer | undefined {
    if (!podLabels && !namespaceLabels) return undefined;
    return {
        ...(podLabels && { podSelector: { matchLabels: podLabels } }),
        ...(namespaceLabels && { namespaceSelector: { matchLabels: namespaceLabels } }),
    };
}
