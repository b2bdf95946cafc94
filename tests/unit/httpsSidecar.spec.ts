import assert from "node:assert/strict";

import { HttpsSidecar, HttpsSidecarArgs } from "../../components/single-node/httpsSidecar";
import { probeViolations, resourceViolations } from "../policy/checks";
import { podSecurityViolations } from "../policy/podSecurity";
import { assertSelects, listOf, only, Recorded, recordResources, settled, unknown, valueOf } from "../support/mocks";

const reference = (name: string) => `127.0.0.1:5001/distributed-patterns/${name}@sha256:${"0".repeat(64)}`;
const args: HttpsSidecarArgs = {
    namespace: "books",
    image: reference("legacy-service"),
    agentImage: reference("certificate-agent"),
    livenessCommand: ["/check"],
    tls: { bootstrapImage: reference("bootstrap") },
};

describe("HttpsSidecar", () => {
    describe("with a certificate made in the cluster", () => {
        let recorded: Recorded[];
        let sidecar: HttpsSidecar;
        before(async () => {
            recorded = await recordResources();
            sidecar = new HttpsSidecar("legacy", { ...args, labels: { team: "books" } });
            await settled();
        });

        it("makes exactly these children", () => {
            assert.deepEqual(listOf(recorded), [
                "apps/v1:Deployment legacy",
                "batch/v1:CronJob legacy-certificate",
                "batch/v1:Job legacy-certificate",
                "core/v1:ConfigMap legacy-certificate",
                "core/v1:Service legacy",
                "core/v1:ServiceAccount legacy",
                "core/v1:ServiceAccount legacy-certificate",
                "distributed-patterns:index:Certificate legacy-certificate",
                "distributed-patterns:index:HttpsSidecar legacy",
                "networking.k8s.io/v1:NetworkPolicy legacy",
                "policy/v1:PodDisruptionBudget legacy",
                "rbac.authorization.k8s.io/v1:Role legacy",
                "rbac.authorization.k8s.io/v1:Role legacy-certificate",
                "rbac.authorization.k8s.io/v1:RoleBinding legacy",
                "rbac.authorization.k8s.io/v1:RoleBinding legacy-certificate",
            ]);
            for (const { type, name, parent } of recorded) {
                const owner =
                    name === "legacy"
                        ? "distributed-patterns:index:HttpsSidecar::legacy"
                        : "distributed-patterns:index:Certificate::legacy-certificate";
                if (!type.startsWith("kubernetes:")) continue;
                assert.equal(parent, owner, `parent of ${type} ${name}`);
            }
        });

        it("puts every object into the namespace, with the user's labels", () => {
            for (const { type, name, inputs } of recorded.filter((one) => one.type.startsWith("kubernetes:"))) {
                assert.equal(inputs.metadata.namespace, "books", `${type} ${name}`);
                assert.equal(inputs.metadata.labels.team, "books", `${type} ${name}`);
            }
        });

        it("says what a consumer wires next", async () => {
            assert.equal(await valueOf(sidecar.endpoint), "https://legacy.books.svc");
            assert.equal(await valueOf(sidecar.serviceName), "legacy");
            assert.equal(await valueOf(sidecar.port), 443);
            assert.equal(await valueOf(sidecar.secretName), "legacy-certificate");
            assert.equal(await valueOf(sidecar.deploymentName), "legacy-0a1b2c");
        });

        it("selects its own pods everywhere, also by the output", async () => {
            const { template, selector } = only(recorded, "kubernetes:apps/v1:Deployment").spec;
            const labels = template.metadata.labels;
            assertSelects(selector.matchLabels, labels);
            const served = only(recorded, "kubernetes:core/v1:Service").spec.selector;
            assert.deepEqual(served, selector.matchLabels);
            assertSelects(only(recorded, "kubernetes:policy/v1:PodDisruptionBudget").spec.selector.matchLabels, labels);
            assertSelects(
                only(recorded, "kubernetes:networking.k8s.io/v1:NetworkPolicy").spec.podSelector.matchLabels,
                labels,
            );
            assertSelects(await valueOf(sidecar.selectorLabels), labels);
            assertSelects(template.spec.topologySpreadConstraints[0].labelSelector.matchLabels, labels);
            assert.ok(
                !("team" in selector.matchLabels),
                "a selector cannot change, so the user's labels stay out of it",
            );
        });

        it("runs restricted, probed and bounded pods", () => {
            for (const type of ["apps/v1:Deployment", "batch/v1:Job"]) {
                const { spec } = only(recorded, `kubernetes:${type}`).spec.template;
                assert.deepEqual(podSecurityViolations(spec), [], type);
                assert.deepEqual(resourceViolations(spec), [], type);
            }
            const { spec } = only(recorded, "kubernetes:apps/v1:Deployment").spec.template;
            assert.deepEqual(probeViolations({ spec, serves: true }), []);
        });

        it("opens the sidecar's ports only, and leads 443 and 80 to them", () => {
            const [rule, ...more] = only(recorded, "kubernetes:networking.k8s.io/v1:NetworkPolicy").spec.ingress;
            assert.deepEqual(more, []);
            assert.deepEqual(rule, { ports: [8443, 8081, 8082].map((port) => ({ port, protocol: "TCP" })) });
            const service = only(recorded, "kubernetes:core/v1:Service");
            assert.deepEqual(service.spec.ports, [
                { name: "https", port: 443, targetPort: 8443 },
                { name: "http-redirect", port: 80, targetPort: 8081 },
            ]);
            assert.equal(service.metadata.annotations["pulumi.com/skipAwait"], "true");
            const [app] = only(recorded, "kubernetes:apps/v1:Deployment").spec.template.spec.containers;
            assert.equal(app.ports, undefined, "the application is reached through localhost only");
        });

        it("gives a token to the agent alone, which may read its one Secret", () => {
            const { spec } = only(recorded, "kubernetes:apps/v1:Deployment").spec.template;
            assert.equal(spec.automountServiceAccountToken, false);
            for (const { type, name, inputs } of recorded.filter(({ type }) => type.endsWith(":ServiceAccount"))) {
                assert.equal(inputs.automountServiceAccountToken, false, `${type} ${name}`);
            }
            const holders = [...spec.containers, ...spec.initContainers].filter((container: any) =>
                container.volumeMounts?.some((mount: any) => mount.mountPath.includes("serviceaccount")),
            );
            assert.deepEqual(
                holders.map((container: any) => container.name),
                ["certificate-agent"],
            );
            assert.deepEqual(only(recorded, "kubernetes:rbac.authorization.k8s.io/v1:Role", "legacy").rules, [
                {
                    apiGroups: [""],
                    resources: ["secrets"],
                    resourceNames: ["legacy-certificate"],
                    verbs: ["get", "list", "watch"],
                },
            ]);
        });

        it("replaces pods without a gap: a new one is ready first, and an old one outlasts its endpoints", () => {
            const { strategy, template } = only(recorded, "kubernetes:apps/v1:Deployment").spec;
            assert.deepEqual(strategy.rollingUpdate, { maxUnavailable: 0, maxSurge: 1 });
            const [app] = template.spec.containers;
            const sleep = app.lifecycle.preStop.sleep.seconds;
            assert.ok(sleep >= 5);
            assert.equal(template.spec.terminationGracePeriodSeconds, sleep + 30);
        });

        it("asks for a certificate of all names of the Service", () => {
            const config = only(recorded, "kubernetes:core/v1:ConfigMap");
            assert.equal(config.immutable, true);
            assert.deepEqual(JSON.parse(config.data["spec.json"]), {
                owner: { apiVersion: "v1", kind: "ServiceAccount", name: "legacy-certificate" },
                certificates: [
                    {
                        secretName: "legacy-certificate",
                        issuerSecretName: "legacy-certificate-ca",
                        dnsNames: ["legacy", "legacy.books", "legacy.books.svc", "legacy.books.svc.cluster.local"],
                        validity: "90d",
                        renewBefore: "30d",
                    },
                ],
            });
        });
    });

    it("passes settings on, and mounts the client CA into nginx only", async () => {
        const recorded = await recordResources();
        new HttpsSidecar("legacy", {
            ...args,
            port: 3000,
            replicas: 5,
            disruptionBudget: { maxUnavailable: 2 },
            metrics: false,
            networkPolicy: { podLabels: { role: "client" }, namespaceLabels: { team: "shop" } },
            tls: { existingSecret: "shop-tls", clientCa: "PEM" },
            proxy: {
                minimumTls: "1.3",
                clientCertificate: "required",
                trustedProxies: ["10.0.0.0/8", "::1"],
                httpsPort: 9443,
            },
        });
        await settled();
        const { replicas, template } = only(recorded, "kubernetes:apps/v1:Deployment").spec;
        assert.equal(replicas, 5);
        assert.equal(template.metadata.annotations, undefined);
        assert.equal(only(recorded, "kubernetes:policy/v1:PodDisruptionBudget").spec.maxUnavailable, 2);
        const [agent, nginx] = template.spec.initContainers;
        const env = Object.fromEntries(agent.env.map(({ name, value }: any) => [name, value]));
        const { APP_PORT, SECRET_NAME, MINIMUM_TLS, CLIENT_CERTIFICATE, TRUSTED_PROXIES, HTTPS_PORT } = env;
        assert.deepEqual(
            { APP_PORT, SECRET_NAME, MINIMUM_TLS, CLIENT_CERTIFICATE, TRUSTED_PROXIES, HTTPS_PORT },
            {
                APP_PORT: "3000",
                SECRET_NAME: "shop-tls",
                MINIMUM_TLS: "1.3",
                CLIENT_CERTIFICATE: "required",
                TRUSTED_PROXIES: "10.0.0.0/8,::1",
                HTTPS_PORT: "9443",
            },
        );
        const ca = only(recorded, "kubernetes:core/v1:ConfigMap");
        assert.deepEqual({ data: ca.data, immutable: ca.immutable }, { data: { "ca.crt": "PEM" }, immutable: true });
        const volume = template.spec.volumes.find(
            ({ configMap }: any) => configMap?.name === "legacy-client-ca-0a1b2c",
        );
        const file = nginx.volumeMounts.find(({ name }: any) => name === volume.name).mountPath;
        assert.equal(env.CLIENT_CA_FILE, `${file}/ca.crt`);
        assert.ok(!agent.volumeMounts.some(({ name }: any) => name === volume.name));
        const [{ from, ports }] = only(recorded, "kubernetes:networking.k8s.io/v1:NetworkPolicy").spec.ingress;
        assert.deepEqual(from, [
            {
                podSelector: { matchLabels: { role: "client" } },
                namespaceSelector: { matchLabels: { team: "shop" } },
            },
        ]);
        assert.deepEqual(
            ports.map(({ port }: any) => port),
            [9443, 8081],
        );
    });

    it("previews with everything unknown", async () => {
        const recorded = await recordResources({ preview: true });
        const sidecar = new HttpsSidecar("legacy", {
            namespace: unknown(),
            image: unknown(),
            agentImage: unknown(),
            tls: { existingSecret: unknown() },
        });
        await settled();
        assert.equal(recorded.filter(({ type }) => type.startsWith("kubernetes:")).length, 7);
        assert.equal(await valueOf(sidecar.endpoint), undefined);
    });

    const refusals: [Partial<HttpsSidecarArgs>, string][] = [
        [{ replicas: 0 }, "bad: `replicas` is 0; give a whole number from 1 to 1000"],
        [
            { replicas: 2, disruptionBudget: { maxUnavailable: 3 } },
            "bad: `disruptionBudget.maxUnavailable` is 3; give a whole number from 1 to 2",
        ],
        [{ spread: { maxSkew: 0 } }, "bad: `spread.maxSkew` is 0; give a whole number from 1 to 100"],
        [{ drainSeconds: 0 }, "bad: `drainSeconds` is 0; give a whole number from 1 to 3600"],
        [
            { port: 8443 },
            "bad: `proxy.httpsPort` is 8443; give a port other than `port`; containers of a pod share one address",
        ],
        [{ proxy: { httpPort: 443 } }, "bad: `proxy.httpPort` is 443; give a whole number from 1024 to 65535"],
        [{ proxy: { minimumTls: "1.1" } }, 'bad: `proxy.minimumTls` is "1.1"; give one of 1.2, 1.3'],
        [
            { proxy: { clientCertificate: "on" } },
            'bad: `proxy.clientCertificate` is "on"; give one of off, optional, required',
        ],
        [
            { proxy: { clientCertificate: "required" } },
            "bad: `tls.clientCa` is missing; give the CAs of client certificates, which are required",
        ],
        [
            { tls: { ...args.tls, clientCa: "PEM" } },
            'bad: `proxy.clientCertificate` is "off"; give `optional` or `required`, because `tls.clientCa` is set',
        ],
        [
            { proxy: { hstsMaxAge: "365" } },
            'bad: `proxy.hstsMaxAge` is "365"; give a time with its unit (ms, s, m, h, d) from 0s to 3650d',
        ],
        [
            { proxy: { readinessPath: "readyz" } },
            'bad: `proxy.readinessPath` is "readyz"; give an absolute path such as `/readyz`',
        ],
        [{ tls: {} }, "bad: `tls` is []; give exactly one of `existingSecret`, `issuer`, `bootstrapImage`"],
        [
            { image: "legacy" },
            'bad: `image` is "legacy"; give an image by digest, `repository@sha256:…`, or by a tag other than `latest`',
        ],
        [
            { agentImage: "agent:latest" },
            'bad: `agentImage` is "agent:latest"; give an image by digest, `repository@sha256:…`, or by a tag other than `latest`',
        ],
        [
            { resources: { memoryLimit: "1Mi" } },
            'bad: `resources.memoryLimit` is "1Mi"; give at least the request, 64Mi',
        ],
        [
            { labels: { "app.kubernetes.io/name": "x" } },
            'bad: `labels` is "app.kubernetes.io/name"; give labels outside app.kubernetes.io/, which the component sets itself',
        ],
    ];
    for (const [change, message] of refusals) {
        it(`refuses ${JSON.stringify(change)} before any child`, async () => {
            const recorded = await recordResources({ preview: true });
            assert.throws(() => new HttpsSidecar("bad", { ...args, ...change }), { message });
            await settled();
            assert.deepEqual(listOf(recorded), ["distributed-patterns:index:HttpsSidecar bad"]);
        });
    }

    it("refuses a name that cannot name a Service", async () => {
        await recordResources();
        assert.throws(() => new HttpsSidecar("Legacy", args), /^Error: Legacy: `name` is "Legacy"; give a DNS label/);
    });
});
