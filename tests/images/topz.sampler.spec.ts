import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Registry } from "prom-client";

import { GroupMetrics } from "../../images/topz/src/groups";
import { Sampler } from "../../images/topz/src/sampler";

/** What a process file of this test says; times in ticks of 10 ms. */
interface Given {
    name?: string;
    parent?: number;
    cpu?: number;
    start?: number;
    command?: string;
}

describe("topz sampler", () => {
    let root: string;
    let registry: Registry;
    let groups: GroupMetrics;
    let sampler: Sampler;

    beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), "topz-proc-"));
        writeFileSync(join(root, "uptime"), "1000.00 3000.00\n");
        symlinkSync("7", join(root, "self"));
        for (const entry of ["meminfo", "1x", "sys"]) mkdirSync(join(root, entry));
        registry = new Registry();
        groups = new GroupMetrics(registry, 2);
        const fail = (error: unknown) => assert.fail(String(error));
        sampler = new Sampler({
            root,
            intervalMs: 250,
            onSample: (snapshot) => groups.observe(snapshot),
            onError: fail,
        });
    });
    afterEach(() => rmSync(root, { recursive: true }));

    /** Writes the files of a process as the kernel does. */
    function write(
        pid: number,
        { name = "app", parent = 0, cpu = 0, start = 5000, command = "app\0" }: Given = {},
    ): void {
        const directory = join(root, String(pid));
        mkdirSync(directory, { recursive: true });
        const zeros = (count: number) => "0 ".repeat(count);
        const times = `${Math.floor(cpu / 2)} ${Math.ceil(cpu / 2)}`;
        writeFileSync(
            join(directory, "stat"),
            `${pid} (${name}) S ${parent} ${zeros(9)}${times} ${zeros(4)}3 0 ${start} 0 0\n`,
        );
        writeFileSync(join(directory, "status"), `Name:\tapp\nUid:\t1000\t1001\t1002\t1003\nVmRSS:\t    2048 kB\n`);
        writeFileSync(join(directory, "cmdline"), command);
    }

    function end(pid: number): void {
        rmSync(join(root, String(pid)), { recursive: true });
    }

    async function only() {
        const { processes } = await sampler.sample();
        assert.equal(processes.length, 1);
        return processes[0];
    }

    async function metric(name: string): Promise<Record<string, number>> {
        const { values } = await registry.getSingleMetric(name)!.get();
        return Object.fromEntries(values.map(({ labels, value }) => [labels.group, Math.round(value * 1000) / 1000]));
    }

    it("reads every field, also of a process with a hostile name", async () => {
        write(12, { name: "a) R 1 (b", start: 40_000, command: "x y\0--port\x0080\0\0\0" });
        assert.deepEqual(await only(), {
            pid: 12,
            uid: 1001,
            cpuPercent: null,
            residentBytes: 2 ** 21,
            threads: 3,
            state: "S",
            ageSeconds: 600,
            name: "a) R 1 (b",
            command: "x y --port 80",
        });
    });

    it("shows the name where there is no command line", async () => {
        write(12, { command: "" });
        assert.equal((await only()).command, "[app]");
    });

    it("takes a used PID with another start for another process", async () => {
        write(12, { cpu: 100 });
        assert.equal((await only()).cpuPercent, null);
        assert.equal((await only()).cpuPercent, 0);
        write(12, { cpu: 900, start: 6000 });
        assert.equal((await only()).cpuPercent, null, "no share of the process before it");
        assert.deepEqual(await metric("topz_group_cpu_seconds_total"), { app: 10 });
    });

    it("leaves out processes that ended while they were read", async () => {
        write(1);
        write(2);
        write(3);
        rmSync(join(root, "2", "status"));
        rmSync(join(root, "3", "cmdline"));
        assert.equal((await only()).pid, 1);
    });

    it("leaves out processes that it may not read", async () => {
        write(1);
        write(2);
        chmodSync(join(root, "2", "stat"), 0);
        // Root may read everything.
        const isRoot = process.geteuid?.() === 0;
        chmodSync(root, 0o755);
        if (isRoot) process.seteuid?.(65532);
        try {
            assert.equal((await only()).pid, 1);
        } finally {
            if (isRoot) process.seteuid?.(0);
        }
    });

    it("counts CPU time once, ended processes included, and never less than before", async () => {
        write(1, { cpu: 200 });
        write(2, { cpu: 300 });
        await sampler.sample();
        write(1, { cpu: 250 });
        await sampler.sample();
        assert.deepEqual(await metric("topz_group_cpu_seconds_total"), { app: 5.5 });
        end(2);
        await sampler.sample();
        assert.deepEqual(await metric("topz_group_cpu_seconds_total"), { app: 5.5 });
        assert.deepEqual(await metric("topz_group_processes"), { app: 1 });
        assert.deepEqual(await metric("topz_group_resident_memory_bytes"), { app: 2 ** 21 });
        write(3, { cpu: 100, start: 7000 });
        await sampler.sample();
        assert.deepEqual(await metric("topz_group_cpu_seconds_total"), { app: 6.5 });
    });

    it("counts names beyond the limit as the group other, for good", async () => {
        for (const [pid, name] of ["a", "b", "c", "d"].entries()) write(pid + 1, { name, cpu: 100 });
        await sampler.sample();
        assert.deepEqual(await metric("topz_group_cpu_seconds_total"), { a: 1, b: 1, other: 2 });
        for (const pid of [1, 3, 4]) end(pid);
        write(5, { name: "e", cpu: 100 });
        await sampler.sample();
        assert.deepEqual(await metric("topz_group_cpu_seconds_total"), { a: 1, b: 1, other: 3 });
        end(5);
        await sampler.sample();
        assert.deepEqual(await metric("topz_group_processes"), { a: 0, b: 1, other: 0 });
    });

    it("sees a shared namespace when a process beside its own line of ancestors is there", async () => {
        write(7, { parent: 3 });
        write(3, { parent: 0 });
        assert.equal((await sampler.sample()).sharedNamespace, false);
        write(1, { name: "pause" });
        assert.equal((await sampler.sample()).sharedNamespace, true);
    });

    it("takes itself as PID 1 for a namespace of its own, whoever visits", async () => {
        rmSync(join(root, "self"));
        symlinkSync("1", join(root, "self"));
        write(1);
        write(40, { name: "sh" });
        assert.equal((await sampler.sample()).sharedNamespace, false);
    });

    it("reports a sample that fails and goes on with the next", async () => {
        const errors: unknown[] = [];
        const failing = new Sampler({
            root: join(root, "nowhere"),
            intervalMs: 1,
            onSample: () => undefined,
            onError: (error) => {
                errors.push(error);
                if (errors.length === 2) failing.stop();
            },
        });
        await failing.start();
        while (errors.length < 2) await new Promise((resolve) => setImmediate(resolve));
        assert.match(String(errors[1]), /ENOENT/);
        assert.equal(failing.latest, undefined);
    });
});
