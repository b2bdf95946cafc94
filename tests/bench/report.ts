import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

import { format } from "prettier";

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
const [BEGIN, END] = ["<!-- table of `make bench`: begin -->", "<!-- table of `make bench`: end -->"];

/** The middle value, or the mean of the two in the middle. */
export function median(values: number[]): number {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length / 2;
    return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

/** The comparisons as a Markdown table, with the median and the range of each side. */
export function table(comparisons: Comparison[]): string {
    const rows = comparisons.map(({ what, ours, baseline, theirs, aim, met }) => {
        const [mine, other] = [median(ours), median(theirs)];
        const verdict = met ? (met(mine, other) ? ": met" : ": missed") : "";
        return [what, spread(ours), baseline, spread(theirs), (mine / other).toFixed(2), aim + verdict];
    });
    const head = ["Measured", "Ours, s", "Compared with", "Theirs, s", "Ours / theirs", "Aim"];
    return [head, ["---", "--:", "---", "--:", "--:", "---"], ...rows]
        .map((row) => `| ${row.join(" | ")} |`)
        .join("\n");
}

function spread(seconds: number[]): string {
    const [low, high] = [Math.min(...seconds), Math.max(...seconds)];
    return `${median(seconds).toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

/** Replaces what the page holds between its markers. */
export async function writeToPage(text: string): Promise<void> {
    const page = readFileSync(PAGE, "utf8");
    const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
    if (begin < 0 || end < begin) throw new Error(`${relative(checkout, PAGE)} lacks ${BEGIN} or ${END}`);
    const written = `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`;
    writeFileSync(PAGE, await format(written, { parser: "markdown" }));
}
