import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { cgroupDirectories, processesIn } from "../../tools/cluster/local/cgroups";
import { ClusterLayout, findCluster, network } from "../../tools/cluster/local/layout";
import { status, tearDown, upSteps } from "../../tools/cluster/local/localCluster";
import { registrySupplies } from "../../tools/cluster/local/supplies";
import { probe } from "../../tools/images/registryApi";
import { cacheRoot, runRoot } from "../../tools/lib/paths";
import { run, waitFor } from "../../tools/lib/process";
import { testEnvironment } from "../support/testCluster";
import { IDLE, podTemplate, skipUnlessFromModules } from "./support/testNamespace";

/** A cluster of this test's own: it harms it, and then removes it. */
const NAME = `mend-${process.pid}`;
/** What is killed: one part of each layer. */
const KILLED = ["etcd", "kube-apiserver", "node1 containerd", "node1 kubelet"];

describe("a local cluster", function () {
    this.timeout(240_000);
    let cluster: ClusterLayout;
    let tables: string;
    let pids: Map<string, string>;

    before(async function () {
        skipUnlessFromModules(this);
        tables = await nftTables();
    });
    after(() => tearDown(NAME, registrySupplies));

    async function up(): Promise<void> {
        for (const step of await upSteps(NAME, 1, registrySupplies)) await step.run();
    }

    const kubectl = async (args: string[], input?: object) =>
        (
            await run(testEnvironment().target.kubectl, [`--kubeconfig=${cluster.kubeconfig}`, ...args], {
                input: input && JSON.stringify(input),
                timeout: 120_000,
            })
        ).stdout;

    /** What runs, by the name of the part; everything has to. */
    async function healthyParts(): Promise<Map<string, string>> {
        const parts = await status(cluster);
        assert.deepEqual(
            parts.filter(({ ok }) => !ok),
            [],
        );
        return new Map(parts.map(({ what, detail }) => [what, detail]));
    }

    /** Identity of the pod's one container, and how often it was started. */
    const container = () =>
        kubectl([
            "get",
            "pod",
            "witness",
            "-o",
            "jsonpath={.status.containerStatuses[0]['containerID','restartCount','ready']}",
        ]);

    const nftTables = async () => (await run("nft", ["list", "tables"])).stdout;

    it("comes up with all its parts, and runs a pod", async () => {
        await up();
        cluster = findCluster(NAME)!;
        pids = await healthyParts();
        const { spec } = podTemplate(IDLE);
        await kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "Pod", metadata: { name: "witness" }, spec });
        await kubectl(["wait", "pod/witness", "--for=condition=Ready", "--timeout=90s"]);
    });

    it("is left as it is by a second up", async () => {
        const before = await container();
        const kubeconfig = readFileSync(cluster.kubeconfig, "utf8");
        await up();
        assert.deepEqual(await healthyParts(), pids);
        assert.equal(await container(), before);
        assert.equal(readFileSync(cluster.kubeconfig, "utf8"), kubeconfig);
    });

    it("has what was killed started again by the next up, and nothing else; its pods run on", async () => {
        const before = await container();
        for (const part of KILLED) process.kill(Number(pids.get(part)!.replace("process ", "")), "SIGKILL");
        await up();
        const mended = await healthyParts();
        const changed = [...mended].filter(([what, detail]) => pids.get(what) !== detail).map(([what]) => what);
        assert.deepEqual(changed, KILLED);
        const exec = ["exec", "witness", "--", "/nodejs/bin/node", "-p", "6 * 7"];
        assert.equal(await waitFor("the pod's answer", () => kubectl(exec)), "42\n");
        assert.equal(await container(), before);
    });

    it("leaves nothing when it is removed", async () => {
        const registry = `${cluster.hostAddress}:${network.registryPort}`;
        assert.equal(await tearDown(NAME, registrySupplies), true);

        assert.equal(findCluster(NAME), undefined);
        assert.deepEqual(processesIn(cluster.cgroup), []);
        const commands = readdirSync("/proc")
            .filter((entry) => /^\d+$/.test(entry))
            .map((pid) => commandLine(pid))
            .filter((command) => command.includes(NAME));
        assert.deepEqual(commands, []);
        assert.equal(readFileSync("/proc/self/mounts", "utf8").includes(NAME), false);
        for (const path of [cluster.directory, cluster.runDirectory, ...cgroupDirectories(cluster.cgroup)])
            assert.equal(existsSync(path), false, path);
        for (const directory of [dirname(cluster.directory), runRoot, join(cacheRoot, "logs")])
            assert.deepEqual(
                readdirSync(directory).filter((file) => file.includes(NAME)),
                [],
            );
        for (const { namespace, link } of cluster.nodes) {
            assert.equal(existsSync(`/run/netns/${namespace}`), false, namespace);
            assert.equal(existsSync(`/sys/class/net/${link.gateway}`), false, link.gateway);
        }
        assert.notEqual(await probe(registry), "registry");
        assert.equal(await nftTables(), tables);
        const routes = (await run("ip", ["route"])).stdout;
        assert.equal(routes.includes(cluster.nodes[0].link.gateway), false, routes);
        assert.equal(await tearDown(NAME, registrySupplies), false);
    });
});

function commandLine(pid: string): string {
    try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
        return "";
    }
}
