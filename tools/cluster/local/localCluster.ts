import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../../lib/errors";
import { withLock } from "../../lib/lock";
import { stateRoot } from "../../lib/paths";
import { run, waitFor } from "../../lib/process";
import { Step } from "../../lib/progress";
import { linkBinaries, nodeBinaries } from "./binaries";
import { cgroupDirectories, createCgroup, removeCgroup } from "./cgroups";
import { bundleNetworkPolicyAgent, controlPlane, networkPolicyStatus } from "./controlPlane";
import { makeCredentials } from "./credentials";
import { claimCluster, ClusterLayout, findCluster, forgetCluster, network } from "./layout";
import { unmountBelow } from "./mounts";
import { createNetwork, deleteNetwork, inNamespace } from "./network";
import { nodeDaemons } from "./node";
import { Daemon, killAll, logTail, runningPid, startDaemon, stopDaemon } from "./processes";

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
export function upSteps(name: string, nodes: number | undefined, supplies: ClusterSupplies): Step[] {
    const cluster = claimCluster(name, nodes);
    let binaries = new Map<string, string>();
    return [
        {
            label: "binaries of the cluster",
            usualSeconds: 1,
            run: async () => {
                binaries = await nodeBinaries();
                await supplies.prepareImages(binaries);
            },
        },
        {
            label: `cluster ${name}: ${cluster.nodes.length} node(s)`,
            usualSeconds: 20,
            run: () =>
                withLock(join(stateRoot, "clusters", `${name}.lock`), () => bringUp(cluster, binaries, supplies)),
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
    const start = (daemon: Daemon) => startDaemon(daemon, cgroupDirectories(system));
    // Container runtimes need nobody; everything else waits for the API by itself, but noisily and with back-off.
    onNodes.forEach(([runtime]) => start(runtime));
    const [etcd, apiServer, ...clients] = core;
    start(etcd);
    start(apiServer);
    await healthy(apiServer, () => get(cluster, "/readyz"));
    clients.forEach(start);
    onNodes.flat().forEach(start);
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
    const cluster = findCluster(name);
    if (!cluster) return false;
    await withLock(join(stateRoot, "clusters", `${name}.lock`), async () => {
        // The kubelets first: they would start again what is killed next.
        for (const node of cluster.nodes) {
            for (const daemon of ["kubelet", "kube-proxy", "containerd"])
                await stopDaemon({ name: daemon, directory: node.directory });
        }
        await killAll(cluster.cgroup);
        await supplies.stopRegistry(cluster);
        await unmountBelow([cluster.runDirectory, cluster.directory]);
        await deleteNetwork(cluster);
        removeCgroup(cluster.cgroup);
        forgetCluster(cluster);
    });
    return true;
}

/** One line about each part of a cluster. */
export interface PartStatus {
    what: string;
    ok: boolean;
    detail: string;
}

/** What of a cluster runs and answers. */
export async function status(cluster: ClusterLayout): Promise<PartStatus[]> {
    const controlPlaneParts = [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "volume-provisioner",
        "network-policy",
    ];
    const parts = [
        ...controlPlaneParts.map((name) => daemonStatus(name, join(cluster.directory, "control-plane"))),
        ...cluster.nodes.flatMap((node) =>
            ["containerd", "kubelet", "kube-proxy"].map((name) => daemonStatus(name, node.directory, `${node.name} `)),
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
    const pid = runningPid({ name, directory });
    return { what: `${prefix}${name}`, ok: pid !== undefined, detail: pid ? `process ${pid}` : "not running" };
}

/** Waits for a check, and shows the daemon's own last words when it does not come true. */
async function healthy(daemon: Daemon, check: () => Promise<boolean> | boolean): Promise<void> {
    const alive = async () => {
        if (!runningPid(daemon)) throw new UserError(`${daemon.name} ended: ${logTail(daemon)}`);
        return check();
    };
    let ended: unknown;
    await waitFor(
        daemon.name,
        () =>
            alive().catch((error: unknown) => {
                if (error instanceof UserError) ended = error;
                else throw error;
                return true;
            }),
        { timeoutMs: 90_000 },
    ).catch((error: Error) => {
        throw new Error(`${error.message}\n${logTail(daemon)}`);
    });
    if (ended) throw ended;
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
