import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { format, resolveConfig } from "prettier";

import { table, withBlocks } from "../../tools/docs/blocks";
import { checkout } from "../../tools/lib/paths";

/** One line of the table: the same work done by us and by what we are compared with, in seconds, once a round. */
export interface Comparison {
    what: string;
    ours: number[];
    baseline: string;
    theirs: number[];
    aim: string;
    /** Whether the aim is met, given the medians. */
    met?: (ours: number, theirs: number) => boolean;
}

const PAGE = join(checkout, "docs/performance.md");

/** The middle value, or the mean of the two in the middle. */
function median(values: number[]): number {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

/** The comparisons as a Markdown table, with the median and the range of each side. */
export function tableOf(comparisons: Comparison[]): string {
    const rows = comparisons.map(({ what, ours, baseline, theirs, aim, met }) => {
        const [mine, other] = [median(ours), median(theirs)];
        const verdict = met ? (met(mine, other) ? ": met" : ": missed") : "";
        return [what, spread(ours), baseline, spread(theirs), (mine / other).toFixed(2), aim + verdict];
    });
    return table(["Measured", "Ours, s", "Compared with", "Theirs, s", "Ours / theirs", "Aim"], rows);
}

function spread(seconds: number[]): string {
    const [low, high] = [Math.min(...seconds), Math.max(...seconds)];
    return `${median(seconds).toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

/** Puts a new result on the page. */
export async function writeToPage(result: string): Promise<void> {
    const page = withBlocks(readFileSync(PAGE, "utf8"), { "make bench": result });
    writeFileSync(PAGE, await format(page, { ...(await resolveConfig(PAGE)), parser: "markdown" }));
}
