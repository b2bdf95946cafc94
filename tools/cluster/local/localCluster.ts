import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { Daemon, daemonPid, startDaemon, stopDaemon, untilReady } from "../../lib/daemon";
import { UserError } from "../../lib/errors";
import { withLock } from "../../lib/lock";
import { run, waitFor } from "../../lib/process";
import { Step } from "../../lib/progress";
import { buildSteps } from "../../toolchain/goBuild";
import { clusterBinaries } from "../../toolchain/goBinaries";
import { linkBinaries, nodeBinaries } from "./binaries";
import { cgroupDirectories, createCgroup, killAll, removeCgroup } from "./cgroups";
import { bundleNetworkPolicyAgent, controlPlane, controlPlaneNames, networkPolicyStatus } from "./controlPlane";
import { makeCredentials } from "./credentials";
import { claimCluster, ClusterLayout, findCluster, forgetCluster, network } from "./layout";
import { unmountBelow } from "./mounts";
import { createNetwork, deleteNetwork, inNamespace } from "./network";
import { nodeDaemonNames, nodeDaemons } from "./node";

/** What the cluster needs from outside: the images of its own pods, in a registry it can reach. */
export interface ClusterSupplies {
    /** Puts pause, CoreDNS and metrics-server into the registry. */
    prepareImages(binaries: Map<string, string>): Promise<void>;
    /** Serves the registry at an address of the host; returns the daemon so that it ends with the cluster. */
    serveRegistry(address: string, cluster: ClusterLayout): Promise<void>;
    /** Ends what `serveRegistry` started. */
    stopRegistry(cluster: ClusterLayout): Promise<void>;
}

/** Refuses early where a cluster cannot be made at all. */
export function assertRoot(): void {
    if (process.getuid?.() !== 0) {
        throw new UserError(
            "a local cluster from modules needs root",
            "run as root, start Docker and install kind, or name a cluster with CONTEXT=",
        );
    }
}

/** The steps that bring a cluster up; on one that runs they change nothing, and what was killed is started again. */
export async function upSteps(name: string, nodes: number | undefined, supplies: ClusterSupplies): Promise<Step[]> {
    const cluster = await claimCluster(name, nodes);
    let binaries = new Map<string, string>();
    return [
        ...buildSteps(clusterBinaries),
        {
            label: "images of the cluster's own pods",
            usualSeconds: 3,
            run: async () => {
                binaries = await nodeBinaries();
                await supplies.prepareImages(binaries);
            },
        },
        {
            label: `cluster ${name}: ${cluster.nodes.length} node(s)`,
            usualSeconds: 20,
            run: () =>
                withLock(cluster.lockFile, async () => {
                    // Claimed once more: a removal that held the lock has forgotten it.
                    await bringUp(await claimCluster(name, nodes), binaries, supplies);
                }),
        },
    ];
}

async function bringUp(
    cluster: ClusterLayout,
    binaries: Map<string, string>,
    supplies: ClusterSupplies,
): Promise<void> {
    const directory = join(cluster.directory, "bin");
    linkBinaries(binaries, directory);
    for (const path of [cluster.runDirectory, join(cluster.directory, "control-plane")])
        mkdirSync(path, { recursive: true });
    const credentials = await makeCredentials(cluster);
    await createNetwork(cluster);
    await supplies.serveRegistry(cluster.hostAddress, cluster);
    const system = `${cluster.cgroup}/system`;
    for (const path of [system, ...cluster.nodes.map(({ cgroup }) => cgroup)]) createCgroup(path);
    await bundleNetworkPolicyAgent(cluster);

    const core = controlPlane(cluster, credentials, directory);
    const onNodes = cluster.nodes.map((node) => nodeDaemons(cluster, node, credentials, directory));
    const cgroups = cgroupDirectories(system);
    const start = (...daemons: Daemon[]) => Promise.all(daemons.map((daemon) => startDaemon({ ...daemon, cgroups })));
    // Container runtimes need nobody; everything else waits for the API by itself, but noisily and with back-off.
    const runtimes = onNodes.map(([runtime]) => runtime);
    const [etcd, apiServer, ...clients] = core;
    await start(...runtimes, etcd, apiServer);
    await healthy(apiServer, () => get(cluster, "/readyz"));
    await start(...clients, ...onNodes.flat());
    await kubectl(cluster, ["apply", "--server-side", "--force-conflicts", "-f", join(__dirname, "addons")]);

    for (const [index, node] of cluster.nodes.entries()) {
        const kubelet = onNodes[index][1];
        await healthy(kubelet, async () => {
            const { stdout } = await kubectl(cluster, [
                "get",
                "node",
                node.name,
                "-o",
                'jsonpath={.status.conditions[?(@.type=="Ready")].status}',
            ]);
            return stdout === "True";
        });
    }
    await healthy(core.at(-1)!, () => existsSync(networkPolicyStatus(cluster)));
    await kubectl(cluster, [
        "-n",
        "kube-system",
        "rollout",
        "status",
        "deployment/coredns",
        "deployment/metrics-server",
        "--timeout=90s",
    ]);
    await waitFor("an answer from the cluster's DNS", () => resolves(cluster), { timeoutMs: 30_000 });
    await waitFor("the metrics API", () => get(cluster, "/apis/metrics.k8s.io/v1beta1/nodes"), {
        timeoutMs: 60_000,
        everyMs: 300,
    });
}

