import assert from "node:assert/strict";
import { cpus, loadavg } from "node:os";

import { messageOf } from "../../tools/lib/errors";
import { run } from "../../tools/lib/process";
import { duration, say } from "../../tools/lib/progress";
import { contests } from "./contests";
import { BenchEnvironment, prepareEnvironment } from "./environment";
import { Comparison, tableOf, writeToPage } from "./report";

const SCENARIO = "ch02-https-sidecar";
const ROUNDS = 5;

/**
 * Measures every contest once a round, so that whatever else the machine does meets both sides of each. The side that
 * begins changes from round to round.
 */
async function measure(environment: BenchEnvironment): Promise<Comparison[]> {
    const all = await contests(environment, SCENARIO);
    const comparisons = all.map(({ rows }) => rows.map((row) => ({ ...row, ours: [], theirs: [] }) as Comparison));
    for (let round = 0; round < ROUNDS; round++) {
        const start = performance.now();
        for (const [index, contest] of all.entries()) {
            for (const side of round % 2 ? (["theirs", "ours"] as const) : (["ours", "theirs"] as const)) {
                const seconds = await contest[side]();
                assert.equal(seconds.length, contest.rows.length);
                seconds.forEach((value, row) => comparisons[index][row][side].push(value));
            }
        }
        say(`round ${round + 1} of ${ROUNDS} took ${duration((performance.now() - start) / 1000)}`);
    }
    return comparisons.flat();
}

async function conditions({ pulumi, target }: BenchEnvironment, load: number): Promise<string> {
    const { stdout } = await run(pulumi.command, ["version"]);
    const cluster = target.route === "modules" ? "the local cluster from modules" : `a cluster by ${target.route}`;
    return (
        `Median and range of ${ROUNDS} interleaved rounds with \`${SCENARIO}\`: ${cpus().length} cores, load average ` +
        `${load.toFixed(1)} before the first round, Node ${process.version}, Pulumi CLI ${stdout.trim()}, ${cluster}.`
    );
}

async function main(): Promise<void> {
    // A user's own backend is not for throwaway stacks.
    delete process.env.PULUMI_BACKEND_URL;
    const environment = await prepareEnvironment();
    try {
        const [load] = loadavg();
        const comparisons = await measure(environment);
        const result = `${tableOf(comparisons)}\n\n${await conditions(environment, load)}`;
        console.log(result);
        await writeToPage(result);
    } finally {
        await environment.release();
    }
}

main().catch((error: unknown) => {
    say(`error: ${messageOf(error)}`);
    process.exit(1);
});
