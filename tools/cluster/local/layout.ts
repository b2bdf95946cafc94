import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../../lib/errors";
import { writeWhole } from "../../lib/files";
import { withLock } from "../../lib/lock";
import { runRoot, stateRoot } from "../../lib/paths";

/** Addresses inside every local cluster. Each cluster has namespaces of its own, so that they never meet. */
export const network = {
    pods: "10.244.0.0/16",
    services: "10.96.0.0/16",
    apiService: "10.96.0.1",
    dnsService: "10.96.0.10",
    domain: "cluster.local",
    apiPort: 6443,
    registryPort: 5001,
} as const;

/** One node: a network namespace with its own container runtime, kubelet and proxy. */
export interface NodeLayout {
    /** 1 is the node that also runs the control plane. */
    number: number;
    name: string;
    /** Network namespace. */
    namespace: string;
    address: string;
    /** The other end of the node's link: the host for node 1, node 1 for the others. */
    gateway: string;
    /** Interface names of the link, on the gateway's side and in the namespace. */
    link: { gateway: string; node: string };
    podRange: string;
    /** Files that a restart of the machine may lose: sockets, mounts, leases. */
    runDirectory: string;
    /** Images and the kubelet's files. */
    directory: string;
    /** Path below each cgroup controller. */
    cgroup: string;
}

/** Where everything of one local cluster is. */
export interface ClusterLayout {
    name: string;
    directory: string;
    /** Held while the cluster is brought up or removed; outside of its directory. */
    lockFile: string;
    runDirectory: string;
    cgroup: string;
    kubeconfig: string;
    /** Context in the kubeconfig. */
    context: string;
    /** Address of the host on its link to node 1; the registry answers there. */
    hostAddress: string;
    /** Address that gives node 1 a default route which leads nowhere. */
    sinkAddress: string;
    nodes: NodeLayout[];
}

/** What is written down about a cluster. */
interface ClusterRecord {
    /** Picks the addresses and interface names. */
    index: number;
    nodes: number;
}

/** Where clusters are written down, each in a directory of its name. */
const CLUSTERS = join(stateRoot, "clusters");
const MOST_CLUSTERS = 30;
const MOST_NODES = 16;

/** Names of the local clusters that exist on this machine. */
export function knownClusters(root = CLUSTERS): string[] {
    if (!existsSync(root)) return [];
    return readdirSync(root).filter((name) => existsSync(recordFile(root, name)));
}

/**
 * The layout of an existing cluster, or undefined.
 *
 * @throws UserError when the name cannot be one of a cluster
 */
export function findCluster(name: string, root = CLUSTERS): ClusterLayout | undefined {
    requireClusterName(name);
    return existsSync(recordFile(root, name)) ? layoutOf(root, name, readRecord(root, name)) : undefined;
}

/**
 * The layout of a cluster, which is written down if it is new. An existing one may grow, not shrink.
 *
 * @param nodes default: as many as it has, 1 for a new one
 * @throws UserError when the name or the number of nodes cannot be used
 */
export async function claimCluster(name: string, nodes?: number, root = CLUSTERS): Promise<ClusterLayout> {
    requireClusterName(name);
    if (nodes !== undefined) requireNodeCount(nodes);
    // Two new clusters at once must not choose the same addresses.
    return withLock(join(root, ".lock"), async () => {
        const existing = existsSync(recordFile(root, name)) ? readRecord(root, name) : undefined;
        if (existing && nodes !== undefined && nodes < existing.nodes) {
            throw new UserError(
                `cluster ${name} has ${existing.nodes} nodes, NODES is ${nodes}`,
                `run make cluster-down CLUSTER=${name} first`,
            );
        }
        if (!existing && existsSync(`/run/netns/${namespaceOf(name, 1)}`)) {
            throw new UserError(
                `a cluster ${name} runs already, and ${root} does not know it`,
                "set DP_STATE as it was when that was brought up, or take another CLUSTER",
            );
        }
        const record = { index: existing?.index ?? freeIndex(root), nodes: nodes ?? existing?.nodes ?? 1 };
        mkdirSync(join(root, name), { recursive: true, mode: 0o700 });
        writeWhole(recordFile(root, name), JSON.stringify(record));
        return layoutOf(root, name, record);
    });
}

/** Forgets a cluster that is gone. */
export function forgetCluster(layout: ClusterLayout): void {
    rmSync(layout.runDirectory, { recursive: true, force: true });
    rmSync(layout.directory, { recursive: true, force: true });
}

/**
 * Refuses what cannot be the name of a cluster: it becomes part of paths, and of names of namespaces and cgroups.
 *
 * @throws UserError naming CLUSTER
 */
export function requireClusterName(name: string): string {
    if (/^[a-z][a-z0-9-]{0,19}$/.test(name)) return name;
    throw new UserError(`CLUSTER is "${name}"`, "give 1 to 20 lower-case letters, digits and dashes, a letter first");
}

/**
 * A number of nodes, or its text.
 *
 * @throws UserError naming NODES
 */
export function requireNodeCount(nodes: number | string): number {
    const count = /^\d+$/.test(String(nodes)) ? Number(nodes) : 0;
    if (count >= 1 && count <= MOST_NODES) return count;
    throw new UserError(`NODES is "${nodes}"`, `give a whole number from 1 to ${MOST_NODES}`);
}

function recordFile(root: string, name: string): string {
    return join(root, name, "cluster.json");
}

function readRecord(root: string, name: string): ClusterRecord {
    return JSON.parse(readFileSync(recordFile(root, name), "utf8")) as ClusterRecord;
}

function freeIndex(root: string): number {
    const taken = new Set(knownClusters(root).map((name) => readRecord(root, name).index));
    for (let index = 0; index < MOST_CLUSTERS; index++) {
        // The link of a cluster that is written down below another state directory takes its addresses, too.
        if (!taken.has(index) && !existsSync(`/sys/class/net/${linkOf(index, 1).gateway}`)) return index;
    }
    throw new UserError(
        `there are ${MOST_CLUSTERS} local clusters already`,
        "remove one with make cluster-down CLUSTER=<name>",
    );
}

/** Network namespace of a node. */
function namespaceOf(cluster: string, node: number): string {
    return `dp-${cluster}-${node}`;
}

/** Names of the two ends of a node's link. */
function linkOf(index: number, node: number): { gateway: string; node: string } {
    return { gateway: `dp${index}g${node}`, node: `dp${index}n${node}` };
}

function layoutOf(root: string, name: string, record: ClusterRecord): ClusterLayout {
    const directory = join(root, name);
    const runDirectory = join(runRoot, name);
    const base = `100.127.${record.index * 8}`;
    const cgroup = `/distributed-patterns-${name}`;
    const nodes = Array.from({ length: record.nodes }, (_, offset): NodeLayout => {
        const number = offset + 1;
        return {
            number,
            name: `node${number}`,
            namespace: namespaceOf(name, number),
            address: `${base}.${4 * number - 2}`,
            gateway: `${base}.${4 * number - 3}`,
            link: linkOf(record.index, number),
            podRange: `10.244.${offset}.0/24`,
            runDirectory: join(runDirectory, `node${number}`),
            directory: join(directory, `node${number}`),
            cgroup: `${cgroup}/node${number}`,
        };
    });
    return {
        name,
        directory,
        lockFile: `${directory}.lock`,
        runDirectory,
        cgroup,
        kubeconfig: join(directory, "kubeconfig"),
        context: `dp-${name}`,
        hostAddress: nodes[0].gateway,
        sinkAddress: `100.127.${record.index * 8 + 1}.1`,
        nodes,
    };
}
