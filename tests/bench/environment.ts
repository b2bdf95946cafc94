import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { deleteKindCluster } from "../../tools/cluster/kind";
import { tearDown } from "../../tools/cluster/local/localCluster";
import { registrySupplies } from "../../tools/cluster/local/supplies";
import { Target, targetSteps } from "../../tools/cluster/target";
import { prepareImages } from "../../tools/images/prepare";
import { run } from "../../tools/lib/process";
import { runSteps, say } from "../../tools/lib/progress";
import { Pulumi, pulumiSteps } from "../../tools/toolchain/pulumi";
import { kubectlFlags } from "../support/kubectl";

/** Name of the cluster that belongs to the benchmark alone: the tests' own may be at work. */
const CLUSTER = "bench";

/** What the measurements work with. */
export interface BenchEnvironment {
    pulumi: Pulumi;
    target: Target;
    /** Unique to this run; part of the names of its stacks and namespaces. */
    runId: string;
    /** Directory of this run's Pulumi state and other files. */
    state: string;
    kubectl(args: string[]): Promise<string>;
    /** Removes the cluster and the state; with `DP_KEEP` set the cluster stays, for the next run. */
    release(): Promise<void>;
}

/** Brings up Pulumi, the images and a cluster of one node. */
export async function prepareEnvironment(): Promise<BenchEnvironment> {
    const toolchain = await pulumiSteps();
    if (!process.env.DP_KEEP) await tearDown(CLUSTER, registrySupplies);
    const cluster = await targetSteps({ cluster: CLUSTER, nodes: 1 });
    await runSteps([
        ...toolchain.steps,
        ...cluster.steps,
        { label: "images", usualSeconds: 3, run: async () => prepareImages(await cluster.result()) },
    ]);
    const target = await cluster.result();
    const state = mkdtempSync(join(tmpdir(), "dp-bench-"));
    return {
        pulumi: await toolchain.result(),
        target,
        runId: randomBytes(3).toString("hex"),
        state,
        kubectl: async (args) =>
            (await run(target.kubectl, [...kubectlFlags(target), ...args], { timeout: 180_000 })).stdout,
        release: async () => {
            rmSync(state, { recursive: true, force: true });
            if (process.env.DP_KEEP) return say(`DP_KEEP is set: the cluster ${CLUSTER} stays`);
            if (!(await tearDown(CLUSTER, registrySupplies))) await deleteKindCluster(CLUSTER);
        },
    };
}
