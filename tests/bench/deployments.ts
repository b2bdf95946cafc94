import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { targetSettings } from "../../tools/commands/stack";
import { run } from "../../tools/lib/process";
import { ensureStack, PARALLEL } from "../../tools/stack/operations";
import { backendFor, prepareWorkspace, Workspace } from "../../tools/stack/workspace";
import type { BenchEnvironment } from "./environment";

/** A Kubernetes object as kubectl takes it. */
interface KubernetesObject {
    apiVersion: string;
    kind: string;
    metadata: { name: string; annotations?: Record<string, string> };
}

/** One of two ways to deploy a scenario into a namespace that is named like the deployment. */
abstract class Deployment {
    protected constructor(
        protected readonly environment: BenchEnvironment,
        protected readonly name: string,
    ) {}

    /** Deploys, and returns when all is ready. */
    abstract deploy(): Promise<void>;

    /** Shows what would change; fails when that is not nothing. */
    abstract preview(): Promise<void>;

    /** Applies the same once more. */
    abstract update(): Promise<void>;

    /** Removes the namespace and all in it, without waiting out the grace periods of its pods. */
    async remove(): Promise<void> {
        const { kubectl } = this.environment;
        await kubectl(["-n", this.name, "delete", "deployments,jobs,cronjobs", "--all"]);
        await kubectl(["-n", this.name, "delete", "pods", "--all", "--force", "--grace-period=0"]);
        await kubectl(["delete", "namespace", this.name]);
    }
}

/** Conditions that mean ready, of the kinds that scenarios wait for so far; most others are ready at once. */
const READY: Record<string, string> = { Job: "Complete", Deployment: "Available" };

/** A scenario as a stack of this project. */
export class PulumiDeployment extends Deployment {
    private constructor(
        environment: BenchEnvironment,
        private readonly workspace: Workspace,
    ) {
        super(environment, workspace.stack);
    }

    /** Makes the stack, with nothing in it. */
    static async prepare(environment: BenchEnvironment, scenario: string, name: string): Promise<PulumiDeployment> {
        const { pulumi, state, target } = environment;
        const workspace = prepareWorkspace({
            pulumi,
            backend: backendFor(target.name, state),
            target: target.name,
            scenario,
            stack: name,
            overrides: { namespace: name, ...targetSettings(target) },
            root: state,
        });
        await ensureStack(pulumi, workspace);
        return new PulumiDeployment(environment, workspace);
    }

    async deploy(): Promise<void> {
        await this.pulumi("up", "--yes", "--skip-preview");
    }

    async preview(): Promise<void> {
        await this.pulumi("preview", "--expect-no-changes");
    }

    async update(): Promise<void> {
        await this.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
    }

    /** The Kubernetes objects of the deployed stack, as they were sent to the cluster, for another namespace. */
    async renderedFor(namespace: string): Promise<KubernetesObject[]> {
        const { command } = this.environment.pulumi;
        const { directory, env } = this.workspace;
        const args = ["stack", "export", "--show-secrets", "--stack", this.name];
        const { stdout } = await run(command, args, { cwd: directory, env });
        const { deployment } = JSON.parse(stdout.replaceAll(this.name, namespace)) as {
            deployment: { resources: { type: string; inputs: KubernetesObject }[] };
        };
        return deployment.resources
            .filter(({ type }) => type.startsWith("kubernetes:"))
            .map(({ inputs }) => plain(inputs));
    }

    private async pulumi(operation: string, ...flags: string[]): Promise<void> {
        const { command } = this.environment.pulumi;
        const { directory, env } = this.workspace;
        const args = [operation, "--stack", this.name, "--non-interactive", "--parallel", String(PARALLEL), ...flags];
        await run(command, args, { cwd: directory, env, timeout: 180_000 });
    }
}

/** The object without the provider's notes to itself. */
function plain(object: KubernetesObject): KubernetesObject {
    const { annotations = {}, ...metadata } = object.metadata;
    const kept = Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith("pulumi.com/")));
    return { ...object, metadata: { ...metadata, ...(Object.keys(kept).length > 0 && { annotations: kept }) } };
}

/** The same objects through kubectl. */
export class KubectlDeployment extends Deployment {
    private readonly file: string;

    constructor(
        environment: BenchEnvironment,
        private readonly objects: KubernetesObject[],
        namespace: string,
    ) {
        super(environment, namespace);
        this.file = join(environment.state, `${namespace}.json`);
        writeFileSync(this.file, JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
    }

    async deploy(): Promise<void> {
        await this.environment.kubectl(["apply", "-f", this.file]);
        for (const [kind, condition] of Object.entries(READY)) {
            const names = this.objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name);
            if (names.length === 0) continue;
            const what = ["-n", this.name, "wait", kind, ...names];
            await this.environment.kubectl([...what, `--for=condition=${condition}`, "--timeout=120s"]);
        }
    }

    async preview(): Promise<void> {
        // Its status is 1 when there is a difference.
        await this.environment.kubectl(["diff", "-f", this.file]);
    }

    async update(): Promise<void> {
        await this.environment.kubectl(["apply", "-f", this.file]);
    }
}
