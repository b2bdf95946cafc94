import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { checkout } from "../../../tools/lib/paths";
import { scenarios } from "../../../tools/stack/workspace";

const COMMANDS = "up, preview, destroy, cluster, cluster-down, cluster-status, images, images-down, doctor";

describe("command line", function () {
    this.timeout(30_000);
    let state: string;

    before(() => (state = mkdtempSync(join(tmpdir(), "state-"))));
    after(() => rmSync(state, { recursive: true }));

    /** Runs a command as `make` does; the state of this machine's clusters stays out of it. */
    function tools(...args: string[]) {
        const { status, stdout, stderr } = spawnSync(
            process.execPath,
            ["-r", "./tools/register.cjs", "tools/main.ts", ...args],
            { cwd: checkout, encoding: "utf8", env: { ...process.env, DP_STATE: state } },
        );
        return { status, stdout, stderr };
    }

    const refusals: [string[], string][] = [
        [["deploy"], `command "deploy"; there are ${COMMANDS}`],
        [[], `command ""; there are ${COMMANDS}`],
        // What every JavaScript object has.
        [["constructor"], `command "constructor"; there are ${COMMANDS}`],
        [["up", "ch02-topz"], `command "up ch02-topz"; there are ${COMMANDS}`],
        [["cluster", "--nodes", "x"], 'NODES is "x"; give a whole number from 1 to 16'],
        [["cluster", "--nodes", "0"], 'NODES is "0"; give a whole number from 1 to 16'],
        [["up", "--nodes", "1.5"], 'NODES is "1.5"; give a whole number from 1 to 16'],
        [
            ["cluster", "--cluster", "My Cluster"],
            'CLUSTER is "My Cluster"; give 1 to 20 lower-case letters, digits and dashes, a letter first',
        ],
        ...["up", "preview", "destroy"].map((command): [string[], string] => [
            [command, "--stack", "nonsense"],
            `STACK is "nonsense"; there are ${scenarios().join(", ")}`,
        ]),
        [["up", "--config", "replicas"], 'CONFIG has "replicas"; give key=value pairs, separated by blanks'],
        [
            ["cluster-down", "--context", "prod"],
            "make cluster-down makes and removes the project's own clusters only; leave out CONTEXT and KUBECONFIG",
        ],
        [["destroy", "--kubeconfig", "/no/such/file"], 'KUBECONFIG is "/no/such/file", and there is no such file'],
    ];
    for (const [args, message] of refusals) {
        it(`refuses "${args.join(" ")}" in one line`, () => {
            assert.deepEqual(tools(...args), { status: 1, stdout: "", stderr: `error: ${message}\n` });
            assert.deepEqual(readdirSync(state), [], "nothing is begun");
        });
    }

    it("refuses an option it does not know in one line", () => {
        const { status, stderr } = tools("up", "--stak", "ch02-topz");
        assert.equal(status, 1);
        assert.match(stderr, /^error: Unknown option '--stak'.*\n$/);
    });

    it("takes empty options, as make gives those that are not set, for none", () => {
        const empty = ["stack", "cluster", "nodes", "context", "kubeconfig", "config"].flatMap((name) => [
            `--${name}`,
            "",
        ]);
        const { status, stderr } = tools("cluster-status", ...empty);
        assert.equal(status, 1);
        assert.equal(stderr, "error: there is no cluster dev; make cluster brings it up\n");
    });

    it("finds nothing to remove where there is nothing", () => {
        const { status, stderr } = tools("cluster-down", "--cluster", "nowhere");
        assert.equal(status, 0);
        assert.equal(stderr, "there is no cluster nowhere\n");
    });
});
