import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../../lib/errors";
import { stateRoot } from "../../lib/paths";

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

const CLUSTERS = join(stateRoot, "clusters");
const MOST_CLUSTERS = 30;
const MOST_NODES = 16;

/** Names of the local clusters that exist on this machine. */
export function knownClusters(): string[] {
    if (!existsSync(CLUSTERS)) return [];
    return readdirSync(CLUSTERS).filter((name) => existsSync(recordFile(name)));
}

/** The layout of an existing cluster, or undefined. */
export function findCluster(name: string): ClusterLayout | undefined {
    return existsSync(recordFile(name)) ? layoutOf(name, readRecord(name)) : undefined;
}

/**
 * The layout of a cluster, which is written down if it is new. An existing one may grow, not shrink.
 *
 * @throws UserError when the name or the number of nodes cannot be used
 */
export function claimCluster(name: string, nodes?: number): ClusterLayout {
    if (!/^[a-z][a-z0-9-]{0,19}$/.test(name)) {
        throw new UserError(
            `CLUSTER is "${name}"`,
            "give 1 to 20 lower-case letters, digits and dashes, a letter first",
        );
    }
    if (nodes !== undefined && !(Number.isInteger(nodes) && nodes >= 1 && nodes <= MOST_NODES)) {
        throw new UserError(`NODES is ${nodes}`, `give a whole number from 1 to ${MOST_NODES}`);
    }
    const existing = existsSync(recordFile(name)) ? readRecord(name) : undefined;
    if (existing && nodes !== undefined && nodes < existing.nodes) {
        throw new UserError(
            `cluster ${name} has ${existing.nodes} nodes, NODES is ${nodes}`,
            `run make cluster-down CLUSTER=${name} first`,
        );
    }
    const record = { index: existing?.index ?? freeIndex(), nodes: nodes ?? existing?.nodes ?? 1 };
    mkdirSync(join(CLUSTERS, name), { recursive: true, mode: 0o700 });
    writeFileSync(recordFile(name), JSON.stringify(record));
    return layoutOf(name, record);
}

/** Forgets a cluster that is gone. */
export function forgetCluster(layout: ClusterLayout): void {
    rmSync(layout.runDirectory, { recursive: true, force: true });
    rmSync(layout.directory, { recursive: true, force: true });
}

function recordFile(name: string): string {
    return join(CLUSTERS, name, "cluster.json");
}

function readRecord(name: string): ClusterRecord {
    return JSON.parse(readFileSync(recordFile(name), "utf8")) as ClusterRecord;
}

function freeIndex(): number {
    const taken = new Set(knownClusters().map((name) => readRecord(name).index));
    for (let index = 0; index < MOST_CLUSTERS; index++) if (!taken.has(index)) return index;
    throw new UserError(
        `there are ${MOST_CLUSTERS} local clusters already`,
        "remove one with make cluster-down CLUSTER=<name>",
    );
}

function layoutOf(name: string, record: ClusterRecord): ClusterLayout {
    const directory = join(CLUSTERS, name);
    const runDirectory = join("/run/distributed-patterns", name);
    const base = `100.127.${record.index * 8}`;
    const cgroup = `/distributed-patterns-${name}`;
    const nodes = Array.from({ length: record.nodes }, (_, offset): NodeLayout => {
        const number = offset + 1;
        return {
            number,
            name: `node${number}`,
            namespace: `dp-${name}-${number}`,
            address: `${base}.${4 * number - 2}`,
            gateway: `${base}.${4 * number - 3}`,
            link: { gateway: `dp${record.index}g${number}`, node: `dp${record.index}n${number}` },
            podRange: `10.244.${offset}.0/24`,
            runDirectory: join(runDirectory, `node${number}`),
            directory: join(directory, `node${number}`),
            cgroup: `${cgroup}/node${number}`,
        };
    });
    return {
        name,
        directory,
        runDirectory,
        cgroup,
        kubeconfig: join(directory, "kubeconfig"),
        context: `dp-${name}`,
        hostAddress: nodes[0].gateway,
        sinkAddress: `100.127.${record.index * 8 + 1}.1`,
        nodes,
    };
}
