import assert from "node:assert/strict";

import { waitFor } from "../../tools/lib/process";
import { kubectl } from "../support/kubectl";
import { podTemplate, skipUnlessFromModules, TestNamespace } from "./support/testNamespace";

/** Keeps a CPU as busy as the pod's limit allows. */
const BUSY = "for (;;);";
const LABELS = { app: "busy" };

/** CPU in thousandths of a core, from a Kubernetes quantity. */
function millicores(quantity: string): number {
    const [, number, unit] = /^(\d+)([num]?)$/.exec(quantity)!;
    return Number(number) * { n: 1e-6, u: 1e-3, m: 1, "": 1000 }[unit]!;
}

describe("metrics", function () {
    this.timeout(150_000);
    let namespace: TestNamespace;

    before(async function () {
        skipUnlessFromModules(this);
        namespace = await TestNamespace.open("metrics");
        const resources = { requests: { cpu: "50m", memory: "48Mi" }, limits: { cpu: "150m", memory: "256Mi" } };
        await namespace.apply(
            {
                apiVersion: "apps/v1",
                kind: "Deployment",
                metadata: { name: "busy" },
                spec: {
                    replicas: 1,
                    selector: { matchLabels: LABELS },
                    template: podTemplate(BUSY, { labels: LABELS, container: { resources } }),
                },
            },
            {
                apiVersion: "autoscaling/v2",
                kind: "HorizontalPodAutoscaler",
                metadata: { name: "busy" },
                spec: {
                    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "busy" },
                    minReplicas: 1,
                    maxReplicas: 2,
                    metrics: [
                        {
                            type: "Resource",
                            resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 100 } },
                        },
                    ],
                },
            },
        );
        await namespace.kubectl(["rollout", "status", "deployment/busy", "--timeout=90s"]);
    });
    after(() => namespace?.close());

    it("of a pod tell what it uses, within its limits", async () => {
        const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace.name}/pods`;
        const usage = await waitFor(
            "metrics of the pod",
            async () => JSON.parse(await kubectl(["get", "--raw", path])).items[0]?.containers[0].usage,
            { timeoutMs: 60_000, everyMs: 1_000 },
        );
        const cpu = millicores(usage.cpu);
        assert.ok(cpu > 50 && cpu < 200, usage.cpu);
        assert.match(usage.memory, /^\d+Ki$/);
        const memory = parseInt(usage.memory, 10) / 1024;
        assert.ok(memory > 5 && memory < 256, usage.memory);
    });

    it("of each node are there", async () => {
        const { items } = JSON.parse(await kubectl(["get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"]));
        const nodes = JSON.parse(await kubectl(["get", "nodes", "-o", "json"])).items;
        const names = (list: any[]) => list.map(({ metadata }) => metadata.name).sort();
        assert.deepEqual(names(items), names(nodes));
        for (const { usage } of items) assert.ok(millicores(usage.cpu) > 0);
    });

    it("make an autoscaler give a busy Deployment a second pod", async () => {
        await waitFor(
            "the second pod",
            async () => (await namespace.get("deployment/busy", ".status.readyReplicas")) === "2",
            { timeoutMs: 120_000, everyMs: 1_000 },
        );
        const utilization = await namespace.get(
            "hpa/busy",
            ".status.currentMetrics[0].resource.current.averageUtilization",
        );
        assert.ok(Number(utilization) > 100, `${utilization} %`);
    });
});
