import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { findCommand, installDebianPackages, missingDebianPackages } from "../../../tools/lib/debian";
import { checkout } from "../../../tools/lib/paths";
import { run, which } from "../../../tools/lib/process";
import { skipAll } from "../../support/skip";

/** An account that every Debian system has, and which may install nothing. */
const NOBODY = "65534";

describe("Debian packages", function () {
    this.timeout(30_000);

    before(async function () {
        if (!(await which("dpkg-query"))) skipAll(this, "this is not a Debian system");
    });

    it("tells those that are installed from others, a known one that is not from one that does not exist", async () => {
        assert.deepEqual(await missingDebianPackages(["dpkg", "no-such-package", "apt"]), ["no-such-package"]);
    });

    it("that are there need neither root nor network", async () => {
        await installDebianPackages(["dpkg", "apt"], "a test");
    });

    it("hold commands in system directories, which are found also when PATH lacks those", async () => {
        const path = process.env.PATH;
        process.env.PATH = "/usr/bin:/bin";
        try {
            assert.equal(await which("ldconfig"), undefined);
            assert.match((await findCommand("ldconfig"))!, /sbin\/ldconfig$/);
        } finally {
            process.env.PATH = path;
        }
        assert.equal(await findCommand("no-such-command"), undefined);
    });

    describe("for a user who is not root", () => {
        let home: string;
        before(async function () {
            if (process.getuid?.() !== 0) skipAll(this, "needs root, to become another user");
            home = mkdtempSync(join(tmpdir(), "home-"));
            await asNobody('require("./tools/lib/debian")').catch(() =>
                skipAll(this, "needs a checkout that others can read"),
            );
        });
        after(() => home && rmSync(home, { recursive: true }));

        async function asNobody(source: string): Promise<string> {
            const node = [process.execPath, "-r", "./tools/register.cjs", "-e", source];
            const args = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", ...node];
            const env = { HOME: home, DP_CACHE: join(home, "cache"), DP_STATE: join(home, "state") };
            return (await run("setpriv", args, { cwd: checkout, env })).stdout.trim();
        }

        /** What a call of lib/debian throws there. */
        const refusal = (call: string) =>
            asNobody(`require("./tools/lib/debian").${call}.catch((e) => console.log(e.name + ": " + e.message))`);

        it("are named with the command that installs them", async () => {
            const message = await refusal('installDebianPackages(["no-such-package"], "a test")');
            const command = "apt-get install -y --no-install-recommends no-such-package";
            assert.equal(message, `UserError: a test needs no-such-package; run as root: ${command}`);
        });

        it("are named with the command they hold", async () => {
            const message = await refusal('ensureCommand("no-such-command", "no-such-package")');
            const remedy = "install the package no-such-package, or run this as root on Debian or Ubuntu";
            assert.equal(message, `UserError: no-such-command is missing; ${remedy}`);
        });
    });
});
