import assert from "node:assert/strict";

import { waitFor } from "../../tools/lib/process";
import { kubectl } from "../support/kubectl";
import { podTemplate, SERVE_NAME, skipUnlessFromModules, TestNamespace } from "./support/testNamespace";

const LABELS = { app: "spread" };
/** Asks an address with a new connection each time; resolves to the answers. */
const ask = (host: string, port: number, times: number) => `
    const one = () => new Promise((resolve, reject) => {
        require("node:http").get({ host: "${host}", port: ${port}, agent: false, timeout: 5000 }, (response) => {
            let text = "";
            response.on("data", (data) => (text += data)).on("end", () => resolve(text));
        }).on("timeout", function () { this.destroy(new Error("no answer within 5 s")); }).on("error", reject);
    });
    const answers = [];
    for (let i = 0; i < ${times}; i++) answers.push(await one());
    return answers;`;

interface Pod {
    name: string;
    node: string;
    address: string;
}

describe("two nodes", function () {
    this.timeout(180_000);
    let namespace: TestNamespace;
    let pods: Pod[];
    let last: string;

    before(async function () {
        skipUnlessFromModules(this);
        namespace = await TestNamespace.open("nodes");
        const spread = {
            maxSkew: 1,
            topologyKey: "kubernetes.io/hostname",
            whenUnsatisfiable: "DoNotSchedule",
            // A node that is being emptied does not count.
            nodeTaintsPolicy: "Honor",
            labelSelector: { matchLabels: LABELS },
        };
        const container = { readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 } };
        const template = podTemplate(SERVE_NAME, {
            labels: LABELS,
            container,
            spec: { topologySpreadConstraints: [spread] },
        });
        await namespace.apply(
            {
                apiVersion: "apps/v1",
                kind: "Deployment",
                metadata: { name: "spread" },
                spec: { replicas: 2, selector: { matchLabels: LABELS }, template },
            },
            {
                apiVersion: "v1",
                kind: "Service",
                metadata: { name: "spread" },
                spec: { selector: LABELS, ports: [{ port: 80, targetPort: 8080 }] },
            },
        );
        await rolledOut();
        pods = await runningPods();
    });
    after(async () => {
        if (last) await kubectl(["uncordon", last]);
        await namespace?.close();
    });

    const rolledOut = () => namespace.kubectl(["rollout", "status", "deployment/spread", "--timeout=90s"]);

    /** The Deployment's pods that run and are not about to end, by node. */
    async function runningPods(): Promise<Pod[]> {
        const { items } = JSON.parse(await namespace.kubectl(["get", "pods", "-l", "app=spread", "-o", "json"]));
        return items
            .filter(({ metadata, status }: any) => !metadata.deletionTimestamp && status.phase === "Running")
            .map(({ metadata, spec, status }: any) => ({
                name: metadata.name,
                node: spec.nodeName,
                address: status.podIP,
            }))
            .sort((one: Pod, other: Pod) => one.node.localeCompare(other.node));
    }

    it("take one pod each of a Deployment that is spread", async () => {
        const { items } = JSON.parse(await kubectl(["get", "nodes", "-o", "json"]));
        assert.deepEqual(
            pods.map(({ node }) => node),
            items.map(({ metadata }: any) => metadata.name).sort(),
        );
    });

    it("carry traffic from pod to pod, in both directions and on one node", async () => {
        for (const from of pods)
            for (const to of pods)
                assert.deepEqual(await namespace.evaluate(from.name, ask(to.address, 8080, 1)), [to.name]);
    });

    it("carry traffic through a Service from each node to the pods on all of them", async () => {
        for (const { name } of pods) {
            const answers = new Set<string>(await namespace.evaluate(name, ask("spread", 80, 40)));
            assert.deepEqual([...answers].sort(), pods.map(({ name }) => name).sort());
        }
    });

    it("one that is drained loses its pods to the other, and the Service goes on", async () => {
        const { node } = pods.at(-1)!;
        last = node;
        // Of this test alone: others may be at work on the same cluster.
        await kubectl(["drain", last, "--pod-selector=app=spread", "--timeout=90s"]);
        await rolledOut();
        const moved = await runningPods();
        assert.deepEqual(
            moved.map(({ node }) => node),
            [pods[0].node, pods[0].node],
        );
        assert.ok(
            moved.some(({ name }) => name === pods[0].name),
            "the pod of the other node was left alone",
        );
        const names = moved.map(({ name }) => name);
        const answers: string[] = await namespace.evaluate(pods[0].name, ask("spread", 80, 20));
        assert.deepEqual(
            answers.filter((name) => !names.includes(name)),
            [],
        );
    });

    it("one that is given back takes pods again", async () => {
        await kubectl(["uncordon", last]);
        await namespace.kubectl(["scale", "deployment/spread", "--replicas=3"]);
        await rolledOut();
        await waitFor("a pod on the node", async () => (await runningPods()).some(({ node }) => node === last));
    });
});
