import { existsSync } from "node:fs";

import { UserError } from "../lib/errors";
import { CommandError, run, which } from "../lib/process";
import { Step } from "../lib/progress";
import { buildBinary } from "../toolchain/goBuild";
import { clusterBinaries } from "../toolchain/goBinaries";
import { canUseKind, kindTarget } from "./kind";
import { findCluster } from "./local/layout";
import { assertRoot, upSteps } from "./local/localCluster";
import { registrySupplies } from "./local/supplies";

/** A cluster to deploy to. */
export interface Target {
    route: "context" | "kind" | "modules";
    /** Name of the local cluster, or one made from the context; its state is kept by it. */
    name: string;
    kubeconfig?: string;
    context: string;
    /** kubectl command for the user. */
    kubectl: string;
}

/** How the user names a cluster. */
export interface TargetRequest {
    /** Context of a cluster of the user's own. */
    context?: string;
    /** Kubeconfig given on purpose, never the one that happens to be in the environment. */
    kubeconfig?: string;
    /** Name of the project's own local cluster. */
    cluster: string;
    nodes?: number;
}

/** The steps that bring the target up, and the target itself once they ran. */
export async function targetSteps(request: TargetRequest): Promise<{ steps: Step[]; result: () => Promise<Target> }> {
    if (request.context || request.kubeconfig) return { steps: [], result: () => namedTarget(request) };
    if (await canUseKind()) return kindTarget(request);
    assertRoot();
    return {
        steps: await upSteps(request.cluster, request.nodes, registrySupplies),
        result: async () => (await runningTarget(request))!,
    };
}

/** The target if it is there already; nothing is started. */
export async function runningTarget(request: TargetRequest): Promise<Target | undefined> {
    if (request.context || request.kubeconfig) return namedTarget(request);
    const cluster = findCluster(request.cluster);
    if (cluster && existsSync(cluster.kubeconfig)) {
        return {
            route: "modules",
            name: cluster.name,
            kubeconfig: cluster.kubeconfig,
            context: cluster.context,
            kubectl: await kubectlCommand(),
        };
    }
    if (await canUseKind()) return (await kindTarget(request)).existing();
    return undefined;
}

/** kubectl on PATH, else the one built for the cluster. */
export async function kubectlCommand(): Promise<string> {
    if (await which("kubectl")) return "kubectl";
    return buildBinary(clusterBinaries.find(({ name }) => name === "kubectl")!);
}

/**
 * The user's own cluster.
 *
 * @throws UserError when the context does not exist or the cluster does not answer
 */
async function namedTarget({ context, kubeconfig }: TargetRequest): Promise<Target> {
    if (kubeconfig && !existsSync(kubeconfig))
        throw new UserError(`KUBECONFIG is "${kubeconfig}", and there is no such file`);
    const kubectl = await kubectlCommand();
    const flags = kubeconfig ? [`--kubeconfig=${kubeconfig}`] : [];
    const { stdout } = await run(kubectl, [...flags, "config", "view", "-o", "json"]);
    const config = JSON.parse(stdout) as { "current-context": string; contexts: { name: string }[] | null };
    const names = (config.contexts ?? []).map(({ name }) => name);
    // With a kubeconfig given on purpose its current context is meant; without one, only a context by name will do.
    const chosen = context ?? config["current-context"];
    if (!names.includes(chosen)) {
        throw new UserError(
            `CONTEXT is "${chosen}"`,
            names.length > 0 ? `the kubeconfig has ${names.join(", ")}` : "the kubeconfig has no context",
        );
    }
    await assertAnswers(kubectl, [...flags, `--context=${chosen}`], chosen);
    // The dot, which no local cluster has in its name, keeps the state of a context apart from theirs.
    const name = `context.${chosen.replace(/[^A-Za-z0-9.-]/g, "-")}`;
    return { route: "context", name, kubeconfig, context: chosen, kubectl };
}

async function assertAnswers(kubectl: string, flags: string[], context: string): Promise<void> {
    try {
        await run(kubectl, [...flags, "--request-timeout=8s", "get", "--raw", "/readyz"], { timeout: 20_000 });
    } catch (error) {
        const reason = error instanceof CommandError ? error.stderr.trim().split("\n").at(-1) : String(error);
        throw new UserError(`the cluster of context ${context} does not answer: ${reason}`);
    }
}
