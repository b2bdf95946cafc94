import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import { NetworkPolicy, PolicyPeer, PolicyPort } from "../../tools/cluster/network-policy/objects";
import { waitFor } from "../../tools/lib/process";
import { kubectl } from "../support/kubectl";
import { digests } from "../support/testCluster";
import { attempt, listen, Target } from "../unit/tools/network-policy/peer";

const NODE = "/nodejs/bin/node";
const suffix = randomBytes(3).toString("hex");
/** Namespaces of the test, by the names used here. */
const namespaces = { shop: `np-shop-${suffix}`, lab: `np-lab-${suffix}` };
/** Pods, their namespace and which of the two ports they call `main`. */
const pods = {
    server: { namespace: namespaces.shop, main: 9090 },
    client: { namespace: namespaces.shop, main: 8080 },
    stranger: { namespace: namespaces.lab, main: 8080 },
};
type PodName = keyof typeof pods;
const podNames = Object.keys(pods) as PodName[];
const PORTS = [8080, 9090];

/** A connection between two pods, or to port 80 of the Service in front of `server`, which stands for its port 9090. */
interface Flow {
    from: PodName;
    to: PodName;
    port: number;
    service: boolean;
}

const flows: Flow[] = podNames.flatMap((from) => [
    ...podNames.filter((to) => to !== from).flatMap((to) => PORTS.map((port) => ({ from, to, port, service: false }))),
    { from, to: "server" as const, port: 9090, service: true },
]);

/** A restricted pod that listens on both ports, away from the others where there are several nodes. */
function podManifest(name: string, namespace: string, main: number, app = name): object {
    const source = `(${listen})(${JSON.stringify({ name, tcp: PORTS, udp: [] })})`;
    return {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace, labels: { app, suite: suffix } },
        spec: {
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 0,
            securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: "RuntimeDefault" } },
            affinity: {
                podAntiAffinity: {
                    preferredDuringSchedulingIgnoredDuringExecution: [
                        {
                            weight: 100,
                            podAffinityTerm: {
                                topologyKey: "kubernetes.io/hostname",
                                labelSelector: { matchLabels: { suite: suffix } },
                                namespaceSelector: {},
                            },
                        },
                    ],
                },
            },
            containers: [
                {
                    name: "node",
                    image: digests()["legacy-service"],
                    command: [NODE, "-e", source],
                    ports: [{ name: "main", containerPort: main }],
                    readinessProbe: { tcpSocket: { port: main }, periodSeconds: 1 },
                    securityContext: {
                        allowPrivilegeEscalation: false,
                        readOnlyRootFilesystem: true,
                        capabilities: { drop: ["ALL"] },
                    },
                    resources: { requests: { cpu: "10m", memory: "48Mi" }, limits: { memory: "256Mi" } },
                },
            ],
        },
    };
}

const ready = (name: string, namespace: string) =>
    kubectl(["-n", namespace, "wait", `pod/${name}`, "--for=condition=Ready", "--timeout=90s"]);

/** Runs a function in a pod and returns the JSON of what it resolves to. */
async function inPod<T>(pod: PodName, source: string): Promise<T> {
    const script = `(${source}).then((result) => { console.log(JSON.stringify(result)); process.exit(0); })`;
    return JSON.parse(await kubectl(["-n", pods[pod].namespace, "exec", pod, "--", NODE, "-e", script])) as T;
}

