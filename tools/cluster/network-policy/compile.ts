import { formatRange, merge, parseBlock, Range, subtract } from "./addresses";
import { Endpoint, endpointsOf } from "./endpoints";
import { ClusterState, NetworkPolicy, PolicyPeer, PolicyPort, Protocol } from "./objects";
import { Direction, Ruleset } from "./ruleset";
import { matches } from "./selectors";

/** The nft program of a cluster, and what it covers. */
export interface Compiled {
    /** Input of `nft -f`: replaces the table in one transaction. Equal states give equal text. */
    text: string;
    /** Pods that policies can select or name. */
    pods: number;
    /** Pods that a policy isolates in at least one direction. */
    isolated: number;
    policies: number;
}

/**
 * Compiles NetworkPolicy v1 into rules for the forward hook of every node.
 *
 * A connection between two pods must be allowed by the policies for egress of the one and for ingress of the other.
 * A pod that no policy selects for a direction is open in it; otherwise the union of its policies' rules is allowed and
 * the rest is dropped. What the specification leaves to the implementation, or what follows from the place of the rules:
 *
 * - Rules judge the first packet of a connection; replies, and connections that stand when a policy changes, go on
 *   until they end (for UDP: until conntrack forgets the pair of sockets, 30 to 120 s after its last packet).
 * - Service addresses are rewritten before the forward hook, so rules see the backend pod's address and port. A block
 *   that holds Service addresses matches nothing.
 * - Traffic between a pod and its own node, kubelet probes included, does not cross the hook: always allowed. Other
 *   nodes, and pods on the host network, are their node's address: only an `ipBlock`, or a rule for all peers, names them.
 * - A block matches pods by address too.
 * - A named port is looked up in the pod that receives: for egress to blocks and to all peers, every pod among them.
 * - A rule without ports allows every protocol, ICMP included; a rule with ports allows those alone.
 * - IPv4 only: IPv6 blocks match nothing.
 * - A new pod is open until its address has been seen here, shortly after the kubelet reports it.
 */
export function compile(state: ClusterState): Compiled {
    const endpoints = endpointsOf(state.pods);
    const labels = new Map([...state.namespaces].map(({ metadata }) => [metadata.name, metadata.labels ?? {}]));
    const policies = [...state.policies].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const ruleset = new Ruleset();
    for (const direction of ["egress", "ingress"] as const) {
        const scopes = policies
            .filter((policy) => isolates(policy, direction))
            .map((policy) => ({ policy, rules: rulesOf(policy, direction, endpoints, labels) }));
        for (const pod of endpoints) {
            const selecting = scopes.filter(({ policy }) => selects(policy, pod));
            if (!selecting.length) continue;
            const lines = selecting.flatMap(({ policy, rules }) =>
                rules
                    .flatMap((rule) =>
                        direction === "ingress" ? ingressMatches(ruleset, rule, pod) : egressMatches(ruleset, rule),
                    )
                    .map((match) => [...match, `return comment "${nameOf(policy).slice(0, 120)}"`].join(" ")),
            );
            ruleset.isolate(direction, pod.address, lines);
        }
    }
    return {
        text: String(ruleset),
        pods: endpoints.length,
        isolated: ruleset.isolatedCount,
        policies: policies.length,
    };
}

/** A rule with its peers looked up. */
interface Rule {
    ports: PolicyPort[];
    /** Undefined: all addresses. */
    peers?: { pods: Endpoint[]; blocks: Range[] };
    /** Every pod among the peers, also those that only a block holds. */
    reachable: Endpoint[];
}

type NamespaceLabels = Map<string, Record<string, string>>;

function rulesOf(policy: NetworkPolicy, direction: Direction, endpoints: Endpoint[], labels: NamespaceLabels): Rule[] {
    const { ingress = [], egress = [] } = policy.spec;
    const rules =
        direction === "ingress"
            ? ingress.map(({ from, ports }) => ({ peers: from, ports }))
            : egress.map(({ to, ports }) => ({ peers: to, ports }));
    return rules.map(({ peers = [], ports = [] }) => {
        if (!peers.length) return { ports, reachable: endpoints };
        const namespace = namespaceOf(policy);
        const pods = endpoints.filter((pod) => peers.some((peer) => isPeer(peer, pod, namespace, labels)));
        const blocks = peers.flatMap(({ ipBlock }) => (ipBlock ? blockRanges(ipBlock) : []));
        const inBlocks = ({ address }: Endpoint) =>
            blocks.some(({ first, last }) => address >= first && address <= last);
        return { ports, peers: { pods, blocks }, reachable: [...new Set([...pods, ...endpoints.filter(inBlocks)])] };
    });
}

