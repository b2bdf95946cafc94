import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { messageOf } from "../tools/lib/errors";
import { checkout } from "../tools/lib/paths";
import { runAttached } from "../tools/lib/process";
import { duration, say } from "../tools/lib/progress";
import { prepareTestCluster, testClusterEnvironment } from "./support/testCluster";

/** What came of some tests. */
interface Counts {
    passed: number;
    failed: number;
    skipped: number;
}

/** A part of `make test`. */
interface Suite {
    name: string;
    /** Needs images, Pulumi and the tests' own cluster. */
    cluster?: boolean;
    run: (narrowedTo?: string) => Promise<Counts>;
}

const suites: Suite[] = [
    { name: "lint", run: () => command("npm", ["run", "--silent", "lint"]) },
    { name: "types", run: () => command("npm", ["run", "--silent", "types"]) },
    { name: "unit", run: () => specs("unit") },
    { name: "images", run: () => specs("images") },
    { name: "policy", cluster: true, run: () => specs("policy") },
    { name: "cluster", cluster: true, run: () => specs("cluster") },
    { name: "e2e", cluster: true, run: (scenario) => specs("e2e", scenario) },
];

/** A check that is one command. */
async function command(name: string, args: string[]): Promise<Counts> {
    const passed = (await runAttached(name, args, { cwd: checkout })) === 0;
    return { passed: Number(passed), failed: Number(!passed), skipped: 0 };
}

/** All specs of a folder; one that cannot be loaded, or ends without a result, counts as a failure. */
async function specs(folder: string, only?: string): Promise<Counts> {
    const files = specFiles(join(checkout, "tests", folder)).filter(
        (file) => !only || file.endsWith(`/${only}.spec.ts`),
    );
    if (files.length === 0)
        throw new Error(only ? `there is no tests/${folder}/${only}.spec.ts` : `tests/${folder} holds no spec`);
    const scratch = mkdtempSync(join(tmpdir(), "dp-tests-"));
    const counts = join(scratch, "counts.json");
    try {
        await runAttached(
            process.execPath,
            [join(checkout, "node_modules/mocha/bin/mocha.js"), ...files.map((file) => relative(checkout, file))],
            {
                cwd: checkout,
                env: { DP_COUNTS: counts, ...testClusterEnvironment() },
            },
        );
        return existsSync(counts)
            ? (JSON.parse(readFileSync(counts, "utf8")) as Counts)
            : { passed: 0, failed: 1, skipped: 0 };
    } finally {
        rmSync(scratch, { recursive: true, force: true });
    }
}

function specFiles(folder: string): string[] {
    return readdirSync(folder, { withFileTypes: true })
        .flatMap((entry) => (entry.isDirectory() ? specFiles(join(folder, entry.name)) : [join(folder, entry.name)]))
        .filter((file) => file.endsWith(".spec.ts"))
        .sort();
}

async function main([chosen, scenario]: string[]): Promise<number> {
    const selected = suites.filter(({ name }) => !chosen || name === chosen);
    if (selected.length === 0)
        throw new Error(`suite "${chosen}"; there are ${suites.map(({ name }) => name).join(", ")}`);
    const total: Counts = { passed: 0, failed: 0, skipped: 0 };
    let release: (() => Promise<void>) | undefined;
    try {
        for (const suite of selected) {
            const start = performance.now();
            say(`--- ${suite.name}`);
            let counts: Counts;
            try {
                if (suite.cluster) release ??= await prepareTestCluster();
                counts = await suite.run(scenario || undefined);
            } catch (error) {
                say(`${suite.name}: ${messageOf(error)}`);
                counts = { passed: 0, failed: 1, skipped: 0 };
            }
            for (const key of ["passed", "failed", "skipped"] as const) total[key] += counts[key];
            say(`--- ${suite.name}: ${line(counts)} in ${duration((performance.now() - start) / 1000)}`);
        }
    } finally {
        await release?.();
    }
    console.log(line(total));
    return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

function line({ passed, failed, skipped }: Counts): string {
    return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

main(process.argv.slice(2)).then(
    (status) => process.exit(status),
    (error: unknown) => {
        say(`error: ${messageOf(error)}`);
        process.exit(1);
    },
);
