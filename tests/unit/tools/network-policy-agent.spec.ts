import assert from "node:assert/strict";
import { ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { build } from "esbuild";

import type { Status } from "../../../tools/cluster/network-policy/agent";
import { NetworkPolicy, Pod } from "../../../tools/cluster/network-policy/objects";
import { run, waitFor } from "../../../tools/lib/process";
import { skipAll } from "../../support/skip";
import { ScriptedApi } from "./network-policy/scriptedApi";
import { obstacle } from "./network-policy/testbed";

const PODS = "/api/v1/pods";
const NAMESPACES = "/api/v1/namespaces";
const POLICIES = "/apis/networking.k8s.io/v1/networkpolicies";
const SOURCE = join(__dirname, "../../../tools/cluster/network-policy/agent.ts");

function pod(name: string, ip: string, version: number): Pod {
    return {
        metadata: { name, namespace: "shop", labels: { app: name }, resourceVersion: String(version) },
        spec: { containers: [] },
        status: { phase: "Running", podIP: ip },
    };
}

function isolate(app: string, version: number): NetworkPolicy {
    return {
        metadata: { name: app, namespace: "shop", resourceVersion: String(version) },
        spec: { podSelector: { matchLabels: { app } }, policyTypes: ["Ingress"] },
    };
}

describe("NetworkPolicy agent", function () {
    this.timeout(60_000);
    const directory = mkdtempSync(join(tmpdir(), "dpnp-"));
    const bundle = join(directory, "agent.js");

    before(async () => {
        await build({ entryPoints: [SOURCE], outfile: bundle, bundle: true, platform: "node", target: "node20" });
    });

    after(() => rmSync(directory, { recursive: true }));

    describe("with an API server and two nodes", () => enforcing(directory, bundle));
    describe("with bad arguments", () => refusing(directory, bundle));
});

function enforcing(directory: string, bundle: string): void {
    const [node1, node2] = [`dpnp-${process.pid}-n1`, `dpnp-${process.pid}-n2`];
    const statusFile = join(directory, "status.json");
    let api: ScriptedApi;
    let kubeconfig: string;
    let agent: ChildProcess;
    let log = "";

    before(async function () {
        const reason = await obstacle("openssl");
        if (reason) skipAll(this, reason);
    });

    beforeEach(async () => {
        await run("ip", ["netns", "add", node1]);
        await run("ip", ["netns", "add", node2]);
        api = new ScriptedApi();
        api.collections.set(PODS, { version: 10, items: [pod("web", "10.244.0.10", 3), pod("db", "10.244.0.11", 4)] });
        api.collections.set(NAMESPACES, { version: 11, items: [{ metadata: { name: "shop" } }] });
        api.collections.set(POLICIES, { version: 12, items: [isolate("db", 5)] });
        kubeconfig = await api.start(directory);
        startAgent();
        await waitFor(
            "the first synchronisation and all watches",
            () =>
                status()?.nodes[node1] === "current" &&
                [PODS, NAMESPACES, POLICIES].every((path) => api.watching(path)),
        );
    });

    afterEach(async () => {
        await stopAgent("SIGKILL");
        api?.stop();
        for (const name of [node1, node2]) await run("ip", ["netns", "delete", name]).catch(() => undefined);
        rmSync(statusFile, { force: true });
    });

    function startAgent(): void {
        log = "";
        const args = ["--kubeconfig", kubeconfig, "--netns", `${node1},${node2}`, "--status", statusFile];
        agent = spawn(process.execPath, [bundle, ...args], { stdio: ["ignore", "ignore", "pipe"] });
        agent.stderr!.setEncoding("utf8").on("data", (text: string) => (log += text));
    }

    async function stopAgent(signal: NodeJS.Signals): Promise<number | null> {
        if (agent?.exitCode === null && agent.signalCode === null) {
            const exit = once(agent, "exit");
            agent.kill(signal);
            await exit;
        }
        return agent?.exitCode;
    }

    function status(): Status | undefined {
        try {
            return JSON.parse(readFileSync(statusFile, "utf8")) as Status;
        } catch (error) {
            // Absent is fine; half a file is not.
            if (error instanceof SyntaxError) throw error;
            return undefined;
        }
    }

    /** Addresses that a node's rules isolate for ingress. */
    async function isolated(node: string): Promise<string[]> {
        const args = [`--net=/run/netns/${node}`, "nft", "list", "map", "inet", "dp_network_policy", "ingress"];
        return (await run("nsenter", args)).stdout.match(/10\.244\.\d+\.\d+/g) ?? [];
    }

    const untilIsolated = (node: string, addresses: string[]) =>
        waitFor(`${addresses} isolated in ${node}`, async () => String(await isolated(node)) === String(addresses), {
            timeoutMs: 15_000,
        });

    it("applies what it listed in every node and says what that stands for", async () => {
        assert.deepEqual(await isolated(node1), ["10.244.0.11"]);
        assert.deepEqual(await isolated(node2), ["10.244.0.11"]);
        const { syncedAt, rulesetHash, ...rest } = status()!;
        assert.ok(Math.abs(Date.now() - Date.parse(syncedAt)) < 60_000);
        assert.match(rulesetHash, /^[0-9a-f]{16}$/);
        assert.deepEqual(rest, {
            policies: 1,
            pods: 2,
            isolated: 1,
            resourceVersions: { pods: "10", namespaces: "11", networkpolicies: "12" },
            nodes: { [node1]: "current", [node2]: "current" },
        });
    });

    it("follows added, changed and deleted objects, and bookmarks", async () => {
        api.emit(POLICIES, "ADDED", isolate("web", 20));
        await untilIsolated(node2, ["10.244.0.10", "10.244.0.11"]);
        api.emit(PODS, "MODIFIED", pod("web", "10.244.0.99", 21));
        await untilIsolated(node2, ["10.244.0.11", "10.244.0.99"]);
        api.emit(POLICIES, "DELETED", isolate("db", 22));
        await untilIsolated(node1, ["10.244.0.99"]);
        api.emit(PODS, "BOOKMARK", { metadata: { resourceVersion: "30" } });
        await waitFor("the bookmark", () => status()?.resourceVersions.pods === "30");
        assert.deepEqual(await isolated(node1), ["10.244.0.99"]);
    });

    it("leaves a node alone when the rules are the same", async () => {
        await run("nsenter", [
            `--net=/run/netns/${node1}`,
            "nft",
            "add",
            "chain",
            "inet",
            "dp_network_policy",
            "marker",
        ]);
        api.emit(PODS, "MODIFIED", {
            ...pod("web", "10.244.0.10", 40),
            status: { phase: "Running", podIP: "10.244.0.10", message: "x" },
        });
        await waitFor("the change", () => status()?.resourceVersions.pods === "40");
        await run("nsenter", [
            `--net=/run/netns/${node1}`,
            "nft",
            "list",
            "chain",
            "inet",
            "dp_network_policy",
            "marker",
        ]);
    });

    it("resumes a cut watch from the last version it saw", async () => {
        api.emit(POLICIES, "ADDED", isolate("web", 50));
        await waitFor("the event", () => status()?.resourceVersions.networkpolicies === "50");
        api.cut(POLICIES);
        await waitFor("a new watch", () => api.watching(POLICIES));
        const asked = api.requests.filter(({ path }) => path === POLICIES).map(({ watchFrom }) => watchFrom);
        assert.deepEqual(asked, [undefined, "12", "50"]);
        assert.deepEqual(await isolated(node1), ["10.244.0.10", "10.244.0.11"]);
    });

    it("lists anew when its version is too old, and forgets what is gone", async () => {
        api.collections.set(POLICIES, { version: 60, items: [isolate("web", 55)] });
        api.expired.add("12");
        api.cut(POLICIES);
        await untilIsolated(node1, ["10.244.0.10"]);
        const asked = api.requests.filter(({ path }) => path === POLICIES).map(({ watchFrom }) => watchFrom);
        assert.deepEqual(asked, [undefined, "12", "12", undefined, "60"]);
    });

    it("backs off from a server that ends every watch at once", async () => {
        api.expired.add("12");
        const start = performance.now();
        api.cut(POLICIES);
        const lists = () => api.requests.filter(({ path, watchFrom }) => path === POLICIES && !watchFrom).length;
        await waitFor("three more lists", () => lists() >= 4);
        const milliseconds = performance.now() - start;
        assert.ok(milliseconds > 1200, `three lists within ${Math.round(milliseconds)} ms`);
    });

    it("keeps the rules while the API server is away", async () => {
        api.stop();
        await waitFor("a report of the loss", () => /ECONNREFUSED|aborted/.test(log));
        assert.deepEqual(await isolated(node1), ["10.244.0.11"]);
        assert.equal(agent.exitCode, null);
    });

    it("serves the other nodes while one is absent, and a node that was made anew", async () => {
        await run("ip", ["netns", "delete", node2]);
        await waitFor("the absence", () => status()?.nodes[node2] === "absent", { timeoutMs: 15_000 });
        api.emit(POLICIES, "ADDED", isolate("web", 70));
        await untilIsolated(node1, ["10.244.0.10", "10.244.0.11"]);
        await run("ip", ["netns", "add", node2]);
        await untilIsolated(node2, ["10.244.0.10", "10.244.0.11"]);
    });

    it("leaves the rules in place when it ends, and takes them over when it starts", async () => {
        assert.equal(await stopAgent("SIGTERM"), 0, log);
        assert.deepEqual(await isolated(node1), ["10.244.0.11"]);
        api.collections.set(POLICIES, { version: 80, items: [] });
        startAgent();
        await untilIsolated(node1, []);
    });

    it("leaves earlier rules alone until it knows everything", async () => {
        await stopAgent("SIGTERM");
        rmSync(statusFile);
        const before = await isolated(node1);
        api.stalled = POLICIES;
        const lists = () => api.requests.filter(({ watchFrom }) => watchFrom === undefined).length;
        startAgent();
        await waitFor("the lists of both starts", () => lists() === 6);
        // Longer than changes are held back, and than rules take to be loaded.
        for (const end = performance.now() + 500; performance.now() < end;) {
            assert.deepEqual(await isolated(node1), before);
            assert.equal(status(), undefined);
        }
        api.stalled = undefined;
        await waitFor("the first synchronisation", () => status()?.policies === 1);
        assert.deepEqual(await isolated(node1), before);
    });
}

function refusing(directory: string, bundle: string): void {
    for (const [args, message] of [
        [[], "--kubeconfig is not given"],
        [["--kubeconfig", "EMPTY"], "--netns is undefined"],
        [["--kubeconfig", "EMPTY", "--netns", "a,../b"], '--netns is "a,../b"; give names'],
        [["--kubeconfig", "/nonexistent", "--netns", "a"], "cannot read /nonexistent"],
        [["--kubeconfig", "EMPTY", "--netns", "a"], "current-context is undefined"],
        [["--nets", "a"], "Unknown option '--nets'"],
    ] as const) {
        it(`refuses ${args.join(" ") || "no arguments"} in one line`, async () => {
            const empty = join(directory, "empty");
            writeFileSync(empty, "");
            const result = run(process.execPath, [bundle, ...args.map((arg) => (arg === "EMPTY" ? empty : arg))]);
            await assert.rejects(result, ({ status: code, stderr }: { status: number; stderr: string }) => {
                assert.equal(code, 1);
                assert.equal(stderr.trim().split("\n").length, 1, stderr);
                assert.ok(stderr.includes(message), stderr);
                return true;
            });
        });
    }
}
