import assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

import type { PodSpec } from "../../components/core/pod";
import { addHttpsSidecar, AddHttpsSidecarArgs } from "../../components/single-node/httpsSidecarPod";
import { addTopzSidecar } from "../../components/single-node/topz";
import { podSecurityViolations } from "../policy/podSecurity";
import { recordResources, valueOf } from "../support/mocks";

const reference = (name: string) => `registry.example.com/${name}@sha256:${"0".repeat(64)}`;
const https: AddHttpsSidecarArgs = { agentImage: reference("certificate-agent"), secretName: "shop-tls" };
const topz = { topzImage: reference("topz") };

const app = { name: "app", image: "shop:1", ports: [{ containerPort: 8080 }] };
/** Pods of the kinds that the sidecars have to fit. */
const pods: Record<string, PodSpec> = {
    Deployment: { containers: [app] },
    StatefulSet: {
        initContainers: [{ name: "restore", image: "shop:1" }],
        containers: [{ ...app, volumeMounts: [{ name: "data", mountPath: "/data" }] }],
        volumes: [{ name: "scratch", emptyDir: {} }],
    },
    Job: { restartPolicy: "Never", serviceAccountName: "worker", containers: [{ ...app, ports: [] }] },
};

/** The pod with every input resolved. */
async function resolved(pod: PodSpec): Promise<any> {
    return valueOf(pulumi.output(pod as pulumi.Input<PodSpec>));
}

