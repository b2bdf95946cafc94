import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { tearDown } from "../../tools/cluster/local/localCluster";
import { deleteKindCluster } from "../../tools/cluster/kind";
import { registrySupplies } from "../../tools/cluster/local/supplies";
import { Target, targetSteps } from "../../tools/cluster/target";
import { DIGESTS_FILE } from "../../tools/images/build";
import { prepareImages } from "../../tools/images/prepare";
import { runSteps, say } from "../../tools/lib/progress";
import { Pulumi, pulumiSteps } from "../../tools/toolchain/pulumi";

/** Name of the cluster that belongs to the tests alone. */
const CLUSTER = "test";
/** Nodes that spread, drain and policies across nodes need. */
const NODES = 2;

/** What a test of the cluster suites is given. */
export interface TestEnvironment {
    target: Target;
    pulumi: Pulumi;
    /** Unique to this run; part of the names of its stacks and namespaces. */
    runId: string;
    /** Directory of this run's Pulumi state, removed at its end. */
    state: string;
}

const VARIABLE = "DP_TEST_ENVIRONMENT";
let prepared: TestEnvironment | undefined;

/**
 * Brings up Pulumi, the images and a fresh cluster for the tests; one that an aborted run left is replaced.
 *
 * With `DP_KEEP` set, the cluster of an earlier run is used again and stays at the end: for working on one test.
 *
 * @returns what removes all of it again
 */
export async function prepareTestCluster(): Promise<() => Promise<void>> {
    const toolchain = await pulumiSteps();
    if (!process.env.DP_KEEP) await tearDown(CLUSTER, registrySupplies);
    const cluster = await targetSteps({ cluster: CLUSTER, nodes: NODES });
    await runSteps([
        ...toolchain.steps,
        ...cluster.steps,
        { label: "images", usualSeconds: 3, run: async () => prepareImages(await cluster.result()) },
    ]);
    const target = await cluster.result();
    const state = mkdtempSync(join(tmpdir(), "dp-state-"));
    prepared = {
        target,
        pulumi: await toolchain.result(),
        runId: randomBytes(3).toString("hex"),
        state,
    };
    return async () => {
        rmSync(state, { recursive: true, force: true });
        if (process.env.DP_KEEP) return say(`DP_KEEP is set: the cluster ${CLUSTER} stays`);
        if (!(await tearDown(CLUSTER, registrySupplies))) await deleteKindCluster(CLUSTER);
    };
}

/** Environment that hands the test cluster to the processes of the suites. */
export function testClusterEnvironment(): Record<string, string> {
    return prepared ? { [VARIABLE]: JSON.stringify(prepared) } : {};
}

/**
 * The test cluster, inside a suite.
 *
 * @throws Error when the suite was not started through `make test`
 */
export function testEnvironment(): TestEnvironment {
    const text = process.env[VARIABLE];
    if (!text) throw new Error("this suite needs the tests' own cluster: run it with make test-<suite>");
    return JSON.parse(text) as TestEnvironment;
}

/** Our images in the local registry, by name. */
export function digests(): Record<string, string> {
    return JSON.parse(readFileSync(DIGESTS_FILE, "utf8")) as Record<string, string>;
}