/** Ends a cluster and removes every process, mount, namespace, interface, cgroup and file of it. */
export async function tearDown(name: string, supplies: Pick<ClusterSupplies, "stopRegistry">): Promise<boolean> {
    const lockFile = findCluster(name)?.lockFile;
    if (!lockFile) return false;
    return withLock(lockFile, async () => {
        const cluster = findCluster(name);
        // Another removal held the lock.
        if (!cluster) return false;
        // The kubelets before what they would start again; the rest has nothing to end in order.
        await Promise.all(cluster.nodes.map(({ directory }) => stopDaemon({ name: "kubelet", directory })));
        await killAll(cluster.cgroup);
        await supplies.stopRegistry(cluster);
        await unmountBelow([cluster.runDirectory, cluster.directory]);
        await deleteNetwork(cluster);
        removeCgroup(cluster.cgroup);
        forgetCluster(cluster);
        return true;
    });
}

/** One line about each part of a cluster. */
export interface PartStatus {
    what: string;
    ok: boolean;
    detail: string;
}

/** What of a cluster runs and answers. */
export async function status(cluster: ClusterLayout): Promise<PartStatus[]> {
    const parts = [
        ...controlPlaneNames.map((name) => daemonStatus(name, join(cluster.directory, "control-plane"))),
        ...cluster.nodes.flatMap((node) =>
            nodeDaemonNames.map((name) => daemonStatus(name, node.directory, `${node.name} `)),
        ),
    ];
    const checks: [string, () => Promise<boolean>][] = [
        ["API", () => get(cluster, "/readyz")],
        ["DNS", () => resolves(cluster)],
        ["metrics", () => get(cluster, "/apis/metrics.k8s.io/v1beta1/nodes")],
    ];
    for (const [what, check] of checks) {
        const ok = await check().catch(() => false);
        parts.push({ what, ok, detail: ok ? "answers" : "does not answer" });
    }
    return parts;
}

function daemonStatus(name: string, directory: string, prefix = ""): PartStatus {
    const pid = daemonPid({ name, directory });
    return { what: `${prefix}${name}`, ok: pid !== undefined, detail: pid ? `process ${pid}` : "not running" };
}

/** Waits until a check of the cluster comes true that depends on this daemon most. */
function healthy(daemon: Daemon, check: () => Promise<boolean> | boolean): Promise<void> {
    return untilReady(daemon, { check, timeoutMs: 90_000 });
}

/** Whether the API answers a path. */
async function get(cluster: ClusterLayout, path: string): Promise<boolean> {
    await kubectl(cluster, ["get", "--raw", path]);
    return true;
}

function kubectl(cluster: ClusterLayout, args: string[]) {
    return run(join(cluster.directory, "bin/kubectl"), ["--kubeconfig", cluster.kubeconfig, ...args], {
        timeout: 100_000,
    });
}

/** Whether the cluster's DNS knows the API's own name. */
async function resolves(cluster: ClusterLayout): Promise<boolean> {
    const script = `const r = new (require("node:dns").promises.Resolver)({ timeout: 1000, tries: 1 });
r.setServers(["${network.dnsService}"]);
r.resolve4("kubernetes.default.svc.${network.domain}").then((a) => process.exit(a[0] === "${network.apiService}" ? 0 : 1), () => process.exit(1));`;
    const [command, ...args] = inNamespace(cluster.nodes[0], [process.execPath, "-e", script]);
    await run(command, args, { timeout: 5_000 });
    return true;
}
