import assert from "node:assert/strict";
import { ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";

import type { ReadinessReport } from "../../images/kit";
import { run, waitFor } from "../../tools/lib/process";
import { bundled, endProcesses, Service, startService } from "./support/imageProcess";

interface Listed {
    pid: number;
    uid: number;
    cpuPercent: number | null;
    residentBytes: number;
    threads: number;
    state: string;
    ageSeconds: number;
    name: string;
    command: string;
}

interface Listing {
    sampledAt: string;
    visible: number;
    matching: number;
    processes: Listed[];
}

const JSON_TYPE = { accept: "application/json" };

const helpers: ChildProcess[] = [];

/** PID of a process with these arguments, which lives until the test ends. */
function startHelper(script: string, ...args: string[]): number {
    const helper = spawn(process.execPath, ["-e", script, "--", ...args], { stdio: "ignore" });
    helpers.push(helper);
    return helper.pid!;
}

describe("topz", function () {
    this.timeout(60_000);
    let service: Service;

    before(async () => {
        service = await startService(await bundled("topz"), { SAMPLE_INTERVAL: "250ms", MAX_GROUPS: "1000" });
    });
    afterEach(() => {
        for (const helper of helpers.splice(0)) helper.kill("SIGKILL");
    });
    after(endProcesses);

    async function list(query = "", url = service.url): Promise<Listing> {
        const response = await fetch(`${url}/topz${query}`, { headers: JSON_TYPE });
        assert.equal(response.status, 200);
        return (await response.json()) as Listing;
    }

    /** A process, once it is listed with a CPU share. */
    function listed(pid: number, url = service.url): Promise<Listed> {
        return waitFor(`process ${pid} listed`, async () =>
            (await list("", url)).processes.find((each) => each.pid === pid && each.cpuPercent !== null),
        );
    }

    it("lists a process as the kernel describes it, its secret masked", async () => {
        const started = Date.now();
        const pid = startHelper("setInterval(() => 0, 1000)", "--password=hunter2", "--port", "80");
        const entry = await listed(pid);
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        const kernel = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
        assert.equal(entry.uid, kernel("Uid"));
        assert.equal(entry.name, "node");
        assert.ok(Math.abs(entry.residentBytes - kernel("VmRSS") * 1024) < 0.1 * entry.residentBytes);
        assert.equal(entry.threads, kernel("Threads"));
        assert.equal(entry.state, "S");
        assert.ok(entry.ageSeconds <= (Date.now() - started) / 1000 + 0.2, `${entry.ageSeconds} s`);
        assert.ok(entry.command.endsWith("--password=*** --port 80"), entry.command);
    });

    it("finds nothing by the text of a secret", async () => {
        const pid = startHelper("setInterval(() => 0, 1000)", "--password=hunter2");
        await listed(pid);
        assert.equal((await list("?filter=hunter2")).matching, 0);
        assert.ok(
            (await list(`?filter=${encodeURIComponent("--password=***")}`)).processes.some((each) => each.pid === pid),
        );
    });

    it("gives the CPU share within 5 % of the kernel's counters", async function () {
        this.timeout(180_000);
        const { url } = await startService(await bundled("topz"), { SAMPLE_INTERVAL: "4s" });
        const pid = startHelper("for (;;);");
        // The kernel's counter against the wall clock, to tell afterwards between which values it was at a sample.
        const course: { at: number; seconds: number }[] = [];
        const watch = setInterval(() => {
            const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
            course.push({ at: Date.now(), seconds: (Number(fields[11]) + Number(fields[12])) / 100 });
        }, 3);
        const before = (at: number) => course.findLast((each) => each.at < at)?.seconds;
        // The sample begins at the time it tells and has read the process some milliseconds later.
        const after = (at: number) => course.find((each) => each.at > at + 20)?.seconds;

        const samples: { at: number; cpuPercent: number | null }[] = [];
        const measured = await waitFor(
            "two samples whose kernel value is known to 2 %",
            async () => {
                const { sampledAt, processes } = await list("", url);
                const at = Date.parse(sampledAt);
                const { cpuPercent } = processes.find((each) => each.pid === pid) ?? { cpuPercent: null };
                if (samples.at(-1)?.at !== at) samples.push({ at, cpuPercent });
                const bounds = samples.flatMap(({ at, cpuPercent }, index) => {
                    const from = samples[index - 1]?.at;
                    const [low, high] = [before(at)! - after(from)!, after(at)! - before(from)!];
                    const toPercent = 100 / ((at - from) / 1000);
                    return high <= 1.02 * low ? [{ cpuPercent, low: low * toPercent, high: high * toPercent }] : [];
                });
                return bounds.length >= 2 && bounds;
            },
            { timeoutMs: 170_000 },
        );
        clearInterval(watch);
        for (const { cpuPercent, low, high } of measured) {
            assert.ok(
                cpuPercent! >= 0.95 * low && cpuPercent! <= 1.05 * high,
                `${cpuPercent} % where the kernel counted ${low.toFixed(1)} to ${high.toFixed(1)} %`,
            );
        }
    });

    it("answers with text unless JSON is preferred, and with 406 to anything else", async () => {
        for (const [accept, status, type] of [
            ["*/*", 200, "text/plain; charset=utf-8"],
            ["text/*", 200, "text/plain; charset=utf-8"],
            ["application/json", 200, "application/json; charset=utf-8"],
            ["text/plain;q=0.5, application/json", 200, "application/json; charset=utf-8"],
            ["application/*;q=0.5, */*;q=0.1", 200, "application/json; charset=utf-8"],
            ["*/*;q=0.9, text/plain;q=0.1, application/json;q=0.5", 200, "application/json; charset=utf-8"],
            ["text/plain;q=0, */*", 200, "application/json; charset=utf-8"],
            ["application/json;q=0, text/html", 406, "application/json; charset=utf-8"],
            ["image/png", 406, "application/json; charset=utf-8"],
        ] as const) {
            const response = await fetch(`${service.url}/topz`, { headers: { accept } });
            assert.deepEqual([response.status, response.headers.get("content-type")], [status, type], accept);
            assert.equal(response.headers.get("vary"), "accept");
        }
    });

    it("prints a table with a title line", async () => {
        const pid = startHelper("setInterval(() => 0, 1000)", "a\u001b[31mred\n");
        await listed(pid);
        const [titles, ...rows] = (await (await fetch(`${service.url}/topz`)).text()).trimEnd().split("\n");
        assert.deepEqual(titles.trim().split(/\s+/), ["PID", "UID", "CPU%", "RSS", "THR", "S", "AGE", "COMMAND"]);
        const row = rows.find((each) => each.trim().startsWith(`${pid} `));
        assert.match(row ?? "", /^ *\d+ +\d+ +\d+\.\d +\d+\.\dMi +\d+ +[RS] +\d+s +\S.*node -e .* a\?\[31mred\?$/);
    });

    it("sorts, orders, limits and filters", async () => {
        const marker = "topz-test-marker";
        const pids = [1, 2, 3].map((n) => startHelper("setInterval(() => 0, 1000)", `${marker}-${n}`));
        for (const pid of pids) await listed(pid);
        const of = async (query: string) => (await list(`?filter=${marker}&${query}`)).processes.map(({ pid }) => pid);
        assert.deepEqual(
            await of("sort=pid"),
            [...pids].sort((a, b) => a - b),
        );
        assert.deepEqual(await of("sort=pid&order=desc&limit=1"), [Math.max(...pids)]);
        assert.deepEqual(await of("sort=command&order=desc"), [pids[2], pids[1], pids[0]]);
        assert.equal((await list(`?filter=${marker}&limit=1`)).matching, 3);
        const regex = encodeURIComponent(`/${marker}-[13]$/`);
        assert.deepEqual(
            (await list(`?filter=${regex}&sort=command`)).processes.map(({ pid }) => pid),
            [pids[0], pids[2]],
        );
        for (const [sort, key] of [
            ["cpu", "cpuPercent"],
            ["memory", "residentBytes"],
        ] as const) {
            const values = (await list(`?sort=${sort}`)).processes.map((each) => each[key] ?? -1);
            assert.deepEqual(
                values,
                [...values].sort((a, b) => b - a),
                `${sort} falls by default`,
            );
        }
    });

    for (const [query, error] of [
        ["lmit=1", "lmit is no parameter; give sort, order, limit, filter"],
        ["sort=name", 'sort is "name"; give one of cpu, memory, pid, command'],
        ["sort=toString", 'sort is "toString"; give one of cpu, memory, pid, command'],
        ["order=up", 'order is "up"; give asc or desc'],
        ["limit=0", 'limit is "0"; give a whole number from 1 to 10000'],
        ["limit=1.5", 'limit is "1.5"; give a whole number from 1 to 10000'],
        ["limit=1&limit=2", "limit is given more than once; give it once"],
        ["filter=", 'filter is ""; give text or a /regular expression/ of 1 to 200 characters'],
        [
            `filter=/${"a".repeat(200)}/`,
            /^filter is "\/a{99}"; give text or a \/regular expression\/ of 1 to 200 characters$/,
        ],
        ["filter=/(/", /^filter is "\/\(\/"; .* \(Invalid regular expression: .*\)$/],
    ] as const) {
        it(`refuses ?${query.slice(0, 40)}, naming the parameter`, async () => {
            const response = await fetch(`${service.url}/topz?${query}`);
            assert.equal(response.status, 400);
            const given = ((await response.json()) as { error: string }).error;
            if (typeof error === "string") assert.equal(given, error);
            else assert.match(given, error);
        });
    }

    it("stops an expression that takes exponential time", async () => {
        const pid = startHelper("setInterval(() => 0, 1000)", "x".repeat(200));
        await listed(pid);
        const response = await fetch(`${service.url}/topz?filter=${encodeURIComponent("/(x+x+)+y/")}`);
        assert.equal(response.status, 400);
        assert.match(((await response.json()) as { error: string }).error, /an expression that ends within 100 ms$/);
    });

    it("publishes metrics of every group", async () => {
        const pid = startHelper("process.title = 'topz-helper'; setInterval(() => 0, 1000)");
        await waitFor("group", async () => {
            const metrics = await (await fetch(`${service.url}/metrics`)).text();
            return /^topz_group_processes\{group="topz-helper"\} 1$/m.test(metrics);
        });
        process.kill(pid, "SIGKILL");
        await waitFor("group without a process", async () => {
            const metrics = await (await fetch(`${service.url}/metrics`)).text();
            return (
                /^topz_group_processes\{group="topz-helper"\} 0$/m.test(metrics) &&
                /^topz_group_resident_memory_bytes\{group="topz-helper"\} 0$/m.test(metrics) &&
                /^topz_group_cpu_seconds_total\{group="topz-helper"\} 0\.\d*[1-9]/m.test(metrics)
            );
        });
    });

    it("sees the processes of other users as uid 65532, without a capability", async function () {
        if (process.getuid?.() !== 0) this.skip();
        const { url, pid } = await startService(await bundled("topz"), { SAMPLE_INTERVAL: "250ms" }, { id: 65532 });
        await waitFor("ready", async () => (await fetch(`${url}/readyz`)).status === 200);
        assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^CapEff:\s+0+$/m);
        const mine = await listed(process.pid, url);
        assert.equal(mine.uid, 0);
        assert.ok(mine.command.includes("mocha"));
        assert.ok(mine.residentBytes > 0);
    });

    it("is not ready without samples, and says so", async () => {
        const { url } = await startService(await bundled("topz"), { PROC_ROOT: "/nowhere", LOG_LEVEL: "silent" });
        const response = await fetch(`${url}/readyz`);
        assert.equal(response.status, 503);
        assert.deepEqual(((await response.json()) as ReadinessReport).checks.samples, {
            ready: false,
            reason: "no sample of /nowhere for more than three times SAMPLE_INTERVAL",
        });
        assert.equal((await fetch(`${url}/topz`)).status, 503);
    });

    // Only processes are apart: loopback is shared, so that the answers can be read from here.
    const apart = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    for (const [where, wrapper] of [
        ["as PID 1", apart],
        ["as the child of an init", [...apart, "sh", "-c", '"$@"; exit $?', "init"]],
    ] as const) {
        it(`is not ready in a PID namespace of its own ${where}, and says what to set`, async function () {
            const possible = await run(apart[0], [...apart.slice(1), "true"]).then(
                () => true,
                () => false,
            );
            if (!possible) this.skip();
            const file = await bundled("topz");
            const ready = async (required: string) => {
                const { url } = await startService(
                    file,
                    { REQUIRE_SHARED_NAMESPACE: required },
                    { wrapper: [...wrapper] },
                );
                return fetch(`${url}/readyz`);
            };
            const refused = await ready("true");
            assert.equal(refused.status, 503);
            assert.deepEqual(((await refused.json()) as ReadinessReport).checks["shared-namespace"], {
                ready: false,
                reason: "only this container's own process is visible: set shareProcessNamespace: true",
            });
            assert.equal((await ready("false")).status, 200);
        });
    }
});