describe("NetworkPolicy on the cluster", function () {
    this.timeout(180_000);
    const addresses = new Map<string, string>();

    before(async () => {
        const restricted = { "pod-security.kubernetes.io/enforce": "restricted" };
        const manifests = [
            ...Object.entries(namespaces).map(([team, name]) => ({
                apiVersion: "v1",
                kind: "Namespace",
                metadata: { name, labels: { team, ...restricted } },
            })),
            {
                apiVersion: "v1",
                kind: "Service",
                metadata: { name: "server", namespace: namespaces.shop },
                spec: { selector: { app: "server" }, ports: [{ port: 80, targetPort: "main" }] },
            },
        ];
        await apply(manifests);
        for (const namespace of Object.values(namespaces)) {
            await waitFor("the service account", () => kubectl(["-n", namespace, "get", "serviceaccount", "default"]));
        }
        await apply(podNames.map((name) => podManifest(name, pods[name].namespace, pods[name].main)));
        await Promise.all(podNames.map((name) => ready(name, pods[name].namespace)));
        for (const name of podNames) {
            addresses.set(
                name,
                await kubectl(["-n", pods[name].namespace, "get", "pod", name, "-o=jsonpath={.status.podIP}"]),
            );
        }
        const service = ["-n", namespaces.shop, "get", "service", "server", "-o=jsonpath={.spec.clusterIP}"];
        addresses.set("service", await kubectl(service));
    });

    after(async () => {
        await kubectl(["delete", "namespace", ...Object.values(namespaces), "--ignore-not-found", "--timeout=90s"]);
    });

    async function apply(items: object[]): Promise<void> {
        if (items.length) await kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
    }

    /** Makes these the only policies in the test's namespaces. */
    async function enforce(policies: NetworkPolicy[]): Promise<void> {
        for (const namespace of Object.values(namespaces)) {
            await kubectl(["-n", namespace, "delete", "networkpolicy", "--all"]);
        }
        await apply(
            policies.map(({ metadata, spec }, index) => ({
                apiVersion: "networking.k8s.io/v1",
                kind: "NetworkPolicy",
                metadata: { ...metadata, name: `p${index}` },
                spec,
            })),
        );
    }

    /** Flows whose outcome is another than expected: an answer by the right pod, or silence for a second. */
    async function wrongFlows(allows: (flow: Flow) => boolean): Promise<string[]> {
        const perPod = podNames.map(async (from) => {
            const own = flows.filter((flow) => flow.from === from);
            const targets = own.map(({ to, port, service }): Target => {
                const real = service
                    ? { address: addresses.get("service")!, port: 80 }
                    : { address: addresses.get(to)!, port };
                return { ...real, protocol: "tcp", timeoutMs: 1000 };
            });
            const source = `Promise.all(${JSON.stringify(targets)}.map(${attempt}))`;
            const outcomes = await inPod<string[]>(from, source);
            return own.flatMap((flow, index) => {
                // A pod reaches itself through its Service whatever the policies.
                const expected = flow.from === flow.to || allows(flow) ? flow.to : "timeout";
                if (outcomes[index] === expected) return [];
                return [`${from} -> ${flow.service ? "Service" : `${flow.to}:${flow.port}`}: ${outcomes[index]}`];
            });
        });
        return (await Promise.all(perPod)).flat();
    }

    /** Waits until one whole round of connections has the expected outcomes. */
    async function untilFlowsAre(allows: (flow: Flow) => boolean): Promise<void> {
        let wrong: string[] = [];
        const right = async () => (wrong = await wrongFlows(allows)).length === 0;
        await waitFor("the policies' effect", right, { timeoutMs: 20_000 }).catch((error) => {
            assert.deepEqual(wrong, [], "flows with another outcome than expected");
            throw error;
        });
    }

    const denyIngress: NetworkPolicy = {
        metadata: { name: "", namespace: namespaces.shop },
        spec: { podSelector: {}, policyTypes: ["Ingress"] },
    };
    const intoServer = (from?: PolicyPeer[], ports?: PolicyPort[]): NetworkPolicy => ({
        metadata: { name: "", namespace: namespaces.shop },
        spec: { podSelector: { matchLabels: { app: "server" } }, policyTypes: ["Ingress"], ingress: [{ from, ports }] },
    });
    const outOfClient = (...egress: { to?: PolicyPeer[]; ports?: PolicyPort[] }[]): NetworkPolicy => ({
        metadata: { name: "", namespace: namespaces.shop },
        spec: { podSelector: { matchLabels: { app: "client" } }, policyTypes: ["Egress"], egress },
    });
    /** The range of this length that holds an end's address. */
    const block = (name: PodName | "service", bits: 16 | 32 = 32) =>
        bits === 32 ? `${addresses.get(name)}/32` : `${addresses.get(name)!.split(".").slice(0, 2).join(".")}.0.0/16`;

    it("no policy: all is open, the Service too", async () => {
        await untilFlowsAre(() => true);
    });

    it("default deny of ingress closes its namespace only, and new pods still pass their probes", async () => {
        await enforce([denyIngress]);
        await untilFlowsAre(({ to }) => to === "stranger");
        await apply([podManifest("late", namespaces.shop, 8080)]);
        await ready("late", namespaces.shop);
    });

    it("podSelector: pods of the same namespace", async () => {
        await enforce([
            denyIngress,
            intoServer([{ podSelector: { matchExpressions: [{ key: "app", operator: "Exists" }] } }]),
        ]);
        await untilFlowsAre(({ from, to }) => to === "stranger" || (to === "server" && from === "client"));
    });

    it("namespaceSelector: pods of other namespaces", async () => {
        await enforce([denyIngress, intoServer([{ namespaceSelector: { matchLabels: { team: "lab" } } }])]);
        await untilFlowsAre(({ from, to }) => to === "stranger" || (to === "server" && from === "stranger"));
    });

    it("port number: the backend's port counts, not the Service's", async () => {
        await enforce([intoServer(undefined, [{ port: 8080 }, { port: 80 }])]);
        await untilFlowsAre(({ to, port }) => to !== "server" || port === 8080);
    });

    it("named port, ingress: the selected pod's", async () => {
        await enforce([intoServer(undefined, [{ port: "main" }])]);
        await untilFlowsAre(({ to, port }) => to !== "server" || port === 9090);
    });

    it("named port, egress: the destination's", async () => {
        await enforce([outOfClient({ to: [{ namespaceSelector: {} }], ports: [{ port: "main" }] })]);
        await untilFlowsAre(({ from, to, port }) => from !== "client" || port === pods[to].main);
    });

    it("egress closed but for DNS: names resolve, nothing else goes", async () => {
        await enforce([
            outOfClient({
                ports: [
                    { protocol: "UDP", port: 53 },
                    { protocol: "TCP", port: 53 },
                ],
            }),
        ]);
        await untilFlowsAre(({ from }) => from !== "client");
        const name = `server.${namespaces.shop}.svc.cluster.local`;
        const source = `require("node:dns").promises.lookup(${JSON.stringify(name)})`;
        assert.equal((await inPod<{ address: string }>("client", source)).address, addresses.get("service"));
    });

    it("egress to a Service: by its pods, never by its own address", async () => {
        await enforce([outOfClient({ to: [{ ipBlock: { cidr: block("service") } }] })]);
        await untilFlowsAre(({ from }) => from !== "client");
        await enforce([
            outOfClient({ to: [{ podSelector: { matchLabels: { app: "server" } } }], ports: [{ port: 9090 }] }),
        ]);
        await untilFlowsAre(({ from, to, port }) => from !== "client" || (to === "server" && port === 9090));
    });

    it("ipBlock with an exception", async () => {
        await enforce([intoServer([{ ipBlock: { cidr: block("server", 16), except: [block("client")] } }])]);
        await untilFlowsAre(({ from, to }) => to !== "server" || from !== "client");
    });

    it("without the policies all is open again", async () => {
        await enforce([]);
        await untilFlowsAre(() => true);
    });
});
