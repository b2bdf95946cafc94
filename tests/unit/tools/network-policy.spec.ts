import assert from "node:assert/strict";

import { compile } from "../../../tools/cluster/network-policy/compile";
import { NetworkPolicy, Pod } from "../../../tools/cluster/network-policy/objects";
import { skipAll } from "../../support/skip";
import { Case, ends, flows, intoDb, namespaces, pods, policy, SERVICE } from "./network-policy/cluster";
import { isolationCases } from "./network-policy/isolationCases";
import { peerCases } from "./network-policy/peerCases";
import { portCases } from "./network-policy/portCases";
import { obstacle, Testbed } from "./network-policy/testbed";

const cases: Case[] = [...isolationCases, ...peerCases, ...portCases];

describe("NetworkPolicy rules on real packets", function () {
    this.timeout(30_000);
    const testbed = new Testbed();

    before(async function () {
        const reason = await obstacle();
        if (reason) skipAll(this, reason);
        await testbed.start(ends);
        await testbed.load(`table ip kube {
            chain services {
                type nat hook prerouting priority dstnat;
                ip daddr ${SERVICE} tcp dport 80 dnat to 10.244.0.11:5000
            }
            chain hairpin {
                type nat hook postrouting priority srcnat;
                ip saddr 10.244.0.11 ip daddr 10.244.0.11 masquerade
            }
        }`);
    });

    after(() => testbed.stop());

    const load = (policies: NetworkPolicy[], among = pods) =>
        testbed.load(compile({ pods: among, namespaces, policies }).text);

    for (const { name, policies, allows, pods: among } of cases) {
        it(name, async () => {
            await load(
                policies.map((each, index) => ({ ...each, metadata: { ...each.metadata, name: `p${index}` } })),
                among,
            );
            const wrong = await Promise.all(
                flows.map(async (flow) => {
                    const real = flow.to === "service" ? { ...flow, to: "db", port: 5000 } : flow;
                    // Own node to pod, and pod to itself, are never cut.
                    const allowed = flow.from === "node" || flow.from === real.to || allows(real);
                    const address = flow.to === "service" ? SERVICE : ends.find((end) => end.name === flow.to)!.address;
                    const timeoutMs = allowed ? 5000 : 400;
                    const outcome = await testbed.request(flow.from, {
                        protocol: flow.protocol,
                        port: flow.port,
                        address,
                        timeoutMs,
                    });
                    const expected = allowed ? real.to : "timeout";
                    return outcome === expected
                        ? []
                        : [`${flow.from} -> ${flow.to} ${flow.protocol} ${flow.port}: ${outcome}`];
                }),
            );
            assert.deepEqual(wrong.flat(), [], "flows with another outcome than expected");
        });
    }

    it("cuts new connections only: what is established goes on", async () => {
        const target = { protocol: "tcp", port: 5000, address: "10.244.0.11", timeoutMs: 5000 } as const;
        await load([]);
        assert.equal(await testbed.request("web", target, "hold"), "db");
        await load([policy({ podSelector: {}, policyTypes: ["Ingress"] })]);
        assert.equal(await testbed.request("web", { ...target, timeoutMs: 400 }), "timeout");
        assert.equal(await testbed.request("web", target, "use"), "still here");
    });

    it("leaves other tables alone, and loads over what was there", async () => {
        const others = async () => (await testbed.inRouter("nft", ["list", "table", "ip", "kube"])).length;
        const before = await others();
        await load([intoDb()]);
        await load([]);
        assert.equal(await others(), before);
        const tables = await testbed.inRouter("nft", ["list", "tables"]);
        assert.deepEqual(tables.trim().split("\n").sort(), ["table inet dp_network_policy", "table ip kube"]);
    });

    it("gives a thousand replicas one chain, and nft takes it", async () => {
        const many = Array.from({ length: 1000 }, (_, index): Pod => {
            const ip = `10.245.${index >> 8}.${index & 255}`;
            return {
                ...pods[1],
                metadata: { ...pods[1].metadata, name: `db-${index}` },
                status: { phase: "Running", podIP: ip },
            };
        });
        const policies = [intoDb([{ podSelector: {} }], [{ port: "main" }])];
        const chains = (text: string) => text.match(/^ *chain /gm)?.length;
        const small = compile({ pods, namespaces, policies });
        const large = compile({ pods: [...pods, ...many], namespaces, policies });
        assert.equal(large.isolated, 1001);
        assert.equal(chains(large.text), chains(small.text));
        await testbed.inRouter("nft", ["-c", "-f", "-"], large.text);
    });

    it("gives the same text for the same state in any order", () => {
        const everywhere = policy({
            podSelector: {},
            policyTypes: ["Ingress"],
            ingress: [{ from: [{ podSelector: {} }] }],
        });
        const policies = [
            intoDb([{ namespaceSelector: {} }], [{ port: "main" }]),
            { ...everywhere, metadata: { ...everywhere.metadata, name: "q" } },
        ];
        const one = compile({ pods, namespaces, policies });
        const other = compile({
            pods: [...pods].reverse(),
            namespaces: [...namespaces].reverse(),
            policies: [...policies].reverse(),
        });
        assert.equal(one.text, other.text);
    });
});
