import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { LocalWorkspace, PreviewOptions, PulumiCommand, Stack } from "@pulumi/pulumi/automation";

import { targetSettings } from "../../tools/commands/stack";
import { cacheRoot } from "../../tools/lib/paths";
import { CommandError, waitFor } from "../../tools/lib/process";
import { PARALLEL } from "../../tools/stack/operations";
import { backendFor, prepareWorkspace } from "../../tools/stack/workspace";
import { kubectl } from "./kubectl";
import { testEnvironment } from "./testCluster";

/** A scenario that a test has deployed: a stack and a namespace of this run alone. */
export class Scenario {
    private constructor(
        readonly stack: Stack,
        readonly namespace: string,
        private settings: Record<string, string>,
        private readonly name: string,
    ) {}

    /** Deploys a scenario with some settings. */
    static async deploy(name: string, settings: Record<string, string> = {}): Promise<Scenario> {
        const { runId } = testEnvironment();
        const stackName = `${name}-${runId}`;
        const stack = await openStack(name, stackName, settings);
        const scenario = new Scenario(stack, stackName, settings, name);
        await scenario.up();
        return scenario;
    }

    /** Previews the creation of a scenario on a stack that is thrown away; returns what the CLI prints. */
    static async preview(name: string, options: PreviewOptions): Promise<string> {
        const stack = await openStack(name, `${name}-preview-${testEnvironment().runId}`, {});
        try {
            return (await stack.preview({ ...options, color: "never" })).stdout;
        } finally {
            await stack.workspace.removeStack(stack.name);
        }
    }

    /** Updates the stack, with changed settings if any are given; returns how many resources changed, by operation. */
    async up(settings: Record<string, string> = {}): Promise<Record<string, number>> {
        this.settings = { ...this.settings, ...settings };
        workspaceOf(this.name, this.namespace, this.settings);
        const { summary } = await this.stack.up({ parallel: PARALLEL, color: "never" });
        return (summary.resourceChanges ?? {}) as Record<string, number>;
    }

    /** The stack's outputs. */
    async outputs(): Promise<Record<string, unknown>> {
        return Object.fromEntries(
            Object.entries(await this.stack.outputs()).map(([key, { value }]) => [key, value as unknown]),
        );
    }

    /** Removes the stack and proves that nothing of it is left on the cluster. */
    async destroy(): Promise<void> {
        await this.stack.destroy({ parallel: PARALLEL, color: "never" });
        await this.stack.workspace.removeStack(this.stack.name);
        await waitFor(
            `end of namespace ${this.namespace}`,
            async () =>
                (await kubectl(["get", "namespace", this.namespace, "--ignore-not-found", "-o", "name"])) === "",
        );
    }

    /** kubectl within the scenario's namespace. */
    kubectl(args: string[], input?: string): Promise<string> {
        return kubectl(["--namespace", this.namespace, ...args], input);
    }

    /** Keeps what explains a failure: objects, events and the logs of all pods. */
    async keepEvidence(title: string): Promise<string> {
        const directory = join(
            cacheRoot,
            "failed-tests",
            `${this.namespace}-${title.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 60)}`,
        );
        mkdirSync(directory, { recursive: true });
        const keep = async (file: string, args: string[]) =>
            writeFileSync(
                join(directory, file),
                await this.kubectl(args).catch((error: CommandError) => error.message),
            );
        await keep("objects.txt", ["get", "all,networkpolicies,secrets,configmaps", "-o", "wide"]);
        await keep("pods.txt", ["describe", "pods"]);
        await keep("events.txt", ["get", "events", "--sort-by=.lastTimestamp"]);
        const pods = (await this.kubectl(["get", "pods", "-o", "name"]).catch(() => "")).split("\n").filter(Boolean);
        for (const pod of pods)
            await keep(`${pod.replace("/", "-")}.log`, ["logs", pod, "--all-containers", "--prefix", "--tail=500"]);
        return directory;
    }
}

/** Keeps what explains a failed test of the scenario, and says where. */
export function keepEvidenceOfFailures(scenario: () => Scenario | undefined): void {
    afterEach(async function () {
        if (this.currentTest?.state === "failed" && scenario()) {
            console.log(`      evidence: ${await scenario()!.keepEvidence(this.currentTest.fullTitle())}`);
        }
    });
}

function workspaceOf(scenario: string, stack: string, settings: Record<string, string>) {
    const { pulumi, state, target } = testEnvironment();
    const overrides = { namespace: stack, ...settings, ...targetSettings(target) };
    // A user's own backend is not for tests.
    delete process.env.PULUMI_BACKEND_URL;
    return prepareWorkspace({
        pulumi,
        backend: backendFor("test", state),
        target: "test",
        scenario,
        stack,
        overrides,
        root: state,
    });
}

async function openStack(scenario: string, stackName: string, settings: Record<string, string>): Promise<Stack> {
    const workspace = workspaceOf(scenario, stackName, settings);
    const { pulumi } = testEnvironment();
    const pulumiCommand = await PulumiCommand.get({ root: join(pulumi.command, "../.."), skipVersionCheck: true });
    return LocalWorkspace.createOrSelectStack(
        { stackName, workDir: workspace.directory },
        { envVars: workspace.env, pulumiHome: workspace.env.PULUMI_HOME, secretsProvider: "passphrase", pulumiCommand },
    );
}
