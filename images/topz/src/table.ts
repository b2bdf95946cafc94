import type { ProcessSample } from "./sampler";

const columns: readonly { title: string; left?: boolean; cell: (process: ProcessSample) => string }[] = [
    { title: "PID", cell: ({ pid }) => String(pid) },
    { title: "UID", cell: ({ uid }) => String(uid) },
    { title: "CPU%", cell: ({ cpuPercent }) => cpuPercent?.toFixed(1) ?? "-" },
    { title: "RSS", cell: ({ residentBytes }) => `${(residentBytes / 2 ** 20).toFixed(1)}Mi` },
    { title: "THR", cell: ({ threads }) => String(threads) },
    { title: "S", cell: ({ state }) => state },
    { title: "AGE", cell: ({ ageSeconds }) => ageOf(ageSeconds) },
    { title: "COMMAND", left: true, cell: ({ command }) => printable(command) },
];

/** The processes as a table for a terminal, with a line of titles. */
export function renderTable(processes: readonly ProcessSample[]): string {
    const rows = [
        columns.map(({ title }) => title),
        ...processes.map((process) => columns.map(({ cell }) => cell(process))),
    ];
    const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
    const line = (row: string[]) =>
        row.map((cell, column) => (columns[column].left ? cell : cell.padStart(widths[column]))).join("  ");
    return rows.map((row) => `${line(row)}\n`).join("");
}

/** The two greatest units of a time: `12s`, `3m04s`, `5h07m`, `2d03h`. */
function ageOf(seconds: number): string {
    const whole = Math.floor(seconds);
    const pair = (large: number, small: number, units: string) =>
        `${Math.floor(whole / large)}${units[0]}${String(Math.floor((whole % large) / small)).padStart(2, "0")}${units[1]}`;
    if (whole < 60) return `${whole}s`;
    if (whole < 3600) return pair(60, 1, "ms");
    return whole < 86_400 ? pair(3600, 60, "hm") : pair(86_400, 3600, "dh");
}

/** A process chooses its own command line: no control sequence of it reaches the terminal. */
function printable(text: string): string {
    return text.replace(/\p{C}/gu, "?");
}
