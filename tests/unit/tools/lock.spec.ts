import assert from "node:assert/strict";
import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readIfThere } from "../../../tools/lib/files";
import { withLock } from "../../../tools/lib/lock";
import { checkout } from "../../../tools/lib/paths";
import { waitFor } from "../../../tools/lib/process";

/** Enters the lock `times` times once the file `go` is there, stays so many ms, and writes down when it comes and goes. */
const VISITOR = `
const { appendFileSync, existsSync } = require("node:fs");
const { setTimeout: delay } = require("node:timers/promises");
const { withLock } = require("./tools/lib/lock");
const [file, journal, times, stay] = process.argv.slice(1);
const visit = () => withLock(file, async () => {
    appendFileSync(journal, "in " + process.pid + "\\n");
    await delay(Number(stay));
    appendFileSync(journal, "out " + process.pid + "\\n");
});
(async () => {
    appendFileSync(journal + ".ready", "+");
    while (!existsSync(journal + ".go")) await delay(1);
    for (let i = 0; i < Number(times); i++) await visit();
})();
`;

describe("lock", function () {
    this.timeout(60_000);
    let directory: string;
    let file: string;
    let journal: string;
    const visitors: ChildProcess[] = [];

    beforeEach(() => {
        directory = mkdtempSync(join(tmpdir(), "lock-"));
        [file, journal] = ["lock", "journal"].map((name) => join(directory, name));
        writeFileSync(journal, "");
    });
    afterEach(() => {
        for (const visitor of visitors.splice(0)) visitor.kill("SIGKILL");
        rmSync(directory, { recursive: true });
    });

    function visitor(times: number, stay: number): ChildProcess {
        const args = ["-r", "./tools/register.cjs", "-e", VISITOR, file, journal, String(times), String(stay)];
        const child = spawn(process.execPath, args, { cwd: checkout, stdio: ["ignore", "ignore", "pipe"] });
        visitors.push(child);
        return child;
    }

    /** Lets visitors go at the same time, once this many are there. */
    async function go(number: number): Promise<void> {
        await waitFor("the visitors", () => readIfThere(`${journal}.ready`)?.length === number, { everyMs: 10 });
        writeFileSync(`${journal}.go`, "");
    }

    const entries = () => readFileSync(journal, "utf8").split("\n").filter(Boolean);

    it("never lets two processes inside together", async () => {
        const processes = [visitor(8, 5), visitor(8, 5), visitor(8, 5)];
        await go(3);
        for (const [code] of await Promise.all(processes.map((child) => once(child, "exit")))) assert.equal(code, 0);
        assert.equal(entries().length, 48);
        for (let index = 0; index < 48; index += 2) {
            assert.match(entries()[index], /^in /);
            assert.equal(entries()[index + 1], entries()[index].replace("in", "out"));
        }
        assert.deepEqual(
            readdirSync(directory).filter((name) => name.startsWith("lock")),
            [],
            "nothing is left of it",
        );
    });

    it("of a killed process is taken over, by one of those that wait at a time", async () => {
        const killed = visitor(1, 1e9);
        await go(1);
        await waitFor("the visitor inside", () => entries().length === 1);
        // Longer than the others wait before they look again.
        const waiting = [visitor(2, 150), visitor(2, 150), visitor(2, 150)];
        // That they wait is what each says once.
        await Promise.all(
            waiting.map(async (child) =>
                assert.match(String(await once(child.stderr!, "data")), /waiting for process \d+, which holds/),
            ),
        );
        assert.equal(entries().length, 1);
        killed.kill("SIGKILL");
        await Promise.all(waiting.map((child) => once(child, "exit")));
        const visits = entries().slice(1);
        assert.equal(visits.length, 12);
        for (let index = 0; index < 12; index += 2) assert.equal(visits[index + 1], visits[index].replace("in", "out"));
    });

    it("whose holder was killed while it took it over is taken over too", async () => {
        // Ids above any that Linux gives out.
        for (const name of [file, `${file}.takeover`]) writeFileSync(name, "4194305 1");
        assert.equal(await withLock(file, async () => "done"), "done");
    });

    it("is not believed to be held by a process that has its holder's id now", async () => {
        writeFileSync(file, `${process.pid} 1`);
        assert.equal(await withLock(file, async () => "done"), "done");
    });

    it("keeps work of one process apart, and is free again after a failure", async () => {
        const order: string[] = [];
        const failing = withLock(file, async () => {
            order.push("first in");
            await waitFor("the second one's wait", () => existsSync(file));
            order.push("first out");
            throw new Error("failed");
        });
        const second = withLock(file, async () => order.push("second"));
        await assert.rejects(failing, /^Error: failed$/);
        await second;
        assert.deepEqual(order, ["first in", "first out", "second"]);
    });
});
