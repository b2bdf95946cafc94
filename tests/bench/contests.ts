import assert from "node:assert/strict";

import { KubectlDeployment, PulumiDeployment } from "./deployments";
import type { BenchEnvironment } from "./environment";
import { Program } from "./program";
import type { Comparison } from "./report";

/** The same work done in two ways; each way returns seconds, one number for each row. */
export interface Contest {
    rows: Omit<Comparison, "ours" | "theirs">[];
    ours(): Promise<number[]>;
    theirs(): Promise<number[]>;
}

/** What is measured of a scenario. Everything has run once when this returns: images, discovery and caches are warm. */
export async function contests(environment: BenchEnvironment, scenario: string): Promise<Contest[]> {
    let count = 0;
    const unusedName = () => `bench-${environment.runId}-${count++}`;

    const stack = await PulumiDeployment.prepare(environment, scenario, unusedName());
    await stack.deploy();
    const deployedByKubectl = async () => {
        const namespace = unusedName();
        return new KubectlDeployment(environment, await stack.renderedFor(namespace), namespace);
    };
    const copy = await deployedByKubectl();
    await copy.deploy();
    for (const deployment of [stack, copy]) {
        await deployment.preview();
        await deployment.update();
    }

    return [
        {
            rows: [
                {
                    what: "(a) `pulumi preview`, nothing changed",
                    baseline: "`kubectl diff`",
                    aim: "preview at most 2.5 s",
                    met: (ours) => ours <= 2.5,
                },
            ],
            ours: () => timed(() => stack.preview()),
            theirs: () => timed(() => copy.preview()),
        },
        {
            rows: [{ what: "(a) `pulumi up`, nothing changed", baseline: "`kubectl apply`", aim: "none" }],
            ours: () => timed(() => stack.update()),
            theirs: () => timed(() => copy.update()),
        },
        {
            rows: [
                {
                    what: "(b) `pulumi up` into an empty namespace until ready",
                    baseline: "`kubectl apply` and `kubectl wait`",
                    aim: "at most 1.5 times",
                    met: (ours, theirs) => ours <= 1.5 * theirs,
                },
            ],
            ours: async () => fresh(await PulumiDeployment.prepare(environment, scenario, unusedName())),
            theirs: async () => fresh(await deployedByKubectl()),
        },
        await programs(environment, scenario),
    ];
}

async function programs(environment: BenchEnvironment, scenario: string): Promise<Contest> {
    const ours = await Program.ours(environment, scenario);
    const stock = await Program.stock(environment, ours);
    assert.deepEqual((await stock.measure()).types, (await ours.measure()).types, "resources of the two programs");
    const measure = async (program: Program) => {
        const { cpu, first, last } = await program.measure();
        return [cpu, first, last].map((milliseconds) => milliseconds / 1000);
    };
    const baseline = "stock ts-node template";
    return {
        rows: [
            {
                what: "(c) program, CPU of its process",
                baseline,
                aim: "at least 3 times less",
                met: (mine, other) => 3 * mine <= other,
            },
            { what: "(c) program, start to first resource registered", baseline, aim: "none" },
            { what: "(c) program, start to last resource registered", baseline, aim: "none" },
        ],
        ours: () => measure(ours),
        theirs: () => measure(stock),
    };
}

/** Seconds of a deployment into an empty namespace, which is removed again outside of what is measured. */
async function fresh(deployment: PulumiDeployment | KubectlDeployment): Promise<number[]> {
    const seconds = await timed(() => deployment.deploy());
    await deployment.remove();
    return seconds;
}

async function timed(work: () => Promise<void>): Promise<number[]> {
    const start = performance.now();
    await work();
    return [(performance.now() - start) / 1000];
}
