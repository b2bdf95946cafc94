import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import {
    claimCluster,
    ClusterLayout,
    findCluster,
    forgetCluster,
    knownClusters,
} from "../../../tools/cluster/local/layout";

describe("layout of local clusters", () => {
    let root: string;
    const claim = (name: string, nodes?: number) => claimCluster(name, nodes, root);
    /** Unlike that of any cluster that may run on this machine. */
    const name = `t${process.pid}`;

    beforeEach(() => (root = mkdtempSync(join(tmpdir(), "clusters-"))));
    afterEach(() => rmSync(root, { recursive: true }));

    /** Everything that two nodes on this machine must not share. */
    const unique = (cluster: ClusterLayout) => [
        ...[cluster.directory, cluster.lockFile, cluster.runDirectory, cluster.cgroup, cluster.sinkAddress],
        ...cluster.nodes.flatMap(({ namespace, address, gateway, link, runDirectory, directory, cgroup }) => [
            ...[namespace, address, gateway, link.gateway, link.node, runDirectory, directory, cgroup],
        ]),
    ];

    for (const bad of ["", "Dev", "1st", "-a", "a_b", "a.b", "..", "a/b", "a b", "ä", "a".repeat(21)]) {
        it(`refuses the name "${bad}"`, async () => {
            const refusal = {
                name: "UserError",
                message: `CLUSTER is "${bad}"; give 1 to 20 lower-case letters, digits and dashes, a letter first`,
            };
            await assert.rejects(claim(bad), refusal);
            assert.throws(() => findCluster(bad, root), refusal);
            assert.deepEqual(knownClusters(root), []);
        });
    }

    for (const bad of [0, -1, 1.5, 17, NaN]) {
        it(`refuses ${bad} nodes`, async () => {
            await assert.rejects(claim(name, bad), {
                name: "UserError",
                message: `NODES is "${bad}"; give a whole number from 1 to 16`,
            });
            assert.deepEqual(knownClusters(root), []);
        });
    }

    it("gives nothing twice, to as many clusters of as many nodes as there may be", async () => {
        // Those that run on this machine, written down elsewhere, have their addresses already.
        const running = readdirSync("/sys/class/net").filter((link) => /^dp\d+g1$/.test(link)).length;
        // Names of which one begins with another, and with what looks like the number of a node.
        const names = [name, `${name}-1`, `${name}-1-1`, `${name}1`, "claim"];
        while (names.length < 30 - running) names.push(`${name}-c${names.length}`);
        const clusters: ClusterLayout[] = [];
        for (const each of names) clusters.push(await claim(each, 16));
        const all = clusters.flatMap(unique);
        assert.equal(new Set(all).size, all.length);
        assert.equal(all.length, clusters.length * (5 + 16 * 8));
        for (const link of clusters.flatMap(({ nodes }) => nodes.flatMap(({ link }) => Object.values(link))))
            assert.ok(link.length < 16, `${link} is too long for an interface`);
        for (const { nodes, sinkAddress } of clusters)
            for (const address of [sinkAddress, ...nodes.flatMap(({ address, gateway }) => [address, gateway])])
                assert.ok(
                    address.split(".").every((part) => Number(part) < 255),
                    address,
                );
        await assert.rejects(claim(`${name}-x`), /there are 30 local clusters already; remove one/);
    });

    it("puts both ends of a link into one network of four addresses", async () => {
        for (const { address, gateway } of (await claim(name, 16)).nodes) {
            const [own, other] = [address, gateway].map((text) => Number(text.split(".").at(-1)));
            assert.equal(Math.floor(own / 4), Math.floor(other / 4));
            for (const end of [own, other])
                assert.ok(end % 4 === 1 || end % 4 === 2, `${end} names the network or all of it`);
        }
    });

    it("gives clusters that are claimed at once different addresses", async () => {
        const clusters = await Promise.all(["a", "b", "c"].map((suffix) => claim(`${name}${suffix}`)));
        assert.equal(new Set(clusters.map(({ hostAddress }) => hostAddress)).size, 3);
    });

    it("finds a cluster as it was claimed, and not when it is forgotten", async () => {
        const cluster = await claim(name, 2);
        assert.deepEqual(findCluster(name, root), cluster);
        assert.deepEqual(knownClusters(root), [name]);
        forgetCluster(cluster);
        assert.equal(findCluster(name, root), undefined);
        assert.deepEqual(knownClusters(root), []);
    });

    it("lets a cluster grow: what it had keeps its place", async () => {
        const small = await claim(name, 2);
        const large = await claim(name, 3);
        assert.deepEqual(large.nodes.slice(0, 2), small.nodes);
        assert.equal(large.nodes.length, 3);
        assert.equal((await claim(name)).nodes.length, 3);
    });

    it("does not let a cluster shrink", async () => {
        await claim(name, 2);
        await assert.rejects(claim(name, 1), {
            name: "UserError",
            message: `cluster ${name} has 2 nodes, NODES is 1; run make cluster-down CLUSTER=${name} first`,
        });
        assert.equal(findCluster(name, root)!.nodes.length, 2);
    });

    it("gives the addresses of a forgotten cluster to the next", async () => {
        const first = await claim(`${name}a`);
        const second = await claim(`${name}b`);
        forgetCluster(first);
        const third = await claim(`${name}c`);
        assert.equal(third.hostAddress, first.hostAddress);
        assert.notEqual(third.hostAddress, second.hostAddress);
    });

    it("takes no file beside the clusters for one", async () => {
        await claim(name);
        writeFileSync(join(root, "note"), "");
        assert.deepEqual(knownClusters(root), [name]);
    });
});
