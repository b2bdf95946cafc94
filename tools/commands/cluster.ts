import { deleteKindCluster } from "../cluster/kind";
import { findCluster, knownClusters } from "../cluster/local/layout";
import { status, tearDown } from "../cluster/local/localCluster";
import { registrySupplies } from "../cluster/local/supplies";
import { targetSteps } from "../cluster/target";
import { UserError } from "../lib/errors";
import { runSteps, say } from "../lib/progress";
import type { CommandOptions } from "../main";
import { forgetBackend } from "../stack/workspace";

/** Brings up the project's own cluster. */
export async function cluster(options: CommandOptions): Promise<void> {
    refuseForeign(options, "make cluster");
    const { steps, result } = await targetSteps(options);
    await runSteps(steps);
    const target = await result();
    console.log(`${target.kubectl} --kubeconfig=${target.kubeconfig} get nodes`);
}

/** Removes the project's own cluster with everything on it, and the state of the stacks that were on it. */
export async function clusterDown(options: CommandOptions): Promise<void> {
    refuseForeign(options, "make cluster-down");
    const removed = (await tearDown(options.cluster, registrySupplies)) || (await deleteKindCluster(options.cluster));
    if (removed) forgetBackend(options.cluster);
    say(removed ? `cluster ${options.cluster} is gone` : `there is no cluster ${options.cluster}`);
}

/** Says what of the project's own cluster runs; exits with 1 when something does not. */
export async function clusterStatus(options: CommandOptions): Promise<void> {
    const layout = findCluster(options.cluster);
    if (!layout) {
        const others = knownClusters();
        throw new UserError(
            `there is no cluster ${options.cluster}`,
            others.length > 0 ? `there are ${others.join(", ")}` : "make cluster brings it up",
        );
    }
    const parts = await status(layout);
    for (const { what, ok, detail } of parts) console.log(`${ok ? "ok  " : "FAIL"} ${what}: ${detail}`);
    if (parts.some(({ ok }) => !ok))
        throw new UserError(`cluster ${options.cluster} is not healthy`, "make cluster mends it");
}

function refuseForeign(options: CommandOptions, command: string): void {
    if (options.context || options.kubeconfig) {
        throw new UserError(
            `${command} makes and removes the project's own clusters only`,
            "leave out CONTEXT and KUBECONFIG",
        );
    }
}
