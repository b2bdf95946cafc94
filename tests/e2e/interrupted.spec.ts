import assert from "node:assert/strict";
import { ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkout } from "../../tools/lib/paths";
import { waitFor } from "../../tools/lib/process";
import { kubectl } from "../support/kubectl";
import { testEnvironment } from "../support/testCluster";

/** What `make up` and `make destroy` run, on a state of this test's own. */
describe("an interrupted make up", function () {
    this.timeout(240_000);
    const { pulumi, runId, target } = testEnvironment();
    const namespace = `interrupted-${runId}`;
    const state = mkdtempSync(join(tmpdir(), "dp-interrupted-"));
    after(() => rmSync(state, { recursive: true, force: true }));

    function make(command: "up" | "destroy", settings: string): { child: ChildProcess; output: () => string } {
        const options = {
            stack: "ch02-topz",
            kubeconfig: target.kubeconfig!,
            context: target.context,
            config: settings,
        };
        const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
        let text = "";
        const child = spawn(process.execPath, ["-r", "./tools/register.cjs", "tools/main.ts", command, ...flags], {
            cwd: checkout,
            env: { ...process.env, DP_STATE: state, PULUMI_HOME: pulumi.env.PULUMI_HOME },
            stdio: ["ignore", "pipe", "pipe"],
        });
        for (const stream of [child.stdout!, child.stderr!])
            stream.setEncoding("utf8").on("data", (part: string) => (text += part));
        return { child, output: () => text };
    }

    async function finished({ child, output }: ReturnType<typeof make>): Promise<string> {
        const status = await new Promise((resolve) => child.on("close", resolve));
        assert.equal(status, 0, output());
        return output();
    }

    it("is mended by the next one, and destroy then leaves nothing", async () => {
        const settings = `namespace=${namespace}`;
        const first = make("up", settings);
        await waitFor("the Deployment to be on its way", () => /Deployment topz creating/.test(first.output()), {
            timeoutMs: 90_000,
            everyMs: 20,
        });
        process.kill(pulumiOf(first.child.pid!), "SIGKILL");
        await new Promise((resolve) => first.child.on("close", resolve));
        const begun = await deployments();

        const second = await finished(make("up", settings));
        assert.match(second, /was interrupted/);
        // What the first one had begun belongs to the stack again; nothing was made a second time beside it.
        assert.equal((await deployments()).length, 1);
        if (begun.length > 0) assert.deepEqual(await deployments(), begun);
        assert.match(await finished(make("up", settings)), /10 unchanged/);

        await finished(make("destroy", settings));
        assert.equal(await kubectl(["get", "namespace", namespace, "--ignore-not-found", "-o", "name"]), "");
    });

    async function deployments(): Promise<string[]> {
        return (await kubectl(["-n", namespace, "get", "deployments", "-o", "name"])).split("\n").filter(Boolean);
    }
});

/** The Pulumi CLI that a process has started. */
function pulumiOf(parent: number): number {
    const children = readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ");
    const pid = children.find((child) => readFileSync(`/proc/${child}/comm`, "utf8").trim() === "pulumi");
    assert.ok(pid, `the CLI runs; children are ${children.join(", ")}`);
    return Number(pid);
}
