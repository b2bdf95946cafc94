import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { checkout } from "../../tools/lib/paths";
import { run } from "../../tools/lib/process";
import { ensureStack } from "../../tools/stack/operations";
import { prepareWorkspace, Workspace } from "../../tools/stack/workspace";
import type { BenchEnvironment } from "./environment";

/** What probe.cjs writes about one run of a program; times are milliseconds since its process started. */
export interface ProgramRun {
    /** CPU of the process from start to end, user and system, all threads. */
    cpu: number;
    /** First resource after the stack itself registered. */
    first: number;
    last: number;
    /** Types of the resources registered, the stack itself left out. */
    types: string[];
}

/** A resource that a preview plans, as `pulumi preview --json` shows it. */
interface PlannedStep {
    newState: { urn: string; type: string; inputs: Record<string, unknown> };
}

const PROVIDER = "pulumi:providers:kubernetes";

/** A program that is previewed as new and without a cluster, so that its own start is most of what happens. */
export class Program {
    private constructor(
        private readonly environment: BenchEnvironment,
        private readonly workspace: Workspace,
    ) {}

    /** The program of this project, for one scenario. */
    static async ours(environment: BenchEnvironment, scenario: string): Promise<Program> {
        const root = join(environment.state, "ours");
        const backend = { env: throwawayBackend(root) };
        const workspace = prepareWorkspace({ pulumi: environment.pulumi, backend, target: "none", scenario, root });
        await ensureStack(environment.pulumi, workspace);
        return new Program(environment, workspace);
    }

    /** A program on Pulumi's stock TypeScript template, which makes the same resources as `model`. */
    static async stock(environment: BenchEnvironment, model: Program): Promise<Program> {
        const directory = join(environment.state, "stock");
        cpSync(join(__dirname, "stock-template"), directory, { recursive: true });
        symlinkSync(join(checkout, "node_modules"), join(directory, "node_modules"));
        const resources = (await model.planned()).filter(
            ({ type }) => type !== PROVIDER && type !== "pulumi:pulumi:Stack",
        );
        writeFileSync(join(directory, "resources.json"), JSON.stringify(resources));
        const env = { ...environment.pulumi.env, ...throwawayBackend(directory) };
        const workspace = { directory, stack: "stock", env };
        await ensureStack(environment.pulumi, workspace);
        return new Program(environment, workspace);
    }

    /** Previews with the probe inside the program's process. */
    async measure(): Promise<ProgramRun> {
        const file = join(this.workspace.directory, "probe.json");
        rmSync(file, { force: true });
        const probe = JSON.stringify(join(__dirname, "probe.cjs"));
        await this.preview([], { NODE_OPTIONS: `--require ${probe}`, DP_BENCH_PROBE: file });
        if (!existsSync(file)) throw new Error(`the probe saw no program in ${this.workspace.directory}`);
        return JSON.parse(readFileSync(file, "utf8")) as ProgramRun;
    }

    private async planned(): Promise<{ type: string; name: string; inputs: Record<string, unknown> }[]> {
        const { steps } = JSON.parse(await this.preview(["--json"])) as { steps: PlannedStep[] };
        return steps.map(({ newState: { urn, type, inputs } }) => ({ type, name: urn.split("::").at(-1)!, inputs }));
    }

    private async preview(flags: string[], env: Record<string, string> = {}): Promise<string> {
        const { directory, stack } = this.workspace;
        const args = ["preview", "--stack", stack, "--non-interactive", ...flags];
        const options = { cwd: directory, env: { ...this.workspace.env, ...env }, timeout: 180_000 };
        return (await run(this.environment.pulumi.command, args, options)).stdout;
    }
}

function throwawayBackend(root: string): Record<string, string> {
    const directory = join(root, "backend");
    mkdirSync(directory, { recursive: true });
    return { PULUMI_BACKEND_URL: pathToFileURL(directory).href, PULUMI_CONFIG_PASSPHRASE: "bench" };
}
