import assert from "node:assert/strict";

import { waitFor } from "../../tools/lib/process";
import { forward, Forward } from "../support/clients";
import { keepEvidenceOfFailures, Scenario } from "../support/scenario";

/** A process as topz shows it. */
interface Row {
    pid: number;
    user: number;
    cpuPercent: number;
    rssBytes: number;
    command: string;
}

const NODE = "/nodejs/bin/node";

describe("ch02-topz", function () {
    this.timeout(240_000);
    let scenario: Scenario;
    let topz: Forward;
    let pod: string;
    keepEvidenceOfFailures(() => scenario);

    before(async () => {
        scenario = await Scenario.deploy("ch02-topz");
        pod = await onlyPod();
        topz = await forward(scenario.namespace, "service/topz", "topz");
    });
    after(() => topz?.close());

    async function onlyPod(): Promise<string> {
        return (await scenario.kubectl(["get", "pods", "-o", "jsonpath={.items[*].metadata.name}"])).trim();
    }

    async function view(query = ""): Promise<{ sampledAt: string; processes: Row[] }> {
        const response = await fetch(`${topz.url}/topz${query}`, { headers: { accept: "application/json" } });
        assert.equal(response.status, 200, await response.clone().text());
        return (await response.json()) as { sampledAt: string; processes: Row[] };
    }

    async function processes(query = ""): Promise<Row[]> {
        return (await view(query)).processes;
    }

    /** Runs a script in the application's own container, beside the application. */
    function inApplication(script: string, ...args: string[]): Promise<string> {
        return scenario.kubectl(["exec", pod, "-c", "app", "--", NODE, "-e", script, "--", ...args]);
    }

    it("lists the application's processes, as the application's own container sees them", async () => {
        const seen = JSON.parse(
            await inApplication(
                `const fs = require("fs"); console.log(JSON.stringify(fs.readdirSync("/proc").filter((n) => /^\\d+$/.test(n)).map(Number).filter((pid) => pid !== process.pid)))`,
            ),
        ) as number[];
        const listed = await waitFor("the same processes", async () => {
            const pids = (await processes()).map(({ pid }) => pid);
            return seen.every((pid) => pids.includes(pid)) && pids;
        });
        assert.ok(listed.length >= 3, "pause, the application and topz");
        assert.ok((await processes("?filter=server.js")).length >= 2);
    });

    it("answers in text or JSON, sorted, limited and filtered as asked", async () => {
        const text = await (await fetch(`${topz.url}/topz?sort=pid&order=asc&limit=1`)).text();
        assert.match(text, /^PID\s+UID\s+CPU%/);
        assert.equal(text.trim().split("\n").length, 2);
        const sorted = (await processes("?sort=memory")).map(({ rssBytes }) => rssBytes);
        assert.deepEqual(
            sorted,
            [...sorted].sort((one, other) => other - one),
        );
        const bad = await fetch(`${topz.url}/topz?sort=colour`);
        assert.equal(bad.status, 400);
        assert.match(await bad.text(), /sort/);
    });

    it("shows CPU within 5 % of the kernel's counters", async () => {
        // Busy for two thirds of the time, for 18 s; says every 50 ms what the kernel has counted for it so far.
        const busy = `const until = Date.now() + 18000, said = []; let next = 0;
            (function work() {
                const end = Date.now() + 20; while (Date.now() < end);
                if (Date.now() >= next) { const { user, system } = process.cpuUsage(); said.push([Date.now(), (user + system) / 1000]); next = Date.now() + 50; }
                if (Date.now() < until) setTimeout(work, 10); else console.log(JSON.stringify(said));
            })()`;
        const busyProcess = inApplication(busy, "--busy-loop");
        const shown = new Map<number, number>();
        await waitFor(
            "topz's samples of the busy process",
            async () => {
                const { sampledAt, processes: rows } = await view("?filter=--busy-loop");
                if (rows.length === 1) shown.set(Date.parse(sampledAt), rows[0].cpuPercent);
                return shown.size >= 7;
            },
            { timeoutMs: 18_000, everyMs: 200 },
        );
        const counted = JSON.parse(await busyProcess) as [number, number][];
        // The first two samples may reach back to before the start.
        const times = [...shown.keys()].sort((one, other) => one - other).slice(1);
        const byTopz = times
            .slice(1)
            .reduce((sum, time, index) => sum + (shown.get(time)! / 100) * (time - times[index]), 0);
        const byKernel = at(counted, times.at(-1)!) - at(counted, times[0]);
        assert.ok(byKernel > 2_000, `the process was busy: ${byKernel} ms`);
        assert.ok(
            Math.abs(byTopz / byKernel - 1) <= 0.05,
            `topz says ${byTopz.toFixed(0)} ms of CPU, the kernel ${byKernel.toFixed(0)} ms`,
        );
    });

    it("gives Prometheus metrics for each group of processes", async () => {
        const metrics = await (await fetch(`${topz.url}/metrics`)).text();
        for (const name of [
            "topz_group_cpu_seconds_total",
            "topz_group_resident_memory_bytes",
            "topz_group_processes",
        ]) {
            assert.match(metrics, new RegExp(`^${name}\\{group="[^"]+"\\} \\d`, "m"));
        }
    });

    it("masks arguments that look like secrets", async () => {
        const running = inApplication(
            "setTimeout(() => 0, 6000)",
            "--canary",
            "--password=hunter2",
            "--token",
            "s3cr3t-t0ken",
        );
        const row = await waitFor("the process with secrets", async () => (await processes("?filter=--canary"))[0], {
            timeoutMs: 10_000,
        });
        assert.match(row.command, /--password=\*+/);
        assert.doesNotMatch(JSON.stringify(await processes()), /hunter2|s3cr3t-t0ken/);
        await running;
    });

    it("runs as a user without any capability, in a namespace that admits nothing else", async () => {
        const status = JSON.parse(
            await inApplication(
                `const fs = require("fs"); console.log(JSON.stringify(fs.readdirSync("/proc").filter((n) => /^\\d+$/.test(n)).map((n) => { try { return fs.readFileSync("/proc/" + n + "/status", "utf8") } catch { return "" } }).filter(Boolean)))`,
            ),
        ) as string[];
        for (const text of status) {
            assert.match(text, /^Uid:\t[1-9]\d*/m);
            assert.match(text, /^CapEff:\t0+$/m);
        }
        const labels = JSON.parse(
            await scenario.kubectl(["get", "namespace", scenario.namespace, "-o", "jsonpath={.metadata.labels}"]),
        ) as Record<string, string>;
        assert.equal(labels["pod-security.kubernetes.io/enforce"], "restricted");
    });

    it("drill: the application is killed; topz stays and shows the new process only", async () => {
        const application = (await processes("?filter=server.js")).map(({ pid }) => pid);
        const restarts = (container: string, kind: string) =>
            scenario.kubectl([
                "get",
                "pod",
                pod,
                "-o",
                `jsonpath={.status.${kind}[?(@.name=="${container}")].restartCount}`,
            ]);
        // Of the two servers the application is the one that was started by its own container: the one in this cgroup.
        // The command ends with the container, and so with an error.
        const kill = `const { readFileSync } = require("fs"), group = (pid) => readFileSync("/proc/" + pid + "/cgroup", "utf8");
            for (const pid of ${JSON.stringify(application)}) if (group(pid) === group("self")) process.kill(pid, "SIGKILL")`;
        await inApplication(kill).catch(() => undefined);
        await waitFor(
            "the restart of the application",
            async () => (await restarts("app", "containerStatuses")) === "1",
            { timeoutMs: 60_000 },
        );
        const now = await waitFor(
            "the new process",
            async () => {
                const pids = (await processes("?filter=server.js")).map(({ pid }) => pid);
                return pids.length >= 2 && pids.some((pid) => !application.includes(pid)) && pids;
            },
            { timeoutMs: 30_000 },
        );
        assert.equal(
            now.filter((pid) => application.includes(pid)).length,
            1,
            "of the old processes topz alone is left",
        );
        assert.equal(await restarts("topz", "initContainerStatuses"), "0");
    });

    it("changes nothing when it is brought up again, and leaves nothing when it is destroyed", async () => {
        const { same, ...others } = await scenario.up();
        assert.ok(same > 0);
        assert.deepEqual(others, {});
        topz.close();
        await scenario.destroy();
    });
});

/** CPU time at a moment, between the two nearest of the moments at which it was said. */
function at(counted: [number, number][], moment: number): number {
    const after = counted.findIndex(([time]) => time >= moment);
    assert.ok(after > 0, "the moment lies within what was said");
    const [[earlier, low], [later, high]] = [counted[after - 1], counted[after]];
    return low + ((high - low) * (moment - earlier)) / (later - earlier);
}
