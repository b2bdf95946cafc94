/** The fields of Kubernetes objects that decide about network policy, as the API server sends them. */

export interface ObjectMeta {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    creationTimestamp?: string;
    deletionTimestamp?: string;
    resourceVersion?: string;
}

export interface KubernetesObject {
    metadata: ObjectMeta;
}

export type Protocol = "TCP" | "UDP" | "SCTP";

export interface Container {
    ports?: { name?: string; containerPort: number; protocol?: Protocol }[];
    restartPolicy?: string;
}

export interface Pod extends KubernetesObject {
    spec: { hostNetwork?: boolean; containers: Container[]; initContainers?: Container[] };
    status?: { phase?: string; podIP?: string; podIPs?: { ip: string }[] };
}

export type Namespace = KubernetesObject;

export interface LabelSelector {
    matchLabels?: Record<string, string>;
    matchExpressions?: { key: string; operator: "In" | "NotIn" | "Exists" | "DoesNotExist"; values?: string[] }[];
}

export interface PolicyPeer {
    podSelector?: LabelSelector;
    namespaceSelector?: LabelSelector;
    ipBlock?: { cidr: string; except?: string[] };
}

export interface PolicyPort {
    protocol?: Protocol;
    /** A number, or the name of a container port. */
    port?: number | string;
    endPort?: number;
}

export interface NetworkPolicy extends KubernetesObject {
    spec: {
        podSelector?: LabelSelector;
        policyTypes?: ("Ingress" | "Egress")[];
        ingress?: { from?: PolicyPeer[]; ports?: PolicyPort[] }[];
        egress?: { to?: PolicyPeer[]; ports?: PolicyPort[] }[];
    };
}

/** Everything that the rules of a cluster follow from. */
export interface ClusterState {
    pods: Iterable<Pod>;
    namespaces: Iterable<Namespace>;
    policies: Iterable<NetworkPolicy>;
}
