import assert from "node:assert/strict";

import { imageFromCatalog } from "../../components/core/catalog";
import { imageViolations, probeViolations, resourceViolations, selectorViolations } from "./checks";
import { Container, PodSpec, podTemplateOf, StackResource } from "./pods";
import { podSecurityViolations } from "./podSecurity";

const digest = `sha256:${"a".repeat(64)}`;

const good: Container = {
    name: "app",
    image: `r.example.com/app@${digest}`,
    resources: { requests: { cpu: "50m", memory: "64Mi" }, limits: { memory: "128Mi" } },
    livenessProbe: { httpGet: {} },
    readinessProbe: { exec: {} },
    securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
    },
};
const goodPod: PodSpec = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    containers: [good],
    volumes: [{ name: "data", emptyDir: {} }],
};

/** The good pod with its container changed. */
const withContainer = (change: Partial<Container>): PodSpec => ({ ...goodPod, containers: [{ ...good, ...change }] });
const withContext = (change: Container["securityContext"]) =>
    withContainer({ securityContext: { ...good.securityContext, ...change } });

describe("policy: restricted pods", () => {
    it("admits a restricted pod, and one whose containers loosen what `restricted` leaves free", () => {
        assert.deepEqual(podSecurityViolations(goodPod), []);
        assert.deepEqual(
            podSecurityViolations(withContext({ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } })),
            [],
        );
        assert.deepEqual(
            podSecurityViolations({
                ...goodPod,
                securityContext: { ...goodPod.securityContext, sysctls: [{ name: "net.ipv4.tcp_rmem" }] },
            }),
            [],
        );
    });

    const failing: [PodSpec, string][] = [
        [{ ...goodPod, hostNetwork: true }, "the pod sets hostNetwork"],
        [{ ...goodPod, hostPID: true }, "the pod sets hostPID"],
        [{ ...goodPod, hostIPC: true }, "the pod sets hostIPC"],
        [
            { ...goodPod, volumes: [{ name: "host", hostPath: { path: "/" } }] },
            "the pod has a volume of the type hostPath host",
        ],
        [
            { ...goodPod, securityContext: { ...goodPod.securityContext, sysctls: [{ name: "kernel.msgmax" }] } },
            "the pod sets the sysctl kernel.msgmax",
        ],
        [
            { ...goodPod, securityContext: { ...goodPod.securityContext, appArmorProfile: { type: "Unconfined" } } },
            "the pod has no AppArmor profile",
        ],
        [
            { ...goodPod, securityContext: { ...goodPod.securityContext, runAsNonRoot: false } },
            "container app does not set runAsNonRoot to true",
        ],
        [{ ...goodPod, securityContext: { runAsNonRoot: true } }, "container app has the seccomp profile missing"],
        [withContext({ seccompProfile: { type: "Unconfined" } }), "container app has the seccomp profile Unconfined"],
        [withContext({ privileged: true }), "container app is privileged"],
        [
            withContext({ allowPrivilegeEscalation: undefined }),
            "container app does not set allowPrivilegeEscalation to false",
        ],
        [withContext({ runAsUser: 0 }), "container app runs as user 0"],
        [withContext({ capabilities: { drop: ["KILL"] } }), "container app does not drop ALL capabilities"],
        [
            withContext({ capabilities: { drop: ["ALL"], add: ["NET_RAW"] } }),
            "container app adds the capabilities NET_RAW",
        ],
        [withContext({ procMount: "Unmasked" }), "container app mounts proc as Unmasked"],
        [withContext({ seLinuxOptions: { type: "spc_t" } }), "container app has the SELinux type spc_t"],
        [withContext({ seLinuxOptions: { user: "root" } }), "container app sets a SELinux user or role"],
        [withContext({ windowsOptions: { hostProcess: true } }), "container app is a Windows host process"],
        [withContext({ readOnlyRootFilesystem: false }), "container app does not set readOnlyRootFilesystem to true"],
        [withContainer({ ports: [{ hostPort: 80 }] }), "container app has a port on the host"],
        [
            withContainer({ livenessProbe: { httpGet: { host: "169.254.169.254" } } }),
            "container app probes another host",
        ],
        [
            {
                ...goodPod,
                initContainers: [
                    { ...good, name: "init", securityContext: { ...good.securityContext, privileged: true } },
                ],
            },
            "container init is privileged",
        ],
    ];
    for (const [pod, violation] of failing) {
        it(`finds that ${violation}`, () => assert.deepEqual(podSecurityViolations(pod), [violation]));
    }
});

describe("policy: images", () => {
    for (const image of [
        `app@${digest}`,
        `r.example.com/app:1@${digest}`,
        imageFromCatalog("nginx"),
        imageFromCatalog("nginx", "mirror.example.com"),
    ]) {
        it(`admits ${image}`, () => assert.deepEqual(imageViolations(withContainer({ image })), []));
    }
    for (const image of ["app", "app:1", "app@sha256:12", "docker.io/library/nginx:latest"]) {
        it(`refuses ${image}`, () => {
            assert.deepEqual(imageViolations({ ...goodPod, initContainers: [{ ...good, image }] }), [
                `container app runs ${image}, neither by digest nor in the catalogue`,
            ]);
        });
    }
});

