import assert from "node:assert/strict";

import { TopzSidecar, TopzSidecarArgs } from "../../components/single-node/topz";
import { probeViolations, resourceViolations } from "../policy/checks";
import { podSecurityViolations } from "../policy/podSecurity";
import { assertSelects, listOf, only, Recorded, recordResources, settled, unknown, valueOf } from "../support/mocks";

const reference = (name: string) => `127.0.0.1:5001/distributed-patterns/${name}@sha256:${"0".repeat(64)}`;
const args: TopzSidecarArgs = {
    namespace: "books",
    image: reference("legacy-service"),
    topzImage: reference("topz"),
    livenessCommand: ["/check"],
};

describe("TopzSidecar", () => {
    describe("by default", () => {
        let recorded: Recorded[];
        let topz: TopzSidecar;
        before(async () => {
            recorded = await recordResources();
            topz = new TopzSidecar("topz", args);
            await settled();
        });

        it("makes exactly these children", () => {
            assert.deepEqual(listOf(recorded), [
                "apps/v1:Deployment topz",
                "core/v1:Service topz",
                "distributed-patterns:index:TopzSidecar topz",
                "networking.k8s.io/v1:NetworkPolicy topz",
                "policy/v1:PodDisruptionBudget topz",
            ]);
            for (const { type, parent } of recorded.slice(1))
                assert.equal(parent, "distributed-patterns:index:TopzSidecar::topz", type);
        });

        it("serves the process view on the Service's port topz, and opens no other port", async () => {
            assert.equal(await valueOf(topz.endpoint), "http://topz.books.svc:8081/topz");
            assert.deepEqual(only(recorded, "kubernetes:core/v1:Service").spec.ports, [
                { name: "topz", port: 8081, targetPort: 8081 },
            ]);
            const [{ ports }] = only(recorded, "kubernetes:networking.k8s.io/v1:NetworkPolicy").spec.ingress;
            assert.deepEqual(ports, [{ port: 8081, protocol: "TCP" }]);
        });

        it("shares the process namespace of restricted, probed and bounded pods", () => {
            const { spec } = only(recorded, "kubernetes:apps/v1:Deployment").spec.template;
            assert.equal(spec.shareProcessNamespace, true);
            assert.deepEqual(
                spec.initContainers.map((one: any) => [one.name, one.restartPolicy]),
                [["topz", "Always"]],
            );
            assert.deepEqual(podSecurityViolations(spec), []);
            assert.deepEqual(probeViolations({ spec, serves: true }), []);
            assert.deepEqual(resourceViolations(spec), []);
            assert.equal(spec.automountServiceAccountToken, false);
        });

        it("selects its own pods everywhere", async () => {
            const { template, selector } = only(recorded, "kubernetes:apps/v1:Deployment").spec;
            const { labels } = template.metadata;
            assertSelects(selector.matchLabels, labels);
            assertSelects(only(recorded, "kubernetes:core/v1:Service").spec.selector, labels);
            assertSelects(only(recorded, "kubernetes:policy/v1:PodDisruptionBudget").spec.selector.matchLabels, labels);
            assertSelects(
                only(recorded, "kubernetes:networking.k8s.io/v1:NetworkPolicy").spec.podSelector.matchLabels,
                labels,
            );
            assertSelects(await valueOf(topz.selectorLabels), labels);
        });
    });

    it("leaves out the NetworkPolicy on request", async () => {
        const recorded = await recordResources();
        new TopzSidecar("topz", { ...args, networkPolicy: { enabled: false } });
        await settled();
        assert.ok(!listOf(recorded).some((one) => one.includes("NetworkPolicy")));
    });

    it("previews with everything unknown", async () => {
        const recorded = await recordResources({ preview: true });
        new TopzSidecar("topz", { namespace: unknown(), image: unknown(), topzImage: unknown() });
        await settled();
        assert.equal(recorded.length, 5);
    });

    const refusals: [Partial<TopzSidecarArgs>, string][] = [
        [
            { shareProcessNamespace: false },
            "bad: `shareProcessNamespace` is false; give true: without it the sidecar sees no process but its own",
        ],
        [{ topzPort: 80 }, "bad: `topzPort` is 80; give a whole number from 1024 to 65535"],
        [
            { sampleInterval: "10ms" },
            'bad: `sampleInterval` is "10ms"; give a time with its unit (ms, s, m, h, d) from 250ms to 5m',
        ],
        [
            { topzImage: "topz" },
            'bad: `topzImage` is "topz"; give an image by digest, `repository@sha256:…`, or by a tag other than `latest`',
        ],
        [
            { topzResources: { cpuRequest: "much" } },
            'bad: `topzResources.cpuRequest` is "much"; give a quantity above 0 such as `50m`',
        ],
        [{ replicas: 1.5 }, "bad: `replicas` is 1.5; give a whole number from 1 to 1000"],
    ];
    for (const [change, message] of refusals) {
        it(`refuses ${JSON.stringify(change)} before any child`, async () => {
            const recorded = await recordResources({ preview: true });
            assert.throws(() => new TopzSidecar("bad", { ...args, ...change }), { message });
            await settled();
            assert.equal(recorded.length, 1);
        });
    }
});
