import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runningTarget, Target, targetSteps } from "../cluster/target";
import { prepareImages } from "../images/prepare";
import { duration, runSteps, say } from "../lib/progress";
import type { CommandOptions } from "../main";
import { ensureStack, mendInterrupted, operate, outputs, removeStack, stackExists } from "../stack/operations";
import { backendFor, parseSettings, prepareWorkspace, requireScenario, scenarios } from "../stack/workspace";
import { pulumiSteps } from "../toolchain/pulumi";

const DEFAULT_SCENARIO = "ch02-https-sidecar";

/** Brings up a cluster if none is named, the images, and a scenario on it; prints the outputs. */
export async function up(options: CommandOptions): Promise<void> {
    const start = performance.now();
    const scenario = requireScenario(options.stack ?? DEFAULT_SCENARIO);
    const settings = parseSettings(options.config);
    const toolchain = await pulumiSteps();
    const cluster = await targetSteps(options);
    await runSteps([
        ...toolchain.steps,
        ...cluster.steps,
        { label: "images", usualSeconds: 3, run: async () => prepareImages(await cluster.result()) },
    ]);
    const [pulumi, target] = [await toolchain.result(), await cluster.result()];
    const backend = backendFor(target.name);
    const workspace = prepareWorkspace({
        pulumi,
        backend,
        target: target.name,
        scenario,
        overrides: { ...settings, ...targetSettings(target) },
    });
    await ensureStack(pulumi, workspace);
    await mendInterrupted(pulumi, workspace);
    await operate(pulumi, workspace, "up", ["--suppress-outputs"]);
    printOutputs(await outputs(pulumi, workspace));
    say(`${scenario} is up on ${target.context} after ${duration((performance.now() - start) / 1000)}`);
}

/** Shows what `up` would change; without a cluster, the creation of everything. */
export async function preview(options: CommandOptions): Promise<void> {
    const settings = parseSettings(options.config);
    const chosen = options.stack ? [requireScenario(options.stack)] : scenarios();
    const toolchain = await pulumiSteps();
    await runSteps(toolchain.steps);
    const pulumi = await toolchain.result();
    const target = await runningTarget(options);
    // Without a cluster there is no state either: a backend that is thrown away makes everything new.
    const scratch = target ? undefined : mkdtempSync(join(tmpdir(), "dp-preview-"));
    try {
        for (const scenario of chosen) {
            const name = target?.name ?? "none";
            const backend = scratch ? { env: throwawayBackend(scratch) } : backendFor(name);
            const overrides = { ...settings, ...(target ? targetSettings(target) : {}) };
            const workspace = prepareWorkspace({ pulumi, backend, target: name, scenario, overrides, root: scratch });
            const isNew = !(await stackExists(pulumi, workspace));
            if (isNew) await ensureStack(pulumi, workspace);
            try {
                await operate(pulumi, workspace, "preview", ["--diff=false"]);
            } finally {
                if (isNew && !scratch) await removeStack(pulumi, workspace);
            }
        }
    } finally {
        if (scratch) rmSync(scratch, { recursive: true, force: true });
    }
}

/** Removes a scenario and all it made. */
export async function destroy(options: CommandOptions): Promise<void> {
    const scenario = requireScenario(options.stack ?? DEFAULT_SCENARIO);
    const target = await runningTarget(options);
    if (!target) {
        say(`there is no cluster ${options.cluster}, so nothing of ${scenario} is left`);
        return;
    }
    const toolchain = await pulumiSteps();
    await runSteps(toolchain.steps);
    const pulumi = await toolchain.result();
    const workspace = prepareWorkspace({
        pulumi,
        backend: backendFor(target.name),
        target: target.name,
        scenario,
        overrides: targetSettings(target),
    });
    if (!(await stackExists(pulumi, workspace))) {
        say(`${scenario} is not deployed to ${target.context}`);
        return;
    }
    await mendInterrupted(pulumi, workspace);
    await operate(pulumi, workspace, "destroy");
    await removeStack(pulumi, workspace);
}

/** Configuration that leads a stack to its cluster. */
export function targetSettings(target: Pick<Target, "context" | "kubeconfig" | "kubectl">): Record<string, string> {
    return {
        context: target.context,
        ...(target.kubeconfig ? { kubeconfig: target.kubeconfig } : {}),
        ...(target.kubectl === "kubectl" ? {} : { kubectl: target.kubectl }),
    };
}

function throwawayBackend(directory: string): Record<string, string> {
    return { PULUMI_BACKEND_URL: `file://${directory}`, PULUMI_CONFIG_PASSPHRASE: "preview" };
}

function printOutputs(values: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(values)) {
        console.log(`${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
    }
}