describe("sidecars for any pod", () => {
    before(() => recordResources());

    for (const [kind, pod] of Object.entries(pods)) {
        it(`addHttpsSidecar adds to the pod of a ${kind} and leaves the rest as it is`, async () => {
            const before = structuredClone(pod);
            const after = await resolved(addHttpsSidecar(pod, https));
            assert.deepEqual(pod, before, "the given spec is not changed");

            const { initContainers, volumes, ...rest } = after;
            const { initContainers: ownInit = [], volumes: ownVolumes = [], ...ownRest } = before as any;
            assert.deepEqual(rest, ownRest);
            assert.deepEqual(
                initContainers.slice(0, ownInit.length),
                ownInit,
                "the pod's own init containers run first",
            );
            const sidecars = initContainers.slice(ownInit.length);
            assert.deepEqual(
                sidecars.map((one: any) => [one.name, one.restartPolicy]),
                [
                    ["certificate-agent", "Always"],
                    ["nginx", "Always"],
                ],
            );
            assert.deepEqual(volumes.slice(0, ownVolumes.length), ownVolumes);
            assert.deepEqual(
                podSecurityViolations({ containers: sidecars, volumes }),
                [],
                "restricted by themselves, whatever the pod sets",
            );
            for (const sidecar of sidecars) {
                for (const mount of sidecar.volumeMounts) {
                    assert.ok(
                        volumes.some((volume: any) => volume.name === mount.name),
                        `${mount.name} is there to mount`,
                    );
                }
            }
        });
    }

    it("mounts the Secret into the agent only, and shares memory with nginx", async () => {
        const {
            initContainers: [agent, nginx],
            volumes,
        } = await resolved(addHttpsSidecar(pods.Deployment, https));
        const secret = volumes.find((volume: any) => volume.secret?.secretName === "shop-tls");
        const mounts = (container: any) => container.volumeMounts.map((mount: any) => mount.name);
        assert.ok(mounts(agent).includes(secret.name));
        assert.ok(!mounts(nginx).includes(secret.name));
        const run = volumes.find((volume: any) => volume.emptyDir?.medium === "Memory");
        assert.deepEqual(run.emptyDir, { medium: "Memory", sizeLimit: "4Mi" });
        for (const container of [agent, nginx]) {
            assert.equal(container.volumeMounts.find((mount: any) => mount.name === run.name).mountPath, "/run/https");
        }
        assert.ok(agent.startupProbe, "nginx starts only when the agent has something for it");
    });

    it("watches the API where the pod has an account for it", async () => {
        const {
            initContainers: [agent],
            volumes,
        } = await resolved(addHttpsSidecar(pods.Job, { ...https, watch: "api" }));
        const env = Object.fromEntries(agent.env.map(({ name, value }: any) => [name, value]));
        assert.deepEqual([env.SOURCE, env.SECRET_NAME, env.SECRET_DIR], ["api", "shop-tls", undefined]);
        assert.ok(!volumes.some((volume: any) => volume.secret));
        assert.throws(() => addHttpsSidecar(pods.Deployment, { ...https, watch: "api" }), {
            message:
                "addHttpsSidecar: `podSpec.serviceAccountName` is missing; give a service account that may get, list and watch the Secret",
        });
    });

    it("puts both sidecars into one pod when their ports differ", async () => {
        const pod = { ...pods.Deployment, shareProcessNamespace: true };
        const both = await resolved(addTopzSidecar(addHttpsSidecar(pod, https), { ...topz, topzPort: 8090 }));
        assert.deepEqual(
            both.initContainers.map((one: any) => one.name),
            ["certificate-agent", "nginx", "topz"],
        );
        assert.throws(() => addTopzSidecar(addHttpsSidecar(pod, https), topz), {
            message: "addTopzSidecar: `topzPort` is 8081; give a port that container `nginx` does not use",
        });
    });

    const taken = (change: PodSpec, message: string) => ({ pod: change, message });
    for (const { pod, message } of [
        taken(
            { containers: [{ ...app, ports: [{ containerPort: 8443 }] }] },
            "addHttpsSidecar: `proxy.httpsPort` is 8443; give a port that container `app` does not use",
        ),
        taken(
            { containers: [{ name: "nginx" }] },
            'addHttpsSidecar: `podSpec` is "nginx"; give a pod without a container of that name; a sidecar is added once',
        ),
        taken(
            { containers: [app], initContainers: [{ name: "certificate-agent" }] },
            'addHttpsSidecar: `podSpec` is "certificate-agent"; give a pod without a container of that name; a sidecar is added once',
        ),
        taken(
            { containers: [app], volumes: [{ name: "https-run", emptyDir: {} }] },
            'addHttpsSidecar: `podSpec` is "https-run"; give a pod without a volume of that name',
        ),
    ]) {
        it(`refuses ${JSON.stringify(pod)}, at once when it is plain and later when it is an output`, async () => {
            assert.throws(() => addHttpsSidecar(pod, https), { message });
            const containers = pulumi.output(pod.containers);
            await assert.rejects(
                resolved(
                    addHttpsSidecar(
                        {
                            ...pod,
                            containers,
                            volumes: pulumi.output(pod.volumes ?? []),
                            initContainers: pulumi.output(pod.initContainers ?? []),
                        },
                        https,
                    ),
                ),
                { message },
            );
            const later = (list?: pulumi.Input<any>) => list && (list as any[]).map((item) => pulumi.output(item));
            await assert.rejects(
                resolved(
                    addHttpsSidecar(
                        {
                            containers: later(pod.containers)!,
                            initContainers: later(pod.initContainers),
                            volumes: later(pod.volumes),
                        },
                        https,
                    ),
                ),
                { message },
            );
        });
    }

    it("checks what is plain although the image is an output", () => {
        const containers = [{ name: "nginx", image: pulumi.output("shop:1") }];
        assert.throws(() => addHttpsSidecar({ containers }, https), /`podSpec` is "nginx"/);
    });

    for (const shareProcessNamespace of [undefined, false]) {
        it(`addTopzSidecar refuses shareProcessNamespace: ${shareProcessNamespace}`, async () => {
            const given = shareProcessNamespace === undefined ? "missing" : "false";
            const message = `addTopzSidecar: \`podSpec.shareProcessNamespace\` is ${given}; give true: without it the sidecar sees no process but its own`;
            assert.throws(() => addTopzSidecar({ ...pods.Deployment, shareProcessNamespace }, topz), { message });
            const later = addTopzSidecar(
                { ...pods.Deployment, shareProcessNamespace: pulumi.output(shareProcessNamespace!) },
                topz,
            );
            await assert.rejects(resolved(later), { message });
        });
    }
});