describe("policy: probes", () => {
    const serving = (spec: PodSpec) => probeViolations({ spec, serves: true });
    const { livenessProbe, readinessProbe, ...unprobed } = good;

    it("admits a pod in which one container answers for the readiness of all", () => {
        assert.deepEqual(serving(goodPod), []);
        const sidecar = { ...good, name: "proxy", restartPolicy: "Always" };
        assert.deepEqual(serving({ containers: [{ ...unprobed, livenessProbe }], initContainers: [sidecar] }), []);
    });
    it("asks nothing of pods that end by themselves, nor of init containers", () => {
        assert.deepEqual(probeViolations({ spec: { containers: [unprobed] }, serves: false }), []);
        assert.deepEqual(serving({ containers: [good], initContainers: [{ ...unprobed, name: "init" }] }), []);
    });
    it("finds containers without liveness, native sidecars too", () => {
        assert.deepEqual(serving({ containers: [{ ...unprobed, readinessProbe }] }), [
            "container app has no liveness probe",
        ]);
        const sidecar = { ...unprobed, name: "proxy", restartPolicy: "Always" };
        assert.deepEqual(serving({ containers: [good], initContainers: [sidecar] }), [
            "container proxy has no liveness probe",
        ]);
    });
    it("finds pods without readiness", () => {
        assert.deepEqual(serving({ containers: [{ ...unprobed, livenessProbe }] }), [
            "no container of the pod has a readiness probe",
        ]);
    });
    it("finds one question for both", () => {
        assert.deepEqual(serving(withContainer({ readinessProbe: livenessProbe })), [
            "container app asks the same for liveness as for readiness",
        ]);
    });
});

describe("policy: resources", () => {
    it("admits requests with a memory limit", () => assert.deepEqual(resourceViolations(goodPod), []));
    for (const [resources, violations] of [
        [undefined, ["a cpu request", "a memory request", "a memory limit"]],
        [{ requests: { cpu: "1" }, limits: { memory: "1Mi" } }, ["a memory request"]],
        [{ requests: { memory: "1Mi" }, limits: { memory: "1Mi" } }, ["a cpu request"]],
        [{ requests: { cpu: "1", memory: "1Mi" }, limits: { cpu: "1" } }, ["a memory limit"]],
    ] as const) {
        it(`finds that ${violations.join(", ")} is missing`, () => {
            assert.deepEqual(
                resourceViolations(withContainer({ resources })),
                violations.map((one) => `container app has not ${one}`),
            );
        });
    }
});

describe("policy: selectors", () => {
    const metadata = { namespace: "books", labels: { app: "shop", tier: "web" } };
    const workload = {
        type: "kubernetes:apps/v1:Deployment",
        name: "shop",
        props: { metadata, spec: { template: { metadata, spec: goodPod } } },
    };
    const service = (selector: unknown, namespace = "books"): StackResource => ({
        type: "kubernetes:core/v1:Service",
        name: "service",
        props: { metadata: { namespace }, spec: { selector } },
    });
    const budget = (selector: unknown): StackResource => ({
        type: "kubernetes:policy/v1:PodDisruptionBudget",
        name: "budget",
        props: { metadata: { namespace: "books" }, spec: { selector } },
    });
    const policy = (podSelector: unknown): StackResource => ({
        type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        name: "policy",
        props: { metadata: { namespace: "books" }, spec: { podSelector } },
    });
    const namesOf = (resource: StackResource) =>
        selectorViolations([workload, resource]).map((one) => one.resource.name);

    it("admits what selects a pod of the stack, and Services without a selector", () => {
        for (const resource of [
            service({ app: "shop" }),
            service(undefined),
            budget({ matchLabels: { app: "shop", tier: "web" } }),
            budget({
                matchExpressions: [
                    { key: "app", operator: "In", values: ["shop"] },
                    { key: "old", operator: "DoesNotExist" },
                ],
            }),
            policy({}),
        ])
            assert.deepEqual(namesOf(resource), [], JSON.stringify(resource));
    });
    it("finds what selects none, or pods of another namespace only", () => {
        for (const resource of [
            service({ app: "shop", tier: "db" }),
            service({ app: "shop" }, "other"),
            budget({ matchLabels: { app: "x" } }),
            budget({ matchExpressions: [{ key: "app", operator: "NotIn", values: ["shop"] }] }),
            budget({ matchExpressions: [{ key: "old", operator: "Exists" }] }),
            policy({ matchLabels: { tier: "db" } }),
        ])
            assert.deepEqual(namesOf(resource), [resource.name], JSON.stringify(resource));
    });
});

describe("policy: pods of resources", () => {
    const metadata = { labels: { app: "shop" } };
    const template = { metadata, spec: goodPod };
    for (const [type, props, serves] of [
        ["kubernetes:apps/v1:Deployment", { spec: { template } }, true],
        ["kubernetes:apps/v1:StatefulSet", { spec: { template } }, true],
        ["kubernetes:apps/v1:DaemonSet", { spec: { template } }, true],
        ["kubernetes:batch/v1:Job", { spec: { template } }, false],
        ["kubernetes:batch/v1:CronJob", { spec: { jobTemplate: { spec: { template } } } }, false],
        ["kubernetes:core/v1:Pod", { metadata, spec: goodPod }, true],
        ["kubernetes:core/v1:Pod", { metadata, spec: { ...goodPod, restartPolicy: "Never" } }, false],
    ] as const) {
        it(`finds those of ${type}, which ${serves ? "serve" : "end"}`, () => {
            const pod = podTemplateOf({ type, props });
            assert.deepEqual(pod?.labels, { app: "shop" });
            assert.deepEqual(pod?.spec.containers, [good]);
            assert.equal(pod?.serves, serves);
        });
    }
    it("finds none in a ConfigMap", () => {
        assert.equal(podTemplateOf({ type: "kubernetes:core/v1:ConfigMap", props: {} }), undefined);
    });
});