function isPeer(
    { podSelector, namespaceSelector, ipBlock }: PolicyPeer,
    pod: Endpoint,
    namespace: string,
    labels: NamespaceLabels,
): boolean {
    if (ipBlock) return false;
    const inScope = namespaceSelector
        ? matches(namespaceSelector, labels.get(pod.namespace) ?? {})
        : pod.namespace === namespace;
    return inScope && matches(podSelector ?? {}, pod.labels);
}

function blockRanges({ cidr, except = [] }: NonNullable<PolicyPeer["ipBlock"]>): Range[] {
    const block = parseBlock(cidr);
    const holes = except.flatMap((hole) => parseBlock(hole) ?? []);
    return block ? subtract(block, holes) : [];
}

function ingressMatches(ruleset: Ruleset, rule: Rule, pod: Endpoint): string[][] {
    const peers = peerMatch(ruleset, rule, "saddr");
    if (!rule.ports.length) return [peers];
    const named = rule.ports.flatMap((port) => lookUp(port, pod).map((number) => ({ ...port, port: number })));
    return portMatches([...rule.ports, ...named]).map((match) => [...peers, match]);
}

function egressMatches(ruleset: Ruleset, rule: Rule): string[][] {
    const peers = peerMatch(ruleset, rule, "daddr");
    if (!rule.ports.length) return [peers];
    const numbered = portMatches(rule.ports).map((match) => [...peers, match]);
    const named = protocolsOf(rule.ports).flatMap(([protocol, ports]) => {
        const sockets = rule.reachable.flatMap((pod) =>
            ports.flatMap((port) => lookUp(port, pod).map((number) => ({ address: pod.address, port: number }))),
        );
        return sockets.length ? [[`ip daddr . ${protocol.toLowerCase()} dport @${ruleset.sockets(sockets)}`]] : [];
    });
    return [...numbered, ...named];
}

/** The match for a rule's peers, empty if it is for all; a set without elements, which matches nothing, if it is for none. */
function peerMatch(ruleset: Ruleset, { peers }: Rule, side: "saddr" | "daddr"): string[] {
    if (!peers) return [];
    const addresses = peers.pods.map(({ address }) => address);
    if (!peers.blocks.length) return [`ip ${side} @${ruleset.addresses(addresses)}`];
    const ranges = [...peers.blocks, ...addresses.map((address) => ({ first: address, last: address }))];
    return [`ip ${side} @${ruleset.ranges(ranges)}`];
}

/** One match for each protocol of the ports that are given by number or not at all. */
function portMatches(ports: PolicyPort[]): string[] {
    return protocolsOf(ports).flatMap(([protocol, sameProtocol]) => {
        const name = protocol.toLowerCase();
        if (sameProtocol.some(({ port }) => port === undefined)) return [`meta l4proto ${name}`];
        const ranges = sameProtocol.flatMap(({ port, endPort }) =>
            typeof port === "number" ? [{ first: port, last: endPort ?? port }] : [],
        );
        if (!ranges.length) return [];
        const numbers = merge(ranges).map((range) => formatRange(range, String));
        return [`${name} dport { ${numbers.join(", ")} }`];
    });
}

function protocolsOf(ports: PolicyPort[]): [Protocol, PolicyPort[]][] {
    return (["TCP", "UDP", "SCTP"] as const)
        .map((name): [Protocol, PolicyPort[]] => [name, ports.filter(({ protocol = "TCP" }) => protocol === name)])
        .filter(([, matching]) => matching.length);
}

/** Numbers that a named port has in a pod. */
function lookUp({ port, protocol = "TCP" }: PolicyPort, pod: Endpoint): number[] {
    return pod.ports.filter((own) => own.name === port && own.protocol === protocol).map(({ number }) => number);
}

function isolates({ spec }: NetworkPolicy, direction: Direction): boolean {
    // The API server's own default, for policies that have not been through one.
    const types = spec.policyTypes?.length ? spec.policyTypes : ["Ingress", ...(spec.egress?.length ? ["Egress"] : [])];
    return types.includes(direction === "ingress" ? "Ingress" : "Egress");
}

function selects(policy: NetworkPolicy, pod: Endpoint): boolean {
    return namespaceOf(policy) === pod.namespace && matches(policy.spec.podSelector ?? {}, pod.labels);
}

function namespaceOf({ metadata }: NetworkPolicy): string {
    return metadata.namespace ?? "default";
}

function nameOf(policy: NetworkPolicy): string {
    return `${namespaceOf(policy)}/${policy.metadata.name}`;
}
